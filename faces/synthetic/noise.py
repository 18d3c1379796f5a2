"""Smooth random fields over space, for skin, hair and brows: value noise on a fixed lattice.

A lattice of hashed values repeats after ``PERIOD`` cells; a seed only chooses where in the lattice a field
starts. No random generator is involved, so a field is the same in every process and in any order.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from faces.synthetic.planes import Planes

PERIOD = 32
_MASK = PERIOD - 1


def hashed(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a 16-bit integer hash of non-negative integers."""
    word = np.uint64(0xFFFFFFFF)
    h = values.astype(np.uint64) & word
    h = ((h ^ (h >> np.uint64(15))) * np.uint64(2246822519)) & word
    h = ((h ^ (h >> np.uint64(13))) * np.uint64(3266489917)) & word
    return ((h ^ (h >> np.uint64(16))) & np.uint64(0xFFFF)).astype(np.int64)


@cache
def _corners() -> NDArray[np.float32]:
    """Return the lattice as (PERIOD³, 8): for each cell the values at its corners, z fastest."""
    number = np.arange(PERIOD**3, dtype=np.int64)
    values = (hashed(number * 2654435761 + 97) / 32767.5 - 1).astype(np.float32).reshape((PERIOD,) * 3)
    shifted = [np.roll(values, (-dx, -dy, -dz), (0, 1, 2)) for dx in (0, 1) for dy in (0, 1) for dz in (0, 1)]
    return np.ascontiguousarray(np.stack(shifted, axis=-1).reshape(-1, 8))


def value_noise(points: Planes, scale: float, seed: int) -> Planes:
    """Return smooth noise in [-1, 1] at ``points`` (3, n), with ``scale`` cells to a unit of length."""
    starts = hashed(np.int64(seed) * 3 + np.arange(3)) % 1024
    cells, fractions = [], []
    for axis, start in enumerate(starts):
        place = points[axis] * np.float32(scale) + np.float32(start)
        cell = np.floor(place)
        fraction = place - cell
        fractions.append(fraction * fraction * (3 - 2 * fraction))
        cells.append(cell.astype(np.int32) & _MASK)
    index = (cells[0] * PERIOD + cells[1]) * PERIOD + cells[2]
    corner = _corners()[index].T
    along_z = corner[0::2] + (corner[1::2] - corner[0::2]) * fractions[2]
    along_y = along_z[0::2] + (along_z[1::2] - along_z[0::2]) * fractions[1]
    noise: Planes = along_y[0] + (along_y[1] - along_y[0]) * fractions[0]
    return noise
