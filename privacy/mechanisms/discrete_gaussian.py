"""The discrete Gaussian: P(X = x) ∝ exp(−x²/2σ²) on the integers (Canonne, Kamath, Steinke, 2020).

Drawn by :mod:`privacy.mechanisms.strips`, with its guarantees M1 and M2. A sum of independent discrete
Gaussians is not one, but from a variance of 16 a share on it differs by less than e^−150; the accounting
charges the difference (Kairouz, Liu, Steinke, 2021).
"""

from __future__ import annotations

import decimal
import functools
import math
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from privacy.mechanisms.strips import DIGITS, StripSampler
from privacy.randomness import RandomSource


class DiscreteGaussianLaw:
    """The law with parameter σ² = ``variance``; its true variance is not larger."""

    def __init__(self, variance: float) -> None:
        self.variance = variance

    @property
    def deviation(self) -> float:
        """The parameter σ."""
        return math.sqrt(self.variance)

    def tail(self, log_mass: float) -> int:
        """P(|X| > x) ≤ 2·exp(−x²/2σ²): a discrete Gaussian is σ-sub-Gaussian (Canonne 2020, fact 22)."""
        return max(1, math.ceil(math.sqrt(2.0 * self.variance * (math.log(2.0) - log_mass))))

    def log_ratio(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return −x²/2σ²."""
        scaled = x / self.deviation
        return np.asarray(-0.5 * scaled * scaled)

    def exact_ratio(self, x: int) -> Decimal:
        """Return exp(−x²/2σ²) for the σ² that ``variance`` says to the last bit."""
        with decimal.localcontext(prec=2 * DIGITS):
            return (-(Decimal(x) ** 2) / (2 * Decimal(self.variance))).exp()


@functools.lru_cache(maxsize=32)
def sampler(variance: float) -> StripSampler:
    """Return the tables for ``variance``; building them takes milliseconds, so they are kept."""
    return StripSampler(DiscreteGaussianLaw(variance))


def discrete_gaussian(count: int, variance: float, source: RandomSource) -> NDArray[np.int64]:
    """Draw ``count`` integers from the discrete Gaussian of parameter σ² = ``variance``, int64."""
    return sampler(variance).draw(count, source)
