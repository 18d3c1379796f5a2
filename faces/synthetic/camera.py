"""From the head to the picture: turning the head, and perspective.

The camera looks along -z at a point inside the head; a head of usual size fills most of the height, whatever
the person's proportions. Picture coordinates are shares of its height, x to the right, y down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faces.synthetic import assets
from faces.synthetic.photo import Camera, Pose
from faces.synthetic.planes import Planes, column, rotate, smoothstep

FIELD = 2.85
"""Decimetres at the head that fill the height of the picture at zoom 1."""

EYES_ABOVE_CHIN = 1.057
"""Height of the eyes over the chin on the head at rest, in decimetres."""

CHIN = (0.0, 6.227, 1.455)
"""The chin on the head at rest."""


@dataclass(frozen=True)
class Frame:
    """How a person's head sits in front of the camera: where it turns about, and how large it is."""

    centre: tuple[float, float, float]
    scale: float
    """Size of the face, 1 on the head at rest."""


def frame(neutral: Planes) -> Frame:
    """Return the frame of a head from its neutral vertices (3, V)."""
    mesh = assets.load()
    chin = int(np.argmin(((mesh.rest - column(CHIN)) ** 2).sum(0)))
    eyes = [neutral[:, ball].mean(1) for ball in (mesh.left_eye, mesh.right_eye)]
    eye_height = float(eyes[0][1] + eyes[1][1]) / 2
    eye_depth = float(eyes[0][2] + eyes[1][2]) / 2
    chin_height = float(neutral[1, chin])
    scale = (eye_height - chin_height) / EYES_ABOVE_CHIN
    return Frame((0.0, chin_height + 1.02 * scale, eye_depth - 0.9), scale)


def rotation(pose: Pose) -> NDArray[np.float32]:
    """Return the 3 x 3 rotation of a pose: yaw first, then pitch, then roll."""
    (cy, cp, cr), (sy, sp, sr) = (f(np.radians([pose.yaw, pose.pitch, pose.roll])) for f in (np.cos, np.sin))
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    pitch = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    roll = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(roll @ pitch @ yaw, np.float32)


def turn(points: Planes, rest: Planes, head: Frame, pose: Pose) -> Planes:
    """Return ``points`` (3, V) turned about the head's centre, which becomes the origin.

    The neck bends: what lies at rest below the jaw follows the head less and less, the shoulders not at all.
    """
    here = points - column(head.centre)
    follows = smoothstep(5.5, 6.3, rest[1])
    return here + follows * (rotate(rotation(pose), here) - here)


def project(points: Planes, head: Frame, camera: Camera) -> tuple[Planes, Planes]:
    """Return picture coordinates (2, n) and the distance from the camera (n,) of turned points."""
    away = np.float32(camera.distance) - points[2]
    focal = np.float32(camera.distance * camera.zoom / FIELD / head.scale)
    x = np.float32(0.5 + camera.shift[0]) + focal * points[0] / away
    y = np.float32(0.5 + camera.shift[1]) - focal * points[1] / away
    return np.stack([x, y]), away
