"""Pixels of named places of a face, in linear light."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from recommend.colour import srgb8_to_linear
from recommend.reading.geometry import Points, frame_of

Number = TypeVar("Number", bound=np.generic)

WORKING_UNIT = 90.0  # eye distance in pixels that is enough for colours; larger faces are shrunk to it

RIGHT_EYE, LEFT_EYE = list(range(36, 42)), list(range(42, 48))


@dataclasses.dataclass(frozen=True)
class FacePixels:
    """The part of a photo around one face, shrunk to a working size.

    ``linear`` is float64 [h, w, 3], 0..1, proportional to light; ``points`` are the landmarks in it;
    ``srgb`` is the same area as uint8.
    """

    srgb: NDArray[np.uint8]
    linear: NDArray[np.float64]
    points: Points

    @property
    def unit(self) -> float:
        """The eye distance in pixels of this area."""
        return frame_of(self.points).unit

    def inside(self, edge: Points) -> NDArray[np.float64]:
        """Return the linear pixels inside a closed edge ([n, 2]) as float64 [m, 3]; m may be 0."""
        return self.take(self.linear, edge)

    def take(self, values: NDArray[Number], edge: Points) -> NDArray[Number]:
        """Return the entries of ``values`` ([h, w, …], one for every pixel of this area) inside an edge."""
        height, width = self.linear.shape[:2]
        left, top = np.clip(np.floor(edge.min(axis=0)).astype(int), 0, [width, height])
        right, bottom = np.clip(np.ceil(edge.max(axis=0)).astype(int) + 1, 0, [width, height])
        if right <= left or bottom <= top:
            return values[:0].reshape(0, *values.shape[2:])
        # A mask of the whole area for every small place would cost more than all else that is done with it.
        canvas = Image.new("L", (int(right - left), int(bottom - top)))
        ImageDraw.Draw(canvas).polygon([(float(x - left), float(y - top)) for x, y in edge], fill=1)
        inside: NDArray[np.bool_] = np.asarray(canvas).astype(bool)
        return np.asarray(values[top:bottom, left:right][inside])


def cut_out(image: NDArray[np.uint8], points: Points) -> FacePixels:
    """Cut the face with these landmarks out of a photo (uint8 RGB [H, W, 3]) and shrink it."""
    unit = frame_of(points).unit
    left, top = np.floor(points.min(axis=0) - [0.4 * unit, 1.3 * unit]).astype(int)
    right, bottom = np.ceil(points.max(axis=0) + 0.4 * unit).astype(int)
    height, width = image.shape[:2]
    left, top = max(left, 0), max(top, 0)
    right, bottom = max(min(right, width), left + 1), max(min(bottom, height), top + 1)
    picture = Image.fromarray(image[top:bottom, left:right])
    shrink = max(1, int(unit / WORKING_UNIT))
    if shrink > 1:
        picture = picture.reduce(shrink)
    srgb = np.asarray(picture)
    moved = (points - [left, top] + 0.5) / shrink - 0.5
    return FacePixels(srgb, srgb8_to_linear(srgb), moved)


def circle(centre: Points, radius: float) -> Points:
    """Return the edge of a circle as float64 [20, 2]."""
    turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    return centre + radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)


def cheeks(points: Points) -> tuple[Points, Points]:
    """Return the edges of a round patch on the person's right and left cheek."""
    radius = 0.2 * frame_of(points).unit
    sides = []
    for outer, lower, mouth in ((36, 41, 48), (45, 46, 54)):
        eye = points[outer] * 0.4 + points[lower] * 0.6
        sides.append(circle(eye * 0.44 + points[mouth] * 0.56, radius))
    return sides[0], sides[1]


def brow_strip(points: Points) -> Points:
    """Return the edge of a strip of forehead just above the inner brows."""
    frame = frame_of(points)
    low = points[[20, 21, 22, 23]] + frame.up * frame.unit * 0.16
    high = points[[23, 22, 21, 20]] + frame.up * frame.unit * 0.40
    return np.vstack([low, high])


def chin_patch(points: Points) -> Points:
    """Return the edge of a round patch on the chin."""
    return circle(points[8] * 0.55 + points[57] * 0.45, 0.14 * frame_of(points).unit)
