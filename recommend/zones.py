"""Where things go on a face: the zones of the knowledge base, laid over any 68 landmarks.

A zone is written once, for the person's right side, in terms of landmarks and three operators, so that it
follows every face: ``lerp`` (a place between two places), ``up`` (along the face's own vertical) and ``out``
(away from its midline), the last two in eye distances. ``"H"`` is the estimated hairline. The left side is
the same recipe on the mirrored landmarks.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from recommend.knowledge.model import Place, Zone
from recommend.reading.geometry import Frame, Points, estimated_hairline, frame_of, mirrored

ELLIPSE_POINTS = 32
CORNER_CUTS, CORNER_SHARE = 3, 0.2
CURVE_STEPS = 6


@dataclasses.dataclass(frozen=True)
class Outline:
    """One closed area of a zone on one face.

    ``points`` is its edge, float64 [n, 2] in pixels of the photo, in drawing order; ``holes`` are areas
    inside it that are left out; ``side`` is "right" or "left" (the person's own) or "middle".
    """

    zone: str
    side: str
    points: Points
    holes: tuple[Points, ...] = ()

    @property
    def area(self) -> float:
        """The area inside the edge in square pixels, holes not subtracted (shoelace formula)."""
        x, y = self.points[:, 0], self.points[:, 1]
        return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2

    @property
    def centre(self) -> Points:
        """The centre of mass of the edge's points, float64 [2]."""
        return np.asarray(self.points.mean(axis=0))


def outlines(zone: Zone, points: Points, hairline: Points | None = None) -> list[Outline]:
    """Lay a zone over the landmarks ([68, 2], pixels) of one face: one outline, or right and left.

    ``hairline`` is where the person's hairline is on the midline, when somebody said so; otherwise it is
    estimated from the thirds of the face.
    """
    top = estimated_hairline(points) if hairline is None else hairline
    if zone.sides == "mid":
        return [_outline(zone, "middle", _Pen(points, top))]
    right = _outline(zone, "right", _Pen(points, top))
    # Mirror, draw the same recipe, mirror back: the left side needs no recipe of its own.
    flipped_top = np.array([-top[0], top[1]])
    left = _outline(zone, "left", _Pen(mirrored(points, 1.0), flipped_top))
    back = np.array([-1.0, 1.0])
    holes = tuple(hole * back for hole in left.holes)
    return [right, Outline(zone.id, "left", left.points * back, holes)]


@dataclasses.dataclass(frozen=True)
class _Pen:
    """Turns the places of a zone into pixels on one face."""

    points: Points
    hairline: Points

    @functools.cached_property
    def frame(self) -> Frame:
        return frame_of(self.points)

    def at(self, place: Place) -> Points:
        """Return the pixel of a place: a landmark, the hairline, or an operator over places."""
        if isinstance(place, int):
            return np.asarray(self.points[place])
        if place == "H":
            return self.hairline
        frame = self.frame
        if place[0] == "lerp":
            _, first, second, share = place
            return np.asarray(self.at(first) * (1 - share) + self.at(second) * share)
        operator, origin, amount = place
        if operator == "up":
            return self.at(origin) + frame.up * frame.unit * amount
        return self.at(origin) - frame.right * frame.unit * amount  # out: towards the person's right

    def path(self, places: Sequence[Place]) -> Points:
        return np.array([self.at(place) for place in places])


def _outline(zone: Zone, side: str, pen: _Pen) -> Outline:
    holes = tuple(pen.path(hole) for hole in zone.holes)
    if zone.kind == "ellipse":
        return Outline(zone.id, side, _ellipse(zone, pen), holes)
    path = pen.path(zone.points)
    if zone.kind == "polyline":
        return Outline(zone.id, side, _rounded(_stroke(curved(path), zone.width * pen.frame.unit)), holes)
    return Outline(zone.id, side, _rounded(path), holes)


def _rounded(edge: Points) -> Points:
    """Cut the corners of a closed edge (Chaikin 1974), so that zones look as soft as a brush."""
    for _ in range(CORNER_CUTS):
        after = np.roll(edge, -1, axis=0)
        pairs = np.stack(
            [edge + (after - edge) * CORNER_SHARE, after - (after - edge) * CORNER_SHARE], axis=1
        )
        edge = pairs.reshape(-1, 2)
    return edge


def curved(path: Points) -> Points:
    """Run a smooth line through the points of an open or closed path (uniform Catmull and Rom 1974)."""
    closed = bool(np.allclose(path[0], path[-1]))
    before, after = (path[-2], path[1]) if closed else (2 * path[0] - path[1], 2 * path[-1] - path[-2])
    control = np.vstack([before, path, after])
    t = np.linspace(0, 1, CURVE_STEPS, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(control, control[1:], control[2:], control[3:], strict=False):
        pieces.append(b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))))
    return np.vstack([*pieces, path[-1:]])


def _ellipse(zone: Zone, pen: _Pen) -> Points:
    """Return the edge of an ellipse; a tilted one lies along the cheekbone, from the mouth to the ear."""
    frame = pen.frame
    axis = -frame.right
    if zone.tilted:
        axis = pen.at(1) - pen.at(48)
        axis = axis / np.hypot(*axis)
        axis = (axis - frame.right) / np.hypot(*(axis - frame.right))
    normal = np.array([axis[1], -axis[0]])
    turn = np.linspace(0, 2 * np.pi, ELLIPSE_POINTS, endpoint=False)[:, None]
    across, along = zone.radii
    edge = np.cos(turn) * axis * across + np.sin(turn) * normal * along
    return np.asarray(pen.at(zone.centre) + edge * frame.unit)


def _stroke(path: Points, width: float) -> Points:
    """Widen a line into an area: offset it to both sides by half its width, and close it."""
    closed = bool(np.allclose(path[0], path[-1]))
    steps = np.diff(path, axis=0)
    steps /= np.maximum(np.hypot(steps[:, 0], steps[:, 1]), 1e-9)[:, None]
    if closed:
        tangents = np.vstack([steps[-1] + steps[0], steps[:-1] + steps[1:], steps[-1] + steps[0]])
    else:
        tangents = np.vstack([steps[0], steps[:-1] + steps[1:], steps[-1]])
    tangents /= np.maximum(np.hypot(tangents[:, 0], tangents[:, 1]), 1e-9)[:, None]
    normals = np.stack([tangents[:, 1], -tangents[:, 0]], axis=1) * (width / 2)
    return np.vstack([path + normals, (path - normals)[::-1]])
