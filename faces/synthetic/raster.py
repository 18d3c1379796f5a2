"""From triangles to pixels: which triangle is nearest in each pixel, and where inside it the pixel lies.

Triangles are sorted by the side of their bounding box into a few buckets; each bucket is evaluated as one block
of pixels. There is no loop over triangles or pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faces.synthetic.planes import Planes

SIDES = (2, 3, 4, 6, 8, 12, 20, 40, 90, 400)
"""Upper bounds of the buckets, in pixels; larger triangles are not drawn."""

TOLERANCE = np.float32(-1e-4)
"""A pixel this little outside a triangle counts as inside: without it, shared edges show pinholes."""


@dataclass(frozen=True, eq=False)
class Fragments:
    """Pixels covered by triangles, several per pixel until ``nearest`` has chosen."""

    pixel: NDArray[np.int64]
    """Row-major index of the pixel."""
    triangle: NDArray[np.int64]
    first: Planes
    second: Planes
    """Barycentric weights of a triangle's first and second corner."""
    depth: Planes

    def __getitem__(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> Fragments:
        return Fragments(
            self.pixel[which], self.triangle[which], self.first[which], self.second[which], self.depth[which]
        )


def fragments(screen: Planes, depth: Planes, triangles: NDArray[np.int32], side: int) -> Fragments:
    """Return every pixel of a ``side`` x ``side`` picture covered by a triangle that faces the viewer.

    ``screen`` (2, V) holds x to the right and y down in pixels, ``depth`` (V,) grows away from the viewer,
    ``triangles`` is (3, T). Pixel (i, j) is sampled at (i + ½, j + ½).
    """
    x, y = screen[0][triangles], screen[1][triangles]
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    left = np.maximum(np.ceil(x.min(0) - 0.5), 0).astype(np.int64)
    right = np.minimum(np.floor(x.max(0) - 0.5), side - 1).astype(np.int64)
    top = np.maximum(np.ceil(y.min(0) - 0.5), 0).astype(np.int64)
    bottom = np.minimum(np.floor(y.max(0) - 0.5), side - 1).astype(np.int64)
    drawn = (area < -1e-7) & (left <= right) & (top <= bottom)
    extent = np.maximum(right - left, bottom - top) + 1
    found, lower = [], 0
    for upper in SIDES:
        chosen = np.flatnonzero(drawn & (extent > lower) & (extent <= upper))
        lower = upper
        if chosen.size:
            found.append(_cover(x[:, chosen], y[:, chosen], area[chosen], chosen, left, top, upper, side))
    if not found:
        empty = np.zeros(0, np.int64)
        return Fragments(empty, empty, *(np.zeros(0, np.float32) for _ in range(3)))
    pixel, triangle, first, second = (np.concatenate(parts) for parts in zip(*found, strict=True))
    corners = depth[triangles[:, triangle]]
    deep = corners[2] + first * (corners[0] - corners[2]) + second * (corners[1] - corners[2])
    return Fragments(pixel, triangle, first, second, deep)


def _cover(
    x: Planes,
    y: Planes,
    area: Planes,
    chosen: NDArray[np.intp],
    left: NDArray[np.int64],
    top: NDArray[np.int64],
    block: int,
    side: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], Planes, Planes]:
    """Return pixel, triangle and weights for triangles whose boxes fit a ``block`` x ``block`` square.

    Coordinates are taken relative to each box, where float32 is exact enough.
    """
    left, top = left[chosen], top[chosen]
    x = x - (left + np.float32(0.5)).astype(np.float32)
    y = y - (top + np.float32(0.5)).astype(np.float32)
    offset = np.arange(block, dtype=np.float32)
    weights = []
    for i, j in ((1, 2), (2, 0)):
        # The edge function is linear in the pixel: constant + row · offset + column · offset.
        constant = (x[i] * y[j] - x[j] * y[i]) / area
        by_column = (y[i] - y[j]) / area
        by_row = (x[j] - x[i]) / area
        plane = constant[:, None] + by_column[:, None] * offset
        weights.append(plane[:, None, :] + (by_row[:, None] * offset)[:, :, None])
    first, second = weights
    inside = (first >= TOLERANCE) & (second >= TOLERANCE) & (first + second <= 1 - TOLERANCE)
    number, row, column = np.nonzero(inside)
    px, py = left[number] + column, top[number] + row
    kept = (px < side) & (py < side)
    pixel = (py * side + px)[kept]
    return pixel, chosen[number[kept]], first[inside][kept], second[inside][kept]


def nearest(covered: Fragments, side: int) -> Fragments:
    """Return the fragment nearest to the viewer in each covered pixel; of equals, the last one."""
    buffer = depth_buffer(covered, side)
    front = np.flatnonzero(covered.depth == buffer[covered.pixel])
    winner = np.full(side * side, -1, np.int64)
    winner[covered.pixel[front]] = front
    return covered[winner[winner >= 0]]


def depth_buffer(covered: Fragments, side: int) -> Planes:
    """Return the depth of the nearest fragment of each pixel, (side²,), infinite where there is none."""
    buffer = np.full(side * side, np.inf, np.float32)
    np.minimum.at(buffer, covered.pixel, covered.depth)
    return buffer
