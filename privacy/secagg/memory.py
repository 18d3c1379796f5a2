"""Arrays that begin on a cache line: vector instructions on others touch two lines each, 5 % of a mask."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LINE = 64


def aligned_empty(length: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an uninitialised flat array that begins on a cache line."""
    size = length * dtype.itemsize
    raw = np.empty(size + _LINE, dtype=np.uint8)
    start = -raw.ctypes.data % _LINE
    return raw[start : start + size].view(dtype)


def aligned_zeros(length: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a flat array of zeros that begins on a cache line."""
    array = aligned_empty(length, dtype)
    array[:] = 0
    return array
