"""The paint of the skin. Soft things are painted on the vertices, once a person; things with edges per pixel.

Every colour is a function of the place on the head *at rest*, so the paint follows every morph. Lengths are
decimetres on the head at rest, colours linear RGB.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faces.synthetic import features, hair
from faces.synthetic.identity import Identity
from faces.synthetic.noise import value_noise
from faces.synthetic.planes import Planes, blend, bump, column, linear, smoothstep

RAMP = linear(
    [
        (0.96, 0.82, 0.74),
        (0.90, 0.72, 0.61),
        (0.80, 0.60, 0.47),
        (0.66, 0.46, 0.34),
        (0.48, 0.32, 0.23),
        (0.30, 0.19, 0.14),
    ]
)
"""Colours at skin depths 0, 0.2, … 1."""

BLUSH = column((1.12, 0.50, 0.57))
"""What full blush multiplies the skin's colour by."""

SOCKET_RIM = column(linear((0.22, 0.12, 0.09)))
MOLE = column(linear((0.22, 0.13, 0.10)))


@dataclass(frozen=True, eq=False)
class Paint:
    """The paint of n points."""

    albedo: Planes
    """(3, n) linear RGB."""
    gloss: Planes
    """(n,) strength of the highlight."""
    flesh: Planes
    """(n,) how much light passes under the surface, 0 to 1."""


@dataclass(frozen=True, eq=False)
class SkinPoints:
    """n visible points of the skin mesh, with the vertex fields that ``soft_fields`` made, interpolated."""

    rest: Planes
    mouth_cavity: Planes
    eye_socket: Planes
    ear: Planes
    blush: Planes
    shade: Planes


def tone(identity: Identity) -> Planes:
    """Return the basic colour of the skin, (3, 1)."""
    depths = np.linspace(0, 1, len(RAMP))
    colour = [np.interp(identity.skin.depth, depths, RAMP[:, channel]) for channel in range(3)]
    return column(colour) * column(identity.skin.tint)


def soft_fields(rest: Planes, ear: Planes, identity: Identity) -> tuple[Planes, Planes]:
    """Return, at the vertices, how much blush lies there (0 to 1) and a factor of brightness."""
    x, y, z = np.abs(rest[0]), rest[1], rest[2]
    cheeks = np.exp(-(bump(x, 0.46, 0.24) + bump(y, 6.95, 0.20) + bump(z, 1.2, 0.34)))
    tip = np.exp(-(bump(x, 0, 0.13) + bump(y, 6.93, 0.13) + bump(z, 1.66, 0.13)))
    blush = cheeks + 0.25 * tip + 0.25 * ear
    bags = np.exp(-(bump(x, 0.28, 0.10) + bump(y, 7.10, 0.10) + bump(z, 1.30, 0.10)))
    lids = np.exp(-(bump(x, 0.31, 0.22) + bump(y, 7.42, 0.07))) * (z > 0.6)
    mottle = value_noise(rest, 4.0, identity.seed * 7 + 1)
    shade = (1 - 0.2 * identity.skin.eye_bags * bags) * (1 - 0.35 * identity.skin.lid_shade * lids)
    return blush.astype(np.float32), (shade * (1 + 0.05 * mottle)).astype(np.float32)


def paint_skin(points: SkinPoints, identity: Identity, flush: float, clothes: Planes) -> Paint:
    """Return the paint of skin points, with everything that grows or lies on the skin."""
    rest, seed = points.rest, identity.seed * 7 + 1
    fine, finest = value_noise(rest, 22.0, seed + 1), value_noise(rest, 60.0, seed + 2)
    redness = np.clip(points.blush * np.float32(identity.skin.blush * flush), 0, 1)
    albedo = tone(identity) * (1 + (BLUSH - 1) * redness)
    albedo *= points.shade * (1 + 0.035 * fine + 0.03 * finest)
    gloss = 0.15 * (1 - smoothstep(0.05, 0.3, points.eye_socket))
    flesh = np.ones_like(gloss)
    _freckles(albedo, rest, identity, seed)
    _moles(albedo, rest, identity)
    if identity.beard > 0:
        _beard(albedo, points, identity, fine, finest)
    features.paint_lips(albedo, gloss, rest, points.mouth_cavity, identity, fine)
    features.paint_nostrils(albedo, rest)
    features.paint_brows(albedo, rest, identity)
    rim = 0.85 * smoothstep(0.15, 0.8, points.eye_socket)
    base = tone(identity)
    albedo = blend(albedo, SOCKET_RIM * (0.4 + 0.6 * base / base.max()), rim)
    _hair_cap(albedo, gloss, flesh, points, identity)
    inside = points.mouth_cavity > 0.6
    albedo[:, inside], gloss[inside] = features.MOUTH_RED, 0
    dressed = _clothes_cover(rest)
    albedo = blend(albedo, clothes, dressed)
    return Paint(albedo, gloss * (1 - dressed), flesh)


def _freckles(albedo: Planes, rest: Planes, identity: Identity, seed: int) -> None:
    strength = identity.skin.freckles
    if strength <= 0:
        return
    y = rest[1]
    spots = smoothstep(0.45, 0.75, value_noise(rest, 30.0, seed + 3))
    where = spots * smoothstep(6.5, 6.9, y) * smoothstep(7.7, 7.2, y) * np.float32(min(strength, 1.2))
    albedo *= 1 - where * column((0.25, 0.38, 0.45))


def _moles(albedo: Planes, rest: Planes, identity: Identity) -> None:
    for x, y, radius in identity.skin.moles:
        away = bump(rest[0], x, radius) + bump(rest[1], y, radius)
        near = np.flatnonzero((away < 4) & (rest[2] > 0.7))
        albedo[:, near] = blend(albedo[:, near], MOLE, 0.8 * np.exp(-(away[near] ** 2)))


def _beard(albedo: Planes, points: SkinPoints, identity: Identity, fine: Planes, finest: Planes) -> None:
    x, y, z = np.abs(points.rest[0]), points.rest[1], points.rest[2]
    near = np.flatnonzero((y < 7.2) & (y > 5.9) & (z > 0.3))
    x, y, z, fine, finest = x[near], y[near], z[near], fine[near], finest[near]
    jaw = smoothstep(6.95, 6.65, y + 0.10 * fine) * smoothstep(5.95, 6.2, y) * smoothstep(0.35, 0.6, z)
    lips = np.exp(-((x / 0.30) ** 4) - ((y - 6.60) / 0.17) ** 4) * (z > 1.2)
    lip_hair = smoothstep(6.87, 6.81, y) * smoothstep(6.69, 6.75, y) * smoothstep(0.33, 0.27, x) * (z > 1.2)
    sides = smoothstep(7.15, 6.8, y) * smoothstep(0.60, 0.72, x) * (z < 1.0) * (z > 0.35)
    cover = np.maximum(np.maximum(jaw * (1 - lips), lip_hair), sides) * (1 - points.ear[near])
    cover = np.clip(cover * (0.78 + 0.35 * finest) * np.float32(identity.beard), 0, 0.95)
    colour = hair.hair_colour(identity.hair.colour) * 0.9 + tone(identity) * 0.05
    albedo[:, near] = blend(albedo[:, near], colour, cover)


def _hair_cap(albedo: Planes, gloss: Planes, flesh: Planes, points: SkinPoints, identity: Identity) -> None:
    if identity.hair.bald:
        return
    near = np.flatnonzero((points.rest[1] > 6.35) & (points.ear < 1) & ~_face_below_bangs(points.rest))
    rest, seed = points.rest[:, near], identity.seed * 13 + 5
    azimuth, elevation = hair.directions(rest)
    above = hair.above_hairline(azimuth, elevation, identity.hair)
    cover = smoothstep(-2.5, 3.5, above - hair.hairline_jitter(rest, azimuth, seed))
    cover *= 1 - smoothstep(0.75, 1.0, points.ear[near])
    shown = np.flatnonzero(cover > 0)
    at, cover = near[shown], cover[shown]
    colour = hair.paint_hair(azimuth[shown], elevation[shown], identity.hair, seed + 9)
    albedo[:, at] = blend(albedo[:, at], colour, cover)
    gloss[at] += (0.10 - gloss[at]) * cover
    flesh[at] *= 1 - cover


def _face_below_bangs(rest: Planes) -> NDArray[np.bool_]:
    """Return which points are so far down the front of the face that no hair can grow there."""
    below: NDArray[np.bool_] = (rest[2] > 1.0) & (rest[1] < 7.45)
    return below


def _clothes_cover(rest: Planes) -> Planes:
    """Return where clothes lie: below a round neckline."""
    x, y, z = np.abs(rest[0]), rest[1], rest[2]
    line = y - 0.22 * np.clip(z - 0.6, 0, 1) + 0.10 * np.clip(1 - x, 0, 1)
    return smoothstep(5.88, 5.84, line)
