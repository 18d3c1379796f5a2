"""The first pass of the exact noise: most integers are known from sixteen random digits (see ``noise.py``).

Two programs give the same integers: one in numpy, and one that numba compiles where it is installed (the extra
``fast``) and the block is large enough to be worth it. The compiled one reads and writes memory once, not eight
times, and can move the weights on the way (:meth:`FirstPass.moving`). It is compiled once and kept on disk: beside
this file, or in the user's cache where that cannot be written.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

_TILE = 1 << 15  # coordinates whose buffers stay in the L2 cache together
_WORTH_COMPILING = 1 << 14

Floats = NDArray[np.float32]
_Kernel = Callable[..., Any]
Move = Callable[[NDArray[np.uint16], NDArray[Any], float, float, float, Floats], NDArray[np.intp]]
"""(digits, sums, scale, error, factor, weights): add factor times the integer to each weight where the integer is
sure; return the other places."""


class FirstPass:
    """Rounds blocks of at most ``largest_block`` coordinates by the middle of the interval that N lies in.

    ``middles``, ``limits``: of the 65,536 intervals, in grid steps, float32. A sum of an interval's middle and
    ``s`` that is nearer to an integer than the interval's limit rounds to that integer, wherever in the
    interval N lies. NaN for a middle: never sure.
    """

    def __init__(self, middles: Floats, limits: Floats, largest_block: int) -> None:
        self._middles = middles
        self._limits = limits
        size = min(_TILE, largest_block)
        self._sure = np.empty(largest_block, np.bool_)
        self._places = np.empty(size, np.intp)
        self._values = np.empty(size, np.float32)
        self._bounds = np.empty(size, np.float32)

    def prepare(self, dtype: np.dtype[Any], count: int) -> None:
        """Compile or load now, rather than in the first step, what ``count`` sums of this type will need."""
        size = _WORTH_COMPILING
        if count < size or compiled() is None:
            return
        digits, sums, steps = np.zeros(size, np.uint16), np.zeros(size, dtype), np.zeros(size, np.float32)
        self.round(digits, sums, 1.0, 0.0, steps)
        move = self.moving(sums, sums)
        if move is not None:
            move(digits, sums, 1.0, 0.0, 1.0, sums)

    def moving(self, weights: NDArray[Any], sums: NDArray[Any]) -> Move | None:
        """Return the compiled loop that moves such weights by such sums; None where there is none."""
        kernels = compiled() if len(sums) >= _WORTH_COMPILING else None
        if kernels is None or weights.dtype != np.float32 or sums.dtype != np.float32:
            return None
        move, middles, limits = kernels.move, self._middles, self._limits

        def run(
            digits: NDArray[np.uint16],
            sums: NDArray[Any],
            scale: float,
            error: float,
            factor: float,
            weights: Floats,
        ) -> NDArray[np.intp]:
            narrow, unit, step = np.float32(error), np.float32(scale), np.float32(factor)
            found: NDArray[np.intp] = move(digits, sums, unit, narrow, middles, limits, step, weights)
            return found

        return run

    def round(
        self, digits: NDArray[np.uint16], sums: NDArray[Any], scale: float, error: float, steps: Floats
    ) -> NDArray[np.intp]:
        """Write the integers for ``scale * sums + N`` to ``steps``; return the places where more digits decide.

        ``error``: grid steps by which every limit is narrowed. All arrays have the same length.
        """
        count = len(digits)
        kernels = compiled() if count >= _WORTH_COMPILING else None
        narrow, factor = np.float32(error), np.float32(scale)
        if kernels is not None:
            found: NDArray[np.intp] = kernels.round(
                digits, sums, factor, narrow, self._middles, self._limits, steps
            )
            return found
        sure = self._sure[:count]
        for start in range(0, count, _TILE):
            tile = slice(start, start + _TILE)
            self._round_tile(digits[tile], sums[tile], factor, narrow, steps[tile], sure[tile])
        return np.logical_not(sure, out=sure).nonzero()[0]

    def _round_tile(
        self,
        digits: NDArray[np.uint16],
        sums: NDArray[Any],
        scale: np.float32,
        error: np.float32,
        steps: Floats,
        sure: NDArray[np.bool_],
    ) -> None:
        count = len(digits)
        places, values, bounds = self._places[:count], self._values[:count], self._bounds[:count]
        np.copyto(places, digits)
        with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is not sure, and found later
            np.multiply(sums, scale, out=bounds, casting="same_kind", dtype=np.float32)
            self._middles.take(places, out=values, mode="clip")
            values += bounds
            np.rint(values, out=steps)
            values -= steps  # exact: the distance to the integer just chosen
        np.abs(values, out=values)
        self._limits.take(places, out=bounds, mode="clip")
        if error:
            bounds -= error
        np.less(values, bounds, out=sure[:count])  # False for NaN


def _round_block(
    digits: NDArray[np.uint16],
    sums: NDArray[Any],
    scale: np.float32,
    error: np.float32,
    middles: Floats,
    limits: Floats,
    steps: Floats,
) -> NDArray[np.intp]:
    """The same arithmetic in one loop, to be compiled."""
    doubtful = np.empty(len(digits), np.intp)
    found = 0
    for i in range(len(digits)):
        value = middles[digits[i]] + np.float32(sums[i]) * scale
        step = np.rint(value)
        steps[i] = step
        if not abs(value - step) < limits[digits[i]] - error:
            doubtful[found] = i
            found += 1
    return doubtful[:found].copy()


def _move_block(
    digits: NDArray[np.uint16],
    sums: NDArray[Any],
    scale: np.float32,
    error: np.float32,
    middles: Floats,
    limits: Floats,
    factor: np.float32,
    weights: Floats,
) -> NDArray[np.intp]:
    """The same, but each sure integer moves its weight at once."""
    doubtful = np.empty(len(digits), np.intp)
    found = 0
    for i in range(len(digits)):
        value = middles[digits[i]] + np.float32(sums[i]) * scale
        step = np.rint(value)
        if abs(value - step) < limits[digits[i]] - error:
            weights[i] += factor * step
        else:  # NaN too
            doubtful[found] = i
            found += 1
    return doubtful[:found].copy()


class Kernels(NamedTuple):
    """The compiled programs."""

    round: _Kernel
    move: _Kernel


@functools.cache
def compiled() -> Kernels | None:
    """Return the compiled programs, or None where numba is not installed."""
    try:
        import numba
    except ImportError:
        return None

    def build(program: _Kernel) -> _Kernel:
        # No fast-math: the distance to the integer must be that of IEEE 754.
        try:
            kernel = numba.njit(nogil=True, fastmath=False, cache=True)(program)
        except RuntimeError:  # nowhere to keep it: neither this folder nor the user's cache can be written
            kernel = numba.njit(nogil=True, fastmath=False)(program)
        return cast("_Kernel", kernel)

    return Kernels(build(_round_block), build(_move_block))
