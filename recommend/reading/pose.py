"""Which way the head looks, from 68 landmarks: a scaled orthographic fit of a mean head.

The mean head is a handful of rigid places (eye and mouth corners, nose, chin, ears) in units of the eye
distance, symmetric by construction. The fit is the linear one of DeMenthon and Davis (POSIT, 1995) without
its perspective iterations, which need a focal length that a photo does not tell.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from recommend.reading.geometry import Points

# landmark: (x to the picture's right, y up, z towards the camera), eye distances, mean adult head.
HEAD = {
    36: (-0.73, 0.00, -0.10),
    39: (-0.27, 0.00, 0.00),
    42: (0.27, 0.00, 0.00),
    45: (0.73, 0.00, -0.10),
    27: (0.00, 0.10, 0.22),
    30: (0.00, -0.58, 0.55),
    33: (0.00, -0.74, 0.33),
    48: (-0.42, -1.17, 0.10),
    54: (0.42, -1.17, 0.10),
    8: (0.00, -1.95, 0.05),
    1: (-1.12, -0.35, -0.95),
    15: (1.12, -0.35, -0.95),
}
_PLACES = np.array(list(HEAD))
_MODEL = np.array(list(HEAD.values()))
_INVERSE = np.linalg.pinv(_MODEL - _MODEL.mean(axis=0))


@dataclasses.dataclass(frozen=True)
class Pose:
    """Rotation of a head in degrees.

    ``yaw`` is positive when the face looks to the picture's right, ``pitch`` when it looks up, ``roll``
    when the picture must be turned clockwise to level the eyes.
    """

    yaw: float
    pitch: float
    roll: float


def pose_of(points: Points) -> Pose:
    """Return the pose of the head with these landmarks ([68, 2], pixels)."""
    image = points[_PLACES] * np.array([1.0, -1.0])
    rows = (_INVERSE @ (image - image.mean(axis=0))).T
    first, second = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    third = np.cross(first, second)
    # The two rows are only nearly orthogonal; the nearest rotation is the polar factor.
    left, _, right = np.linalg.svd(np.stack([first, second, third / np.linalg.norm(third)]))
    rotation = left @ right
    yaw = np.degrees(np.arctan2(rotation[0, 2], rotation[2, 2]))
    pitch = np.degrees(np.arcsin(np.clip(rotation[1, 2], -1.0, 1.0)))
    roll = np.degrees(np.arctan2(rotation[1, 0], rotation[1, 1]))
    return Pose(float(yaw), float(pitch), float(roll))
