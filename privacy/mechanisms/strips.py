"""Exact and fast draws of integers whose probability falls on both sides of zero.

Guarantees (assumptions: R1 of :mod:`privacy.randomness`; the law's error bounds hold):

M1. A drawn integer follows its law to a total variation distance of at most 2^-126 (the tails that are cut
    off), whatever the floating-point arithmetic of the machine. The accounting pays for it
    (:data:`privacy.accounting.integer_noise.SAMPLER_DISTANCE`).
M2. No draw is larger than :attr:`StripSampler.largest` in absolute value, so a sum of shares cannot wrap
    around in the field.

Method. The integers are cut into strips of equal, power-of-two width, at most a 32nd of a standard deviation.
Strip s gets a whole number n_s of 2^16 table entries such that n_s is an upper bound of its probability under
one common unit. A draw takes 16 random bits for the entry and as many as the width needs for the place in the
strip. Of the n_s entries, the first m_s lie below the *smallest* probability in the strip and are accepted
unseen; only for the rest (about 4 %) is the law evaluated, and the draw accepted with probability
(p(x) − m_s)/(n_s − m_s) in that unit. This is rejection sampling under an envelope of whole numbers, hence
exact if the comparison is: it is made in float64 and, where the uniform number is within 2^-20 of the
threshold, made again with 50 digits and 192 random bits.

Not promised: constant time. How many draws are rejected, and which table lines are read, depends on the noise.
"""

from __future__ import annotations

import decimal
import math
from decimal import Decimal
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from mien.errors import PrivacyError
from privacy.randomness import RandomSource

TAIL_BITS: Final = 126
"""The two tails that are never drawn have a mass of at most 2^-126 together."""
MIN_VARIANCE: Final = 2.0**-20
"""Below this nearly every draw is zero, and nothing is private."""
MAX_VARIANCE: Final = 2.0**96
"""So that a strip's width fits in the 48 bits that a 64-bit word leaves."""

DIGITS: Final = 50
"""Digits of the comparisons that float64 cannot decide; a wrong one has probability 10^-50 · 2^-20."""

_ENTRIES: Final = 1 << 16
_BLOCK: Final = 1 << 16  # draws at a time: all temporaries stay in the L2 cache
_TIE: Final = 2.0**-20
_MARGIN: Final = 1e-9  # far above the error of float64 evaluations, far below one table entry
_UNCERTAIN: Final = np.int64(-(1 << 62))


class Law(Protocol):
    """A symmetric distribution on the integers, decreasing away from zero."""

    @property
    def deviation(self) -> float:
        """Standard deviation, or the parameter σ."""

    def tail(self, log_mass: float) -> int:
        """Return an x ≥ 1 such that P(|X| > x) ≤ exp(``log_mass``)."""

    def log_ratio(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return log P(X = x)/P(X = 0), absolute error below 1e-11, for whole ``x``."""

    def exact_ratio(self, x: int) -> Decimal:
        """Return P(X = x)/P(X = 0) with a relative error below 10^-DIGITS."""


class StripSampler:
    """Tables for one law; :meth:`draw` is the only thing that uses randomness."""

    def __init__(self, law: Law) -> None:
        if not MIN_VARIANCE <= law.deviation**2 <= MAX_VARIANCE:
            raise PrivacyError(
                f"noise: variance must be from {MIN_VARIANCE:g} to {MAX_VARIANCE:g} integer units squared; "
                f"got {law.deviation**2!r}; change the scale"
            )
        self.law = law
        self._shift = max(0, math.floor(math.log2(law.deviation / 32.0))) if law.deviation >= 32 else 0
        width = 1 << self._shift
        half = -(-(law.tail(-TAIL_BITS * math.log(2.0)) + 1) // width)
        self._base = np.arange(-half, half, dtype=np.int64) * width
        self.largest = half * width
        """Bound of the absolute value of a draw."""
        self._build()

    def _build(self) -> None:
        """Fill the tables: ``_start`` has a strip's first integer or the mark of an uncertain entry."""
        width = 1 << self._shift
        ends = np.abs(np.stack((self._base, self._base + width - 1)).astype(np.float64))
        inside = (self._base <= 0) & (self._base + width - 1 >= 0)
        nearest = np.where(inside, 0.0, ends.min(axis=0))
        highest = np.exp(self.law.log_ratio(nearest)) * (1.0 + _MARGIN)
        lowest = np.exp(self.law.log_ratio(ends.max(axis=0))) * (1.0 - _MARGIN)

        scale = _largest_scale(highest)
        self._scale = scale
        """Table entries per P(X = 0), for each integer of a strip."""
        entries = np.ceil(highest * scale).astype(np.int64)
        self._certain = np.floor(lowest * scale).astype(np.int64)
        self._uncertain = np.maximum(entries - self._certain, 1).astype(np.float64)

        self._strip = np.full(_ENTRIES, -1, dtype=np.int32)  # −1: an unused entry, always rejected
        self._strip[: entries.sum()] = np.repeat(np.arange(len(entries), dtype=np.int32), entries)
        first = np.concatenate(([0], np.cumsum(entries)[:-1]))
        rank = np.arange(_ENTRIES) - first[self._strip]
        certain = (self._strip >= 0) & (rank < self._certain[self._strip])
        self._start = np.where(certain, self._base[self._strip], _UNCERTAIN)

    def draw(self, count: int, source: RandomSource) -> NDArray[np.int64]:
        """Return ``count`` independent draws, int64, shape (count,)."""
        out = np.empty(count, dtype=np.int64)
        rejected = [
            start + self._fill(out[start : start + _BLOCK], source) for start in range(0, count, _BLOCK)
        ]
        again = np.concatenate(rejected) if rejected else np.empty(0, dtype=np.intp)
        if again.size:
            out[again] = self.draw(again.size, source)
        return out

    def _fill(self, out: NDArray[np.int64], source: RandomSource) -> NDArray[np.intp]:
        """Overwrite ``out`` with draws; return the places whose draw was rejected."""
        words: NDArray[np.uint32] | NDArray[np.uint64]
        words = source.uint32(out.size) if self._shift <= 16 else source.uint64(out.size)
        entry = (words & words.dtype.type(_ENTRIES - 1)).astype(np.intp)
        np.take(self._start, entry, out=out, mode="clip")  # "clip" skips the check; entries are in range
        np.right_shift(words, words.dtype.type(16), out=words)
        np.bitwise_and(words, words.dtype.type((1 << self._shift) - 1), out=words)
        offset = words.astype(np.int64) if words.dtype == np.uint64 else words
        np.add(out, offset, out=out)

        places = np.flatnonzero(out < _UNCERTAIN // 2)
        strips = self._strip[entry[places]]
        unused = strips < 0
        rejected, places, strips = places[unused], places[~unused], strips[~unused]
        x = self._base[strips] + offset[places].astype(np.int64)
        out[places] = x
        accepted = self._accept(x, strips, source)
        return np.concatenate((rejected, places[~accepted]))

    def _accept(
        self, x: NDArray[np.int64], strips: NDArray[np.int32], source: RandomSource
    ) -> NDArray[np.bool_]:
        """Accept each ``x`` with probability (p(x) − m_s)/(n_s − m_s), exactly."""
        ratio = np.exp(self.law.log_ratio(x.astype(np.float64)))
        threshold = (ratio * self._scale - self._certain[strips]) / self._uncertain[strips]
        words = source.uint64(x.size)
        distance = words.astype(np.float64) * 2.0**-64 - threshold
        accepted: NDArray[np.bool_] = np.less(distance, 0.0)
        for tie in np.flatnonzero(np.abs(distance) < _TIE):
            accepted[tie] = self._accept_exactly(int(x[tie]), int(strips[tie]), int(words[tie]), source)
        return accepted

    def _accept_exactly(self, x: int, strip: int, word: int, source: RandomSource) -> bool:
        """Compare a uniform number that begins with the 64 bits of ``word`` with the threshold of ``x``."""
        for more in source.uint64(2):
            word = (word << 64) | int(more)
        with decimal.localcontext(prec=2 * DIGITS):
            threshold = self.law.exact_ratio(x) * Decimal(self._scale) - int(self._certain[strip])
            return Decimal(word) / 2**192 < threshold / int(self._uncertain[strip])


def _largest_scale(highest: NDArray[np.float64]) -> float:
    """Return a scale at which the strips' envelopes, rounded up, fill the table but do not overflow it."""
    low, high = 0.0, _ENTRIES / float(highest.sum())
    for _ in range(60):
        middle = 0.5 * (low + high)
        if np.ceil(highest * middle).sum() <= _ENTRIES:
            low = middle
        else:
            high = middle
    return low
