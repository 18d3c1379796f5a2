"""Hair: where it grows on the scalp, how thick it lies, the curtain of long hair, and its colour.

Short hair is a *cap*: the scalp pushed outwards and painted. Long hair adds a *curtain*, a sheet that hangs
round the back of the head. Directions on the head are seen from ``CENTRE``: azimuth 0 is the face, 180 the
back; elevation 90 is the crown.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faces.synthetic.identity import HAIR_COLOURS, Hair
from faces.synthetic.noise import value_noise
from faces.synthetic.planes import Planes, column, linear, smoothstep

CENTRE = column((0.0, 7.35, 0.30))
PALETTE = linear(
    [
        (0.070, 0.055, 0.045),
        (0.17, 0.105, 0.065),
        (0.24, 0.15, 0.09),
        (0.40, 0.27, 0.15),
        (0.72, 0.56, 0.33),
        (0.45, 0.20, 0.08),
        (0.62, 0.60, 0.57),
    ]
)
"""Linear RGB of ``identity.HAIR_COLOURS``."""

_AZIMUTHS = (0, 20, 38, 52, 66, 80, 98, 125, 180)
_HAIRLINE = (31, 30.5, 28, 16, -3, -12, -14, -40, -46)
_LINE_SHARE = (1, 1, 1, 0.6, 0.2, 0, 0, 0, 0)
_RECESSION_SHARE = (0, 0.3, 1, 0.7, 0.2, 0, 0, 0, 0)
_LONG_SIDES = (0, 0, 0, -5, -10, -12, -12, 0, 0)
"""Long hair also covers the temples."""

ACROSS, DOWN = 41, 15
"""Vertices of the curtain along the head and down it."""

TOP = 8.05
"""Height of the curtain's upper edge, inside the head, in decimetres."""


def hair_colour(name: str) -> Planes:
    """Return the linear RGB of a named hair colour as (3, 1)."""
    return column(PALETTE[HAIR_COLOURS.index(name)])


def directions(rest: Planes) -> tuple[Planes, Planes]:
    """Return azimuth (signed, 0 in front) and elevation of points at rest, in radians."""
    x, y, z = rest - CENTRE
    return np.arctan2(x, z), np.arctan2(y, np.hypot(x, z))


def above_hairline(azimuth: Planes, elevation: Planes, hair: Hair) -> Planes:
    """Return how many degrees each direction lies above the hairline (negative below it)."""
    line = (
        np.array(_HAIRLINE)
        + hair.line * np.array(_LINE_SHARE)
        + hair.recession * np.array(_RECESSION_SHARE)
        + (np.array(_LONG_SIDES) if hair.long else 0)
    )
    threshold = np.interp(np.degrees(np.abs(azimuth)), _AZIMUTHS, line).astype(np.float32)
    above: Planes = np.degrees(elevation) - threshold
    return above


def hairline_jitter(rest: Planes, azimuth: Planes, seed: int) -> Planes:
    """Return the strand-like unevenness of the hairline in degrees."""
    height = rest[1]
    fine = np.stack([azimuth * 34, height * 2, np.zeros_like(height)])
    broad = np.stack([azimuth * 8, height, np.zeros_like(height)])
    return 1.0 * value_noise(fine, 1.0, seed) + 1.6 * value_noise(broad, 1.0, seed + 1)


def cap_thickness(rest: Planes, hair: Hair, seed: int) -> Planes:
    """Return how far the cap stands out from the scalp, in decimetres, at points at rest."""
    if hair.bald:
        return np.zeros_like(rest[0])
    above = above_hairline(*directions(rest), hair)
    # Bangs end in an edge; other hair rises slowly from the hairline.
    rise = smoothstep(-2.0, 4.0 if hair.bangs else 16.0, above)
    fuller_on_top = 0.6 + 0.5 * smoothstep(7.6, 8.4, rest[1])
    lumps = 0.25 * value_noise(rest, 3.0, seed)
    thickness: Planes = rise * hair.volume * (fuller_on_top + lumps)
    return thickness


def strands(azimuth: Planes, elevation: Planes, seed: int) -> Planes:
    """Return the light and dark of strands, about -1 to 1."""
    flat = np.zeros_like(azimuth)
    broad = value_noise(np.stack([azimuth * 26 + 4 * np.sin(3 * elevation), elevation * 5, flat]), 1.0, seed)
    fine = value_noise(np.stack([azimuth * 60, elevation * 9, flat]), 1.0, seed + 1)
    return 0.55 * broad + 0.45 * fine


def paint_hair(azimuth: Planes, elevation: Planes, hair: Hair, seed: int) -> Planes:
    """Return the colour (3, n) of hair in the given directions."""
    return hair_colour(hair.colour) * (1 + 0.5 * strands(azimuth, elevation, seed))


def curtain_triangles(first: int) -> NDArray[np.int32]:
    """Return the curtain's triangles (3, T), both sides, for vertices that start at index ``first``."""
    grid = np.arange(ACROSS * DOWN, dtype=np.int32).reshape(DOWN, ACROSS) + first
    a, b, c, d = (corner.ravel() for corner in (grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]))
    one_side = np.concatenate([np.stack([a, b, c]), np.stack([a, c, d])], axis=1)
    return np.concatenate([one_side, one_side[::-1]], axis=1)


def curtain(hair: Hair, seed: int) -> Planes:
    """Return the curtain's vertices (3, ACROSS · DOWN) on the head at rest."""
    along, down = (
        plane.ravel().astype(np.float32)
        for plane in np.meshgrid(np.linspace(-1, 1, ACROSS), np.linspace(0, 1, DOWN))
    )
    azimuth = np.float32(np.pi) - along * np.float32(np.pi - np.radians(hair.parting))
    height = TOP - down * np.float32(TOP - hair.length)
    skull = np.sqrt(np.clip(1 - ((height - 7.35) / 1.15) ** 2, 0, 1))
    pinch = np.where(height > 7.35, skull, 1)
    lumps = 1 + 0.05 * value_noise(np.stack([along * 9, down * 2, np.zeros_like(along)]), 1.0, seed + 3)
    radius = (1 + hair.flare * (down - 0.35)) * pinch * lumps
    depth = np.where(np.cos(azimuth) > 0, 0.94, 1.14)
    x, z = 0.94 * radius * np.sin(azimuth), 0.22 + depth * radius * np.cos(azimuth)
    return np.stack([x, height, z]).astype(np.float32)


def ragged_end(rest: Planes, hair: Hair, seed: int) -> NDArray[np.bool_]:
    """Return which points of the curtain are hair: its lower end is uneven."""
    uneven = value_noise(rest * column((1.0, 0.3, 1.0)), 9.0, seed)
    below: NDArray[np.bool_] = rest[1] > hair.length + 0.12 + 0.10 * uneven
    return below
