"""Gaussian noise that is exact: no floating-point caveat is left between the theorem and the machine.

Floating-point samplers of Gaussian noise leave gaps between the values they can return, and the gaps move
with the number that the noise is added to; who sees every bit reads that number from them (Mironov 2012; Jin,
McMurtry, Rubinstein and Ohrimenko 2022). The defence here has two parts.

*Grid.* What is released for a coordinate ``s`` is ``k * g``, where ``g = std / 8`` (public, fixed by the noise
level) and the integer ``k`` is ``s + N`` rounded to the grid, N being a *real* Gaussian number.
Rounding after adding is post-processing of the ideal mechanism and reveals nothing about ``s``.

*Exact rounding.* N = std * Phi^-1(U), where U is a real uniform number whose binary digits are drawn from the
secure stream as they are needed. Sixteen digits say which of 65,536 intervals N lies in; a table has their
midpoints and half-widths. Almost always all of the interval, moved by ``s``, rounds to the same integer, and
that is ``k``. Where it does not (one coordinate in some 800), 48 more digits are drawn and Phi^-1 is computed
in float64; where rounding is in doubt even then (one in a hundred million), 128 more digits and 140-digit decimal
arithmetic decide. Small blocks begin with 64 digits. This is Ziv's strategy for correctly rounded functions
(1991).

Guarantees:

N1. The released integers are those of the ideal Gaussian mechanism of standard deviation ``std``, rounded to
    the grid, except with probability below 2^-100 a coordinate. Nothing need be added to delta.
N2. Tails are not cut: the uniform number has 192 binary digits where it needs them.
N3. Rounding adds at most ``g^2 / 12`` to the variance: the standard deviation grows by 0.065 %, no more.

Assumptions: the source is indistinguishable from uniform (R1); ``scipy.special.ndtri`` errs by at most
2^-40 down to 2^-28 (tested against the decimal arithmetic); float32 arithmetic is that of IEEE 754, in numpy and
in the compiled program (:mod:`privacy.dpsgd.rounding`; tested to give the same bits). Not covered: the time of a
step depends, a little, on how many coordinates needed more digits.
"""

from __future__ import annotations

import functools
import math
import os
from decimal import Context, Decimal, localcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri
from torch import Tensor

from mien.errors import PrivacyError
from privacy.dpsgd.rounding import FirstPass
from privacy.randomness import RandomSource

BLOCK = 1 << 18
"""Coordinates that are noised at a time."""

_FEW = 1024
"""Up to so many coordinates get 64 digits at once, drawn for several steps: no table needs to be in the cache."""

_AHEAD = 1 << 13

_SCALE = 8  # grid steps in one standard deviation
_INTERVALS = 1 << 16
_WIDEST = 0.25  # intervals with a larger half-width, in grid steps, always draw more digits

_ROUNDING_32 = 2.0**-22  # relative error of scaling a sum, narrowing it to float32 and adding noise to it
_ALLOWANCE = 2.0**-13  # grid steps that the table leaves for that error
_ERROR_64 = 2.0**-37  # error of the float64 pass, in standard deviations
_ROUNDING_64 = 2.0**-51  # relative error of the sum there
_FARTHEST = 64  # grid steps; noise that 64 digits suffice for is smaller
_FEW_DIGITS = np.uint64(1 << 36)  # below it, a 64-digit uniform number has too few significant digits
_LESS_BITS = np.uint64(48)
_MORE_BITS = np.uint64(16)
_EXTRA_BITS = 128
_DECIMAL = Context(prec=140)
_PI = Decimal(
    "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899"
    "862803482534211706798214808651328230664709384460955058223172535940813"
)


_Left = tuple[NDArray[Any], NDArray[np.intp], float, NDArray[np.uint16], NDArray[Any]]
"""Weights, places among them, factor, first digits, sums: of coordinates that wait for more digits."""


class GridGaussian:
    """Adds exact Gaussian noise of standard deviation ``std`` and rounds to a grid (guarantees N1 to N3).

    ``grid`` is the step g. Raises ValueError unless ``std`` is positive and
    finite.
    """

    def __init__(self, std: float, source: RandomSource) -> None:
        if not (math.isfinite(std) and std > 0):
            raise ValueError(f"the standard deviation must be positive and finite, got {std!r}")
        self.std = std
        self.grid = std / _SCALE
        self._source = source
        middles, limits = _intervals()
        self._first_pass = FirstPass(middles, limits, BLOCK)
        self._digits = np.empty(BLOCK, np.uint16)
        self._steps = torch.empty(BLOCK, dtype=torch.float32)
        self._integers = self._steps.numpy()
        self._left: list[_Left] = []
        self._ahead = _Ahead(source)

    def prepare(self, dtype: torch.dtype, count: int) -> None:
        """Do now what ``count`` sums of this type need before their first release."""
        self._first_pass.prepare(torch.empty(0, dtype=dtype).numpy().dtype, count)

    def release(self, sums: Tensor, largest: float) -> Tensor:
        """Return the integers ``round((sums + N) / grid)`` as float32, in a buffer that the next call reuses.

        ``sums`` is flat, on the CPU, of at most BLOCK finite coordinates, none larger in size than
        ``largest``. An integer beyond 2^24 is rounded to float32, which is post-processing too. Raises
        PrivacyError for a sum that is not finite.
        """
        count = len(sums)
        integers, values = self._integers[:count], sums.numpy()
        if 0 < count <= _FEW:
            integers[...] = self._round(*self._ahead.take(count), values, largest / self.grid)
            return self._steps[:count]
        digits = self._digits[:count]
        self._source.fill(digits)
        doubtful = self._first_pass.round(digits, values, 1.0 / self.grid, self._narrowing(largest), integers)
        if len(doubtful):
            integers[doubtful] = self._second_pass(digits[doubtful], values[doubtful])
        return self._steps[:count]

    def add_to(self, weights: Tensor, sums: Tensor, largest: float, factor: float) -> None:
        """Add ``factor`` times the integers of :meth:`release` to flat ``weights`` of the same length, in place.

        Where the compiled loop is at hand, sums and weights pass through memory once; coordinates that need more
        digits are left as they are until :meth:`settle`.
        """
        count = len(sums)
        target, values = weights.numpy(), sums.numpy()
        move = self._first_pass.moving(target, values) if count > _FEW else None
        if move is None:
            weights.add_(self.release(sums, largest), alpha=factor)
            return
        digits = self._digits[:count]
        self._source.fill(digits)
        doubtful = move(digits, values, 1.0 / self.grid, self._narrowing(largest), factor, target)
        if len(doubtful):
            self._left.append((target, doubtful, factor, digits[doubtful], values[doubtful]))

    def settle(self) -> None:
        """Finish what :meth:`add_to` left; to be called at the end of each step."""
        if not self._left:
            return
        left, self._left = self._left, []
        targets, places, factors, digits, sums = zip(*left, strict=True)
        integers = self._second_pass(np.concatenate(digits), np.concatenate(sums))
        ends = np.cumsum([len(part) for part in places])
        for target, place, factor, part in zip(
            targets, places, factors, np.split(integers, ends[:-1]), strict=True
        ):
            target[place] += factor * part

    def _narrowing(self, largest: float) -> float:
        """Return what the table's limits lack: a large sum is rounded more coarsely than they allow for."""
        error = largest / self.grid * _ROUNDING_32
        return error if error > _ALLOWANCE else 0.0

    def _second_pass(self, digits: NDArray[np.uint16], sums: NDArray[Any]) -> NDArray[np.float64]:
        """Return integers for the first ``digits`` and their sums, with 48 more digits, in float64."""
        uniform = self._source.uint64(len(digits))
        uniform >>= _MORE_BITS  # the 16 bits that are known go in front
        uniform |= digits.astype(np.uint64) << _LESS_BITS
        return self._round(uniform, _noise_64(uniform), sums, float(np.abs(sums).max()) / self.grid)

    def _round(
        self, uniform: NDArray[np.uint64], noise: NDArray[np.float64], sums: NDArray[Any], largest: float
    ) -> NDArray[np.float64]:
        """Return integers for ``sums`` and :func:`_noise_64`; 128 more digits decide where it leaves a doubt.

        ``largest``: a bound of the sums' sizes, in grid steps.
        """
        value = np.divide(sums, self.grid, dtype=np.float64)
        value += noise
        result: NDArray[np.float64] = np.rint(value)
        with np.errstate(invalid="ignore"):  # infinity less infinity is NaN, and found
            value -= result
        np.abs(value, out=value)
        sure = 0.5 - _ERROR_64 * _SCALE - _ROUNDING_64 * (largest + _FARTHEST)
        if not value.max() < sure:  # NaN too
            self._third(result, ~(value < sure), uniform, sums)
        return result

    def _third(
        self,
        result: NDArray[np.float64],
        doubtful: NDArray[np.bool_],
        uniform: NDArray[np.uint64],
        sums: NDArray[Any],
    ) -> None:
        """Overwrite the ``doubtful`` integers among ``result`` by those of the third pass."""
        if not np.isfinite(sums).all():  # never sure, so it comes here
            raise PrivacyError("private step: a clipped sum is not finite; no noise can hide that")
        for index in np.flatnonzero(doubtful):
            result[index] = self._third_pass(int(uniform[index]), float(sums[index]))

    def _third_pass(self, uniform: int, value: float) -> int:
        """Return one integer, with 128 more digits, in decimal arithmetic."""
        more = int.from_bytes(self._source.bytes(_EXTRA_BITS // 8))
        with localcontext(_DECIMAL):
            point = (Decimal((uniform << _EXTRA_BITS) + more) + Decimal("0.5")) / (1 << (64 + _EXTRA_BITS))
            steps = Decimal(value) / Decimal(self.grid)
            return int((steps + _SCALE * inverse_normal(point)).to_integral_value())


class _Ahead:
    """64 digits of U and the noise they give, drawn for several small blocks at once; each is used once."""

    def __init__(self, source: RandomSource) -> None:
        self._source = source
        self._process = os.getpid()
        self._used = self._drawn = 0
        self._uniform = np.empty(0, np.uint64)
        self._noise = np.empty(0)

    def take(self, count: int) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
        """Return ``count`` fresh numbers and their noise, in grid steps."""
        start, stop = self._used, self._used + count
        if stop > self._drawn or os.getpid() != self._process:  # a fork must not repeat its parent (R3)
            # Twice as many as last time: who takes one step does not pay for a hundred.
            self._drawn = max(count, min(_AHEAD, 2 * self._drawn))
            self._uniform = self._source.uint64(self._drawn)
            self._noise = _noise_64(self._uniform)
            self._process = os.getpid()
            start, stop = 0, count
        self._used = stop
        return self._uniform[start:stop], self._noise[start:stop]


def _noise_64(uniform: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return N in grid steps from 64 digits of U; NaN where so many are too few.

    Error in standard deviations, where the smaller of U and 1 - U is at least 2^-28, so that N is below 5.9:
    digits not drawn, 2^-64 / phi(N) < 2^-38; the inverse distribution function and the rounding of U, below
    2^-39. Together below 2^-37.
    """
    other = np.invert(uniform)
    tail = np.minimum(uniform, other)  # of U and 1 - U, the smaller keeps its digits in float64
    noise = tail * 2.0**-64
    noise += 2.0**-65
    noise[tail < _FEW_DIGITS] = np.nan
    result: NDArray[np.float64] = ndtri(noise, out=noise)
    result *= np.where(uniform > other, -_SCALE, _SCALE)
    return result


@functools.cache
def _intervals() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the middles of the 65,536 intervals of N, in grid steps, and the sure distances to an integer.

    A sum of an interval's middle and ``s`` that is nearer to an integer than the interval's limit rounds to
    that integer wherever in the interval N lies. Wide intervals have NaN for their middle: never sure.
    """
    edges = ndtri(np.arange(_INTERVALS + 1) / _INTERVALS) * _SCALE
    with np.errstate(invalid="ignore"):
        middles, widths = (edges[1:] + edges[:-1]) / 2, edges[1:] - edges[:-1]
    middles[~(widths < 2 * _WIDEST)] = np.nan
    limits = 0.5 - widths / 2 - _ALLOWANCE - 2.0**-17  # the last for rounding to float32 here
    return middles.astype(np.float32), limits.astype(np.float32)


def inverse_normal(point: Decimal) -> Decimal:
    """Return Phi^-1(point) to about 60 digits: Newton's method on the series of the distribution function."""
    with localcontext(_DECIMAL):
        upper = point > Decimal("0.5")
        tail = 1 - point if upper else point
        x = Decimal(float(ndtri(float(tail))))
        root = (2 * _PI).sqrt()
        for _ in range(3):  # 15 digits, then 30, then 60
            density = (-x * x / 2).exp() / root
            x -= (Decimal("0.5") + density * _series(x) - tail) / density
        return -x if upper else x


def _series(x: Decimal) -> Decimal:
    """Return (Phi(x) - 1/2) / phi(x) = x + x^3 / 3 + x^5 / (3 * 5) + ..."""
    term = total = x
    order = 1
    while abs(term) > abs(total) * Decimal(10) ** -_DECIMAL.prec:
        order += 2
        term *= x * x / order
        total += term
    return total
