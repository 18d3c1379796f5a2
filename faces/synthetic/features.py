"""The paint of what has edges: lips, nostrils, brows, eyes, lashes, and the inside of the mouth.

Lengths are decimetres on the head at rest, colours linear RGB; ``albedo`` and ``gloss`` are painted in place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faces.synthetic.hair import hair_colour
from faces.synthetic.identity import Identity
from faces.synthetic.noise import hashed, value_noise
from faces.synthetic.planes import Planes, blend, bump, column, dot, linear, smoothstep, unit

MOUTH_RED = column(linear((0.25, 0.07, 0.07)))
TEETH = column(linear((0.86, 0.82, 0.74)))
TONGUE = column(linear((0.62, 0.28, 0.27)))
LASH = column(linear((0.05, 0.04, 0.035)))
SCLERA = column(linear((0.88, 0.85, 0.82)))
IRISES = linear(
    [(0.20, 0.11, 0.06), (0.30, 0.18, 0.08), (0.36, 0.34, 0.18), (0.28, 0.42, 0.50), (0.38, 0.46, 0.50)]
)
EYEBALL_RADIUS, EYE_HEIGHT = 0.138, 7.284
IRIS_ANGLE, PUPIL_ANGLE = 0.45, 0.18
"""Half-angles of iris and pupil seen from the centre of the eyeball, in radians."""


def paint_lips(
    albedo: Planes, gloss: Planes, rest: Planes, mouth_cavity: Planes, identity: Identity, fine: Planes
) -> None:
    """Paint both lips; ``fine`` is a noise field that gives them a grain."""
    x = np.abs(rest[0])
    near = np.flatnonzero((rest[2] > 1.28) & (x < 0.275) & (np.abs(rest[1] - 6.6) < 0.25))
    x, y = x[near], rest[1, near]
    line = 6.612 + 0.02 * (x / 0.26) ** 2 - 0.012 * np.exp(-((x / 0.05) ** 2))
    upper = 0.128 - 0.018 * np.exp(-((x / 0.03) ** 2))
    top = line + upper * np.clip(1 - (x / 0.272) ** 2.2, 0, 1) ** 0.75
    bottom = line - 0.152 * np.clip(1 - (x / 0.262) ** 2, 0, 1) ** 0.85
    cover = smoothstep(0.022, -0.008, y - top) * smoothstep(0.028, -0.010, bottom - y)
    cover *= mouth_cavity[near] < 0.7
    seam = 1 - 0.25 * smoothstep(0.03, 0.0, np.abs(y - line))
    colour = albedo[:, near] * column(identity.lips) * seam * (1 + 0.06 * fine[near])
    albedo[:, near] = blend(albedo[:, near], colour, cover)
    gloss[near] += 0.18 * cover


def paint_nostrils(albedo: Planes, rest: Planes) -> None:
    """Darken the two nostrils."""
    near = np.flatnonzero((rest[2] > 1.35) & (rest[2] < 1.62) & (np.abs(rest[1] - 6.855) < 0.07))
    x, y = np.abs(rest[0, near]), rest[1, near]
    albedo[:, near] *= 1 - 0.75 * np.exp(-(bump(x, 0.075, 0.035) + bump(y, 6.855, 0.022)))


def paint_brows(albedo: Planes, rest: Planes, identity: Identity) -> None:
    """Paint both brows: a tapering arc of short strokes."""
    brows = identity.brows
    near = np.flatnonzero((np.abs(rest[1] - brows.height) < 0.2) & (np.abs(rest[0]) < 0.7) & (rest[2] > 0.6))
    x, y, z = rest[:, near]
    along = (np.abs(x) - 0.11) / (brows.end - 0.11)
    inside = np.clip(along, 0, 1)
    middle = brows.height + brows.arch * np.sin(inside * np.float32(0.8 * np.pi)) - 0.03 * inside
    half = brows.thickness * (1.05 - 0.75 * inside**1.3)
    slant = np.stack([x * 38 + y * 18 * np.sign(x), y * 10, z * 4])
    strokes = np.clip(0.86 + 0.28 * value_noise(slant, 1.0, identity.seed * 13 + 10), 0, 1)
    cover = smoothstep(half, half * 0.35, np.abs(y - middle)) * strokes * np.float32(brows.density)
    cover *= smoothstep(-0.08, 0.16, along) * smoothstep(1.06, 0.85, along)
    albedo[:, near] = blend(albedo[:, near], hair_colour(brows.colour) * 0.8, cover)


def paint_eye(rest: Planes, ball: Planes, iris: int, gaze: tuple[float, float]) -> Planes:
    """Return the colour (3, n) of points of an eyeball whose vertices at rest are ``ball`` (3, m)."""
    centre = column((ball[0].mean(), (ball[1].max() + ball[1].min()) / 2, ball[2].min() + EYEBALL_RADIUS))
    direction = unit(rest - centre)
    aim = np.array([np.sin(gaze[0]), np.sin(gaze[1]), 1.0], np.float32)
    aim /= np.sqrt(dot(aim, aim))
    angle = np.arccos(np.clip(dot(direction, aim), -1, 1))
    around = np.arctan2(direction[1] - aim[1], direction[0] - aim[0])
    white = SCLERA * (1 - 0.25 * smoothstep(0.6, 1.2, angle))
    streaks = 1 + 0.175 * np.sin(around * 17) + 0.3 * smoothstep(0.2, 0.45, angle)
    limbus = 1 - 0.6 * smoothstep(IRIS_ANGLE - 0.16, IRIS_ANGLE, angle)
    colour = blend(
        white,
        column(IRISES[iris]) * streaks * limbus,
        smoothstep(IRIS_ANGLE + 0.03, IRIS_ANGLE - 0.05, angle),
    )
    colour = blend(colour, column((0.008,) * 3), smoothstep(PUPIL_ANGLE + 0.03, PUPIL_ANGLE - 0.03, angle))
    lid_shadow = 1 - 0.45 * smoothstep(0.25, 0.62, direction[1])
    return (colour * lid_shadow).astype(np.float32)


def lash_pixels(pixel: NDArray[np.int64], height: Planes, lashes: int) -> NDArray[np.bool_]:
    """Return which pixels of the lash strips show a lash: ``lashes`` in 256 of them, scattered.

    ``height`` is theirs on the head at rest: there are far fewer lashes on the lower lid.
    """
    number = np.where(height > EYE_HEIGHT, lashes, lashes // 6)
    shown: NDArray[np.bool_] = (hashed(pixel * 73856093) & 0xFF) < number
    return shown


def mouth_darkness(rest: Planes) -> Planes:
    """Return the factor by which the inside of the mouth darkens with its depth."""
    return 1 - 0.85 * smoothstep(1.50, 1.25, rest[2])
