"""The measures of a face: ratios and angles of 68 landmarks, none of which depends on the picture's size.

The 68 points are those of iBUG 300-W (Sagonas et al. 2013), numbered from 0. "Right" is the person's own
right, which is on the left of an ordinary photograph. Positions are float64 [68, 2] in pixels, x to the
right and y down. Every measure of the knowledge base has one function in ``MEASURES``; those that look at
both sides of the face return the mean of the two, so a mirrored picture gives the same value.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

# MIRROR[i] is the landmark that i becomes when the picture is mirrored.
MIRROR: NDArray[np.intp] = np.array(
    [
        *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
        45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
        54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
    ]
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Frame:
    """The axes of a face in its picture: where "up" and "out" point, and how long one unit is.

    ``unit`` is the distance between the two eye centres in pixels; ``right`` and ``up`` are unit vectors
    along the eye line (towards the picture's right) and perpendicular to it, towards the forehead.
    """

    centre: Points
    right: Points
    up: Points
    unit: float


def frame_of(points: Points) -> Frame:
    """Return the axes of the face with these landmarks ([68, 2])."""
    right_eye, left_eye = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    across = left_eye - right_eye
    unit = float(np.hypot(*across))
    right = across / unit
    up = np.array([right[1], -right[0]])
    return Frame(centre=(right_eye + left_eye) / 2, right=right, up=up, unit=unit)


def mirrored(points: Points, width: float) -> Points:
    """Return the landmarks of the same face in the mirrored picture of the given width in pixels."""
    flipped = points[MIRROR].copy()
    flipped[:, 0] = width - 1 - flipped[:, 0]
    return flipped


def estimated_hairline(points: Points) -> Points:
    """Return where the hairline is expected on the midline: the middle third again, above the brows.

    No landmark shows the hairline. The classical thirds (brow to nose base, repeated upwards) give a place
    to draw; they are an estimate, and whatever uses it says so.
    """
    brow = points[[21, 22]].mean(axis=0)
    third = float(np.hypot(*(points[33] - brow)))
    return np.asarray(brow + frame_of(points).up * third)


def distance(points: Points, a: int, b: int) -> float:
    """Return the distance between two landmarks in pixels."""
    return float(np.hypot(*(points[a] - points[b])))


def angle_at(points: Points, a: int, vertex: int, b: int) -> float:
    """Return the angle a–vertex–b in degrees."""
    u, v = points[a] - points[vertex], points[b] - points[vertex]
    cosine = float(u @ v) / (float(np.hypot(*u)) * float(np.hypot(*v)))
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def _height(points: Points, upper: int | Points, lower: int | Points) -> float:
    """Return how much higher the first place is than the second, along the face's own vertical."""
    first = points[upper] if isinstance(upper, int) else upper
    second = points[lower] if isinstance(lower, int) else lower
    return float((first - second) @ frame_of(points).up)


def _both(measure: Callable[[Points], float]) -> Callable[[Points], float]:
    """Measure the person's right side and, on mirrored points, the left; return the mean."""
    return lambda points: (measure(points) + measure(mirrored(points, 1.0))) / 2


def _face_width(points: Points) -> float:
    return distance(points, 0, 16)


def _eye_width(points: Points) -> float:
    return (distance(points, 36, 39) + distance(points, 42, 45)) / 2


def _eye_opening(points: Points) -> float:
    return (distance(points, 37, 41) + distance(points, 38, 40)) / (2 * distance(points, 36, 39))


def _slope(points: Points, inner: int, outer: int) -> float:
    """Return how steeply the line from inner to outer rises, in degrees; positive when outer is higher."""
    along = abs(float((points[outer] - points[inner]) @ frame_of(points).right))
    return float(np.degrees(np.arctan2(_height(points, outer, inner), along)))


def _brow_arch(points: Points) -> float:
    chord = points[21] - points[17]
    length = float(np.hypot(*chord))
    normal = np.array([chord[1], -chord[0]]) / length
    return float(np.max((points[18:21] - points[17]) @ normal)) / length


def _lip_height(points: Points) -> float:
    upper = np.mean([distance(points, 50, 61), distance(points, 51, 62), distance(points, 52, 63)])
    lower = np.mean([distance(points, 58, 67), distance(points, 57, 66), distance(points, 56, 65)])
    return float(upper + lower)


def _lip_balance(points: Points) -> float:
    return distance(points, 57, 66) / max(distance(points, 51, 62), 1e-6)


def _mouth_corners(points: Points) -> float:
    corners = points[[48, 54]].mean(axis=0)
    return _height(points, corners, points[[62, 66]].mean(axis=0)) / distance(points, 48, 54)


def _middle_to_lower(points: Points) -> float:
    brow = points[[21, 22]].mean(axis=0)
    return _height(points, brow, 33) / _height(points, 33, 8)


MEASURES: Mapping[str, Callable[[Points], float]] = {
    "face_length": lambda p: float(np.hypot(*(estimated_hairline(p) - p[8]))) / _face_width(p),
    "jaw_width": lambda p: distance(p, 4, 12) / _face_width(p),
    "lower_jaw_width": lambda p: distance(p, 5, 11) / _face_width(p),
    "jaw_taper": lambda p: distance(p, 5, 11) / distance(p, 2, 14),
    "chin_angle": lambda p: angle_at(p, 6, 8, 10),
    "jaw_angle": lambda p: (angle_at(p, 2, 4, 7) + angle_at(p, 14, 12, 9)) / 2,
    "chin_height": lambda p: distance(p, 57, 8) / distance(p, 33, 8),
    "eye_spacing": lambda p: distance(p, 39, 42) / _eye_width(p),
    "eye_width": lambda p: _eye_width(p) / _face_width(p),
    "eye_opening": _both(_eye_opening),
    "eye_tilt": _both(lambda p: _slope(p, 39, 36)),
    "brow_arch": _both(_brow_arch),
    "brow_length": _both(lambda p: distance(p, 17, 21) / distance(p, 36, 39)),
    "brow_gap": lambda p: distance(p, 21, 22) / _eye_width(p),
    "brow_height": _both(
        lambda p: _height(p, p[[19, 20]].mean(axis=0), p[[37, 38]].mean(axis=0)) / _eye_width(p)
    ),
    "brow_tilt": _both(lambda p: _slope(p, 21, 17)),
    "nose_width": lambda p: distance(p, 31, 35) / distance(p, 39, 42),
    "nose_length": lambda p: distance(p, 27, 33) / distance(p, 27, 8),
    "lip_fullness": lambda p: _lip_height(p) / distance(p, 48, 54),
    "lip_balance": _lip_balance,
    "mouth_width": lambda p: distance(p, 48, 54) / _face_width(p),
    "mouth_corners": _mouth_corners,
    "face_thirds": _middle_to_lower,
}


def measure(points: Points) -> dict[str, float]:
    """Return every measure of the landmarks ([68, 2]) by its name; ratios have no unit, angles are degrees."""
    return {name: function(points) for name, function in MEASURES.items()}
