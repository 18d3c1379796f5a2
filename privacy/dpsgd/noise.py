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
that is ``k``. Where it does not (one coordinate in some 700), 48 more digits are drawn and Phi^-1 is computed
in float64; where rounding is in doubt even then (one in a hundred million), 128 more digits and 140-digit decimal
arithmetic decide. This is Ziv's strategy for correctly rounded functions (1991).

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

_SCALE = 8  # grid steps in one standard deviation
_INTERVALS = 1 << 16
_WIDEST = 0.25  # intervals with a larger half-width, in grid steps, always draw more digits

_ROUNDING_32 = 2.0**-22  # relative error of scaling a sum, narrowing it to float32 and adding noise to it
_ALLOWANCE = 2.0**-11  # grid steps that the table leaves for that error
_ERROR_64 = 2.0**-37  # error of the float64 pass, in standard deviations
_ROUNDING_64 = 2.0**-51  # relative error of the sum there
_FEW_DIGITS = np.uint64(1 << 36)  # below it, a 64-digit uniform number has too few significant digits
_LESS_BITS = np.uint64(48)
_MORE_BITS = np.uint64(16)
_EXTRA_BITS = 128
_DECIMAL = Context(prec=140)
_PI = Decimal(
    "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899"
    "862803482534211706798214808651328230664709384460955058223172535940813"
)


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
        digits, integers, values = self._digits[:count], self._integers[:count], sums.numpy()
        self._source.fill(digits)
        # An unusually large sum is rounded more coarsely in float32 than the table allows for.
        error = largest / self.grid * _ROUNDING_32
        extra = error if error > _ALLOWANCE else 0.0
        doubtful = self._first_pass.round(digits, values, 1.0 / self.grid, extra, integers)
        if len(doubtful):
            integers[doubtful] = self._second_pass(digits[doubtful], values[doubtful])
        return self._steps[:count]

    def _second_pass(self, digits: NDArray[np.uint16], sums: NDArray[Any]) -> NDArray[np.float64]:
        """Return integers for the first ``digits`` and their sums, with 48 more digits, in float64.

        Error of N in standard deviations, where the smaller of U and 1 - U is at least 2^-28, so that N is
        below 5.9: digits not drawn, 2^-64 / phi(N) < 2^-38; the inverse distribution function and the
        rounding of U, below 2^-39. Together below 2^-37.
        """
        uniform = self._source.uint64(len(digits))
        uniform >>= _MORE_BITS  # the 16 bits that are known go in front
        uniform |= digits.astype(np.uint64) << _LESS_BITS
        upper = digits >= _INTERVALS // 2
        tail = np.where(upper, ~uniform, uniform)  # of U or 1 - U, the smaller keeps its digits in float64
        noise = ndtri((tail + 0.5) * 2.0**-64)
        value = sums.astype(np.float64)
        value /= self.grid
        value += np.where(upper, -_SCALE, _SCALE) * noise
        if not np.isfinite(value).all():  # a sum that is not a number is never sure, so it comes here
            raise PrivacyError("private step: a clipped sum is not finite; no noise can hide that")
        result: NDArray[np.float64] = np.rint(value)
        error = _ERROR_64 * _SCALE + _ROUNDING_64 * np.abs(value)
        sure = np.abs(value - result) < 0.5 - error
        sure &= tail >= _FEW_DIGITS
        if not sure.all():
            for index in np.flatnonzero(~sure):
                result[index] = self._third_pass(int(uniform[index]), float(sums[index]))
        return result

    def _third_pass(self, uniform: int, value: float) -> int:
        """Return one integer, with 128 more digits, in decimal arithmetic."""
        more = int.from_bytes(self._source.bytes(_EXTRA_BITS // 8))
        with localcontext(_DECIMAL):
            point = (Decimal((uniform << _EXTRA_BITS) + more) + Decimal("0.5")) / (1 << (64 + _EXTRA_BITS))
            steps = Decimal(value) / Decimal(self.grid)
            return int((steps + _SCALE * inverse_normal(point)).to_integral_value())


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
