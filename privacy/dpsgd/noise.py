"""Gaussian noise that is exact: no floating-point caveat is left between the theorem and the machine.

Floating-point samplers of Gaussian noise leave gaps between the values they can return, and the gaps move
with the number the noise is added to; an attacker who sees every bit reads that number from them (Mironov
2012; Jin, McMurtry, Rubinstein and Ohrimenko 2022). The defence here has two parts.

*Grid.* What is released for a coordinate ``s`` is ``k * g``, where ``g`` is a power of two (public, fixed by
the noise level) and the integer ``k`` is ``s + N`` rounded to the grid, N being a *real* Gaussian number.
Rounding after adding is post-processing of the ideal mechanism and reveals nothing about ``s``.

*Exact rounding.* N is the Box-Muller transform of two real uniform numbers whose binary digits are drawn from
the secure stream as they are needed. The integer is first computed in float32 with a proven error bound.
Where the sum lies so close to a rounding boundary that the error could change ``k`` (about one coordinate in
two thousand), more digits are drawn and it is computed in float64; where that is not enough either (one in some
millions), in 70-digit decimal arithmetic. This is Ziv's strategy for correctly rounded functions (1991).

Guarantees:

N1. The released integers are those of the ideal Gaussian mechanism of standard deviation ``std``, rounded to
    the grid ``g``, except with probability below 2^-100 a coordinate. Nothing need be added to delta.
N2. Tails are not cut: the radius has 192 binary digits where it needs them.
N3. ``g <= std / 8``. Rounding adds at most ``g^2 / 12``, that is 0.13 % to the variance.

Assumptions: the source is indistinguishable from uniform (R1); float32 ``log``, ``sin`` and ``cos`` of numpy
err by at most 4 units in the last place, float64 ones by 16 (tested against decimal arithmetic); the sum
that noise is added to is finite. Not covered: the time a step takes depends, a little, on how many
coordinates needed more digits.
"""

from __future__ import annotations

import math
from decimal import Context, Decimal, localcontext

import numpy as np
from numpy.typing import NDArray

from mien.errors import PrivacyError
from privacy.randomness import RandomSource

BLOCK = 1 << 16
"""Coordinates that are noised at a time: every buffer of a block stays in the L2 cache."""

_GRID_STEPS = 8  # at least so many grid steps in one standard deviation

# Error bounds, in standard deviations unless said otherwise; derived at `_first_pass` and `_second_pass`.
_ERROR_32 = 2.0**-16
_ROUNDING_32 = 2.0**-23  # relative to the sum: adding it to the noise, and narrowing it from float64
_ERROR_64 = 2.0**-38
_ROUNDING_64 = 2.0**-51
_SMALL_WORD = np.uint32(1 << 16)  # radius words below it, and ...
_LARGE_WORD = np.uint32((1 << 32) - (1 << 18))  # ... from it on, are recomputed with more digits
_SMALL_UNIFORM = 2.0**-24
_LARGE_UNIFORM = 1.0 - 2.0**-23
_EXTRA_BITS = 128
_DECIMAL = Context(prec=70)
_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899")


class GridGaussian:
    """Adds exact Gaussian noise of standard deviation ``std`` and rounds to a grid (guarantees N1 to N3).

    ``grid`` is the step g: a power of two that depends on ``std`` alone. Raises ValueError unless ``std`` is
    positive and finite.
    """

    def __init__(self, std: float, source: RandomSource) -> None:
        if not (math.isfinite(std) and std > 0):
            raise ValueError(f"the standard deviation must be positive and finite, got {std!r}")
        self.std = std
        self.grid = 2.0 ** math.floor(math.log2(std / _GRID_STEPS))
        self._source = source
        self._scale = std / self.grid  # the standard deviation in grid steps, in [8, 16)
        self._words = np.empty(BLOCK, np.uint32)
        self._noise = np.empty(BLOCK, np.float32)
        self._steps = np.empty(BLOCK, np.float32)
        self._doubtful = np.empty(BLOCK, np.bool_)

    def release(self, sums: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the integers ``round((sums + N) / grid)`` as float32, in a buffer that the next call reuses.

        ``sums`` is flat, float32 or float64, of at most BLOCK finite coordinates. An integer beyond 2^24 is
        rounded to float32, which is post-processing too.
        """
        count = len(sums)
        half = (count + 1) // 2  # an odd block draws one number more than it needs
        words, noise, steps = self._words[: 2 * half], self._noise[: 2 * half], self._steps[: 2 * half]
        self._source.fill(words)
        self._first_pass(words, noise, steps)
        steps[-1] = 0.0
        np.multiply(sums, 1.0 / self.grid, out=steps[:count], casting="same_kind")
        largest = max(float(steps.max()), -float(steps.min()))
        if not math.isfinite(largest):
            raise PrivacyError("private step: the clipped sum is not finite; no noise can hide that")
        noise += steps
        np.rint(noise, out=steps)
        noise -= steps  # exact: the distance to the integer just chosen
        np.abs(noise, out=noise)
        error = _ERROR_32 * self._scale + _ROUNDING_32 * (largest + 8 * self._scale)
        sure = self._doubtful[: 2 * half]
        np.less(noise, np.float32(0.5 - error), out=sure)  # false for NaN too
        usual = words[:half] - _SMALL_WORD < _LARGE_WORD - _SMALL_WORD
        usual &= sure[:half]
        usual &= sure[half:]
        pairs = np.flatnonzero(~usual)
        if len(pairs):
            self._second_pass(pairs, words, sums, steps)
        return steps[:count]

    def _first_pass(
        self, words: NDArray[np.uint32], noise: NDArray[np.float32], work: NDArray[np.float32]
    ) -> None:
        """Fill ``noise`` with Gaussian numbers in grid steps, computed in float32.

        Error in standard deviations, for radius words in [2^16, 2^32 - 2^18), where the radius
        r = sqrt(-2 ln U) lies in [2^-6.5, 4.8]: digits of U not drawn yet, at most 2^-18.2; the narrowing of
        the word to 24 bits, 2^-18.4 (large U, where nothing else matters); the logarithm's 4 units, 2^-19.7;
        the angle's narrowing and scaling and the cosine's 4 units, r * 2^-20.4 < 2^-18.1; square root and
        products, 2^-20.4. Together below 2^-16.8; the bound in use is 2^-16.
        """
        half = len(words) // 2
        radius, angle = noise[:half], noise[half:]
        np.copyto(noise, words, casting="unsafe")
        with np.errstate(divide="ignore", invalid="ignore"):  # the word 0 is always recomputed
            radius *= np.float32(2.0**-32)
            np.log(radius, out=radius)
            radius *= np.float32(-2.0 * self._scale * self._scale)
            np.sqrt(radius, out=radius)
            angle *= np.float32(2.0**-32)
            angle -= np.float32(0.5)
            angle *= np.float32(2.0 * math.pi)
            np.cos(angle, out=work[:half])
            np.sin(angle, out=work[half:])
            np.multiply(radius, work[half:], out=angle)
            radius *= work[:half]

    def _second_pass(
        self,
        pairs: NDArray[np.intp],
        words: NDArray[np.uint32],
        sums: NDArray[np.floating],
        steps: NDArray[np.float32],
    ) -> None:
        """Recompute doubtful pairs in float64 with 64 more random bits a pair, and overwrite their integers.

        The same error terms as in the first pass, for U in [2^-24, 1 - 2^-23]: digits not drawn, 2^-64 / U,
        at most 2^-42; rounding of U, 2^-53 / r, at most 2^-42; functions and products below 2^-46. Together
        below 2^-40; the bound in use is 2^-38.
        """
        half = len(words) // 2
        more = self._source.uint32(2 * len(pairs))
        places = np.concatenate((pairs, pairs + half))
        bits = words[places].astype(np.uint64) << np.uint64(32) | more
        uniform = bits[: len(pairs)].astype(np.float64) * 2.0**-64
        angle = (bits[len(pairs) :].astype(np.float64) * 2.0**-64 - 0.5) * (2.0 * math.pi)
        with np.errstate(divide="ignore"):
            radius = self._scale * np.sqrt(-2.0 * np.log(uniform))
        value = np.concatenate((radius * np.cos(angle), radius * np.sin(angle)))
        inside = places < len(sums)
        shift = np.zeros(len(places))
        shift[inside] = sums[places[inside]].astype(np.float64) / self.grid
        value += shift
        nearest = np.rint(value)
        steps[places] = nearest
        error = _ERROR_64 * self._scale + _ROUNDING_64 * np.abs(value)
        sure = (np.abs(value - nearest) < 0.5 - error).reshape(2, -1).all(axis=0)
        sure &= (uniform >= _SMALL_UNIFORM) & (uniform <= _LARGE_UNIFORM)
        for index in np.flatnonzero(~sure):
            pair = slice(index, None, len(pairs))
            steps[places[pair]] = self._third_pass(bits[pair], shift[pair])

    def _third_pass(self, bits: NDArray[np.uint64], shift: NDArray[np.float64]) -> tuple[float, float]:
        """Return one pair's integers by decimal arithmetic with 128 more random bits for each uniform."""
        size = 64 + _EXTRA_BITS
        extra = self._source.bytes(2 * _EXTRA_BITS // 8)
        low = (int.from_bytes(extra[: len(extra) // 2]), int.from_bytes(extra[len(extra) // 2 :]))
        with localcontext(_DECIMAL):
            first, second = (
                (Decimal((int(bits[i]) << _EXTRA_BITS) + low[i]) + Decimal("0.5")) / (1 << size)
                for i in (0, 1)
            )
            radius = Decimal(self._scale) * (-2 * first.ln()).sqrt()
            cosine, sine = _cosine_sine((2 * second - 1) * _PI)
            return tuple(  # type: ignore[return-value]
                float((Decimal(float(s)) + radius * part).to_integral_value())
                for s, part in zip(shift, (cosine, sine), strict=True)
            )


def _cosine_sine(angle: Decimal) -> tuple[Decimal, Decimal]:
    """Return cosine and sine of an angle in [-pi, pi] by their power series, to the context's precision."""
    sums, term, order = [Decimal(0), Decimal(0)], Decimal(1), 0
    while abs(term) > Decimal(10) ** -_DECIMAL.prec:
        sums[order % 2] += term if order % 4 < 2 else -term
        order += 1
        term *= angle / order
    return sums[0], sums[1]
