"""Light on the visible points: one key light with shadows, sky and ground, a fill, and highlights.

Skin scatters light under its surface. That is imitated by a diffuse term that wraps past the terminator, red
furthest (after the wrap lighting of Green, GPU Gems 1, ch. 16), and by red light that leaks into shadows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from faces.synthetic.photo import Light
from faces.synthetic.planes import Planes, column, cross, dot, unit
from faces.synthetic.raster import depth_buffer, fragments
from faces.synthetic.skin import Paint

SHADOW_SIDE = 160
"""Pixels of the shadow map on a side."""

SHADOW_SPAN = 3.6
"""Decimetres that the shadow map covers."""

BIAS = 0.06
"""A point must lie this much behind an occluder to be in its shadow, in decimetres."""

_TAPS = ((0, 0), (1, 0), (0, 1), (1, 1), (-1, 0), (0, -1), (2, 1), (-1, 2), (-2, -1))
_WRAP = column((0.42, 0.22, 0.14))


@dataclass(frozen=True, eq=False)
class Surfels:
    """n visible points as light sees them."""

    place: Planes
    """(3, n) decimetres from the centre of the head."""
    normal: Planes
    lit: Planes
    """(n,) share of the key light that no occluder takes away."""
    openness: Planes
    """(n,) share of the sky that folds and corners leave open."""


def key_visibility(
    points: Planes, normals: Planes, casters: NDArray[np.int32], direction: tuple[float, float, float]
) -> Planes:
    """Return the share of the key light that reaches each vertex, (V,), from a blurred shadow map."""
    towards = column(direction)
    across = unit(cross(column((0, 1, 0)), towards))
    upwards = cross(towards, across)
    scale = SHADOW_SIDE / SHADOW_SPAN

    def on_map(where: Planes) -> tuple[Planes, Planes]:
        x = SHADOW_SIDE / 2 + scale * dot(where, across)
        y = SHADOW_SIDE / 2 - scale * (dot(where, upwards) + 0.1)
        return np.stack([x, y]), -dot(where, towards)

    screen, depth = on_map(points)
    buffer = depth_buffer(fragments(screen, depth, casters, SHADOW_SIDE), SHADOW_SIDE)
    buffer = buffer.reshape(SHADOW_SIDE, SHADOW_SIDE)
    (x, y), depth = on_map(points + normals * np.float32(0.04))
    total = np.zeros(points.shape[1], np.float32)
    for right, down in _TAPS:
        column_ = np.clip(x - 0.5 + 0.8 * right, 0, SHADOW_SIDE - 1).astype(np.int32)
        row = np.clip(y - 0.5 + 0.8 * down, 0, SHADOW_SIDE - 1).astype(np.int32)
        total += depth < buffer[row, column_] + np.float32(BIAS)
    return total / np.float32(len(_TAPS))


def openness(depth: Planes) -> Planes:
    """Return the share of ambient light left by folds and corners, (H, W), from the picture's depths.

    A pixel deeper than its neighbourhood is taken to lie in a fold. Infinite depths are background.
    """
    side = depth.shape[0]
    solid = np.isfinite(depth)
    filled = np.where(solid, depth, depth[solid].max() if solid.any() else np.float32(0)).astype(np.float32)
    closed = np.zeros_like(filled)
    for radius, gain in ((0.012, 4.5), (0.035, 2.0)):
        closed += np.clip((filled - gaussian_filter(filled, radius * side)) * np.float32(gain), 0, 0.45)
    return np.clip(1 - closed, 0.25, 1)


def shade(paint: Paint, at: Surfels, light: Light, distance: float, oiliness: float) -> Planes:
    """Return the linear light (3, n) that the camera, ``distance`` decimetres away, sees of painted points."""
    direction = column(light.direction)
    key, sky, ground = column(light.key), column(light.sky), column(light.ground)
    lit = 1 - np.float32(light.shadow) * (1 - at.lit)
    wrap = _WRAP * np.float32(light.softness) * paint.flesh
    diffuse = np.clip((dot(at.normal, direction) + wrap) / (1 + wrap), 0, 1)
    diffuse *= lit
    diffuse[0] *= 1 + 0.18 * paint.flesh * (1 - lit) / np.maximum(lit, 0.1)
    up = 0.5 * at.normal[1] + 0.5
    side = -1.0 if light.azimuth > 0 else 1.0
    beside = np.clip(0.5 + 0.5 * dot(at.normal, unit(column((side, 0.1, 0.6)))), 0, 1) ** 2
    ambient = ground + (sky - ground) * up + np.float32(light.fill) * beside
    view = unit(column((0, 0, distance)) - at.place)
    half = np.clip(dot(at.normal, unit(view + direction)), 0, 1)
    half6 = half**6
    half22 = half6 * half6 * half6 * half**4
    highlight = paint.gloss * np.float32(oiliness) * (0.9 * half22 + 0.25 * half6) * lit
    grazing = 0.06 * (1 - np.clip(dot(at.normal, view), 0, 1)) ** 4 * (paint.gloss > 0)
    reflected = 0.55 * key * highlight + sky * grazing
    seen: Planes = (paint.albedo * (key * diffuse + ambient) + reflected) * at.openness
    return seen.astype(np.float32, copy=False)


def catchlight(at: Surfels, light: Light, distance: float) -> Planes:
    """Return the small bright reflection on an eyeball, (n,)."""
    half = unit(unit(column((0, 0, distance)) - at.place) + column(light.direction))
    return 1.1 * np.clip(dot(at.normal, half), 0, 1) ** np.float32(140)
