"""Skellam noise: the difference of two Poisson variables, P(X = x) = e^−μ I_|x|(μ) with variance μ.

Drawn by :mod:`privacy.mechanisms.strips`, with its guarantees M1 and M2. A sum of Skellam variables is again
one, exactly, so shares need no correction (Agarwal, Kairouz, Liu, 2021).
"""

from __future__ import annotations

import functools
import math
from typing import Final

import mpmath
import numpy as np
from numpy.typing import NDArray
from scipy import special

from privacy.mechanisms.strips import StripSampler
from privacy.randomness import RandomSource

_SERIES_FROM: Final = 4096.0
"""Variance from which four terms of Debye's series are better than 1e-15."""


class SkellamLaw:
    """The law of variance μ = ``variance``."""

    def __init__(self, variance: float) -> None:
        self.variance = variance
        self._at_zero = 0.0 if variance >= _SERIES_FROM else float(np.log(special.ive(0, variance)))

    @property
    def deviation(self) -> float:
        """Standard deviation."""
        return math.sqrt(self.variance)

    def tail(self, log_mass: float) -> int:
        """Chernoff: P(|X| > x) ≤ 2·exp(√(x²+μ²) − μ − x·asinh(x/μ)), which falls with x."""

        def log_bound(x: float) -> float:
            return math.log(2.0) + float(_exponent(np.array([x]), self.variance)[0])

        low, high = 0, 2
        while log_bound(high) > log_mass:
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if log_bound(middle) > log_mass else (low, middle)
        return high

    def log_ratio(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return log I_|x|(μ) − log I_0(μ), by Debye's uniform expansion or, for small μ, from scipy."""
        mu = self.variance
        if mu < _SERIES_FROM:
            return np.asarray(np.log(special.ive(np.abs(x), mu)) - self._at_zero)
        r = np.hypot(x, mu)
        series = np.log(_debye(x / r, r)) - math.log(_debye(np.zeros(1), np.array([mu]))[0])
        return np.asarray(_exponent(x, mu) - 0.5 * np.log(r / mu) + series)

    def exact_ratio(self, x: int) -> mpmath.mpf:
        """Return I_|x|(μ)/I_0(μ)."""
        mu = mpmath.mpf(self.variance)
        return mpmath.besseli(abs(x), mu) / mpmath.besseli(0, mu)


@functools.lru_cache(maxsize=32)
def sampler(variance: float) -> StripSampler:
    """Return the tables for ``variance``; building them takes milliseconds, so they are kept."""
    return StripSampler(SkellamLaw(variance))


def skellam(count: int, variance: float, source: RandomSource) -> NDArray[np.int64]:
    """Draw ``count`` integers from the Skellam distribution of this ``variance``, int64."""
    return sampler(variance).draw(count, source)


def _exponent(x: NDArray[np.float64], mu: float) -> NDArray[np.float64]:
    """√(x²+μ²) − μ − x·asinh(x/μ), without the cancellation of its first two terms."""
    return np.asarray(x * x / (np.hypot(x, mu) + mu) - x * np.arcsinh(x / mu))


def _debye(p: NDArray[np.float64], r: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 + u₁(p)/x + u₂(p)/x² + u₃(p)/x³ with p = x/r, r = √(x²+μ²) (Abramowitz and Stegun 9.7.7, 9.3.9)."""
    s = p * p
    first = (3.0 - 5.0 * s) / 24.0
    second = (81.0 - s * (462.0 - 385.0 * s)) / 1152.0
    third = (30375.0 - s * (369603.0 - s * (765765.0 - 425425.0 * s))) / 414720.0
    return np.asarray(1.0 + (first + (second + third / r) / r) / r)
