"""Small vector mathematics on planes: arrays (k, n) with one row per axis or colour and one column per point.

Rows are contiguous, which is how numpy is fastest. Products of three terms are written out, without BLAS and
einsum, so that a sum never depends on threads, alignment or chunking: pictures are repeatable to the bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Planes = NDArray[np.float32]
"""float32, (k, n) or (n,)."""


def dot(a: Any, b: Any) -> Planes:
    """Return the inner product of three-row planes, (n,); either may be a plain triple."""
    total: Planes = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    return total


def cross(a: Planes, b: Planes) -> Planes:
    """Return the cross product of three-row planes, (3, n)."""
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def unit(a: Planes) -> Planes:
    """Return three-row planes scaled to length one; the zero vector stays zero."""
    return np.divide(a, np.sqrt(dot(a, a)) + np.float32(1e-9), dtype=np.float32)


def rotate(matrix: NDArray[np.float32], a: Planes) -> Planes:
    """Return ``matrix @ a`` for a 3 x 3 matrix and three-row planes."""
    return np.stack([dot(row, a) for row in matrix])


def column(triple: ArrayLike) -> Planes:
    """Return a triple as float32 (3, 1), to be broadcast over points."""
    return np.asarray(triple, np.float32).reshape(3, 1)


def smoothstep(low: float | Planes, high: float | Planes, x: Planes) -> Planes:
    """Return the cubic step from 0 at ``low`` to 1 at ``high`` (which may lie below ``low``)."""
    t = np.clip((x - low) / (high - low), 0, 1).astype(np.float32, copy=False)
    return t * t * (3 - 2 * t)


def bump(x: Planes, centre: float, width: float) -> Planes:
    """Return the exponent ((x - centre) / width)², to be summed over axes and passed to exp(-…)."""
    scaled = (x - np.float32(centre)) * np.float32(1 / width)
    return scaled * scaled


def blend(under: Planes, over: Planes, weight: Planes) -> Planes:
    """Return ``under`` with ``over`` laid on it at ``weight`` (n,)."""
    return under + (over - under) * weight


def linear(srgb: ArrayLike) -> Planes:
    """Return linear light for sRGB values in [0, 1] (IEC 61966-2-1)."""
    c = np.asarray(srgb, np.float32)
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4).astype(np.float32)


def encode_srgb(light: Planes) -> Planes:
    """Return sRGB values for linear light, both in [0, 1] (IEC 61966-2-1)."""
    c = np.clip(light, 0, 1)
    return np.where(c <= 0.0031308, c * 12.92, 1.055 * c ** np.float32(1 / 2.4) - 0.055).astype(np.float32)


def vertex_normals(points: Planes, triangles: NDArray[np.int32]) -> Planes:
    """Return area-weighted unit normals at the vertices, (3, V), for points (3, V) and triangles (3, T)."""
    a, b, c = (points[:, corner] for corner in triangles)
    faces = cross(b - a, c - a)
    count = points.shape[1]
    corners = triangles.ravel()
    rows = [np.bincount(corners, np.tile(row, 3), count) for row in faces]
    return unit(np.stack(rows).astype(np.float32))
