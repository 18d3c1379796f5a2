"""Skellam noise: the difference of two Poisson variables, P(X = x) = e^−μ I_|x|(μ) with variance μ.

Drawn by :mod:`privacy.mechanisms.strips`, with its guarantees M1 and M2. A sum of Skellam variables is again
one, exactly, so shares need no correction (Agarwal, Kairouz, Liu, 2021).
"""

from __future__ import annotations

import decimal
import functools
import math
from decimal import Decimal
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from privacy.mechanisms.strips import DIGITS, StripSampler
from privacy.randomness import RandomSource

_SERIES_FROM: Final = 4096.0
"""Variance from which four terms of Debye's series are better than 1e-15, and 24 better than 1e-50."""
_EXACT_TERMS: Final = 24


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

    def exact_ratio(self, x: int) -> Decimal:
        """Return I_|x|(μ)/I_0(μ): the power series for small μ, Debye's expansion to 24 terms for large."""
        with decimal.localcontext(prec=2 * DIGITS):
            if self.variance < _SERIES_FROM:
                return _ratio_by_power_series(abs(x), Decimal(self.variance))
            return _ratio_by_debye(abs(x), Decimal(self.variance))


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


def _ratio_by_power_series(x: int, mu: Decimal) -> Decimal:
    """I_x(μ)/I_0(μ) from Σ (μ/2)^(2k+x) / (k! (k+x)!): all terms are positive, so nothing cancels."""
    half = mu / 2
    lead = Decimal(1)
    for j in range(1, x + 1):
        lead *= half / j
    return lead * _power_series(x, half) / _power_series(0, half)


def _power_series(x: int, half: Decimal) -> Decimal:
    term = total = Decimal(1)
    k = 0
    while term > total * Decimal(10) ** (-2 * DIGITS):
        k += 1
        term *= half * half / (k * (k + x))
        total += term
    return total


def _ratio_by_debye(x: int, mu: Decimal) -> Decimal:
    """I_x(μ)/I_0(μ) by the uniform expansion in 1/r, r = √(x²+μ²) (Abramowitz and Stegun 9.7.7)."""
    r = (Decimal(x) ** 2 + mu * mu).sqrt()
    exponent = Decimal(x) ** 2 / (r + mu) - x * ((x + r) / mu).ln()
    return exponent.exp() * (mu / r).sqrt() * _debye_series(x / r, r) / _debye_series(Decimal(0), mu)


def _debye_series(p: Decimal, r: Decimal) -> Decimal:
    """Σ u_k(p)/x^k with p = x/r: the powers of x cancel against those of p."""
    square, total = p * p, Decimal(0)
    for k, coefficients in enumerate(_debye_polynomials()):
        value = Decimal(0)
        for c in reversed(coefficients):
            value = value * square + Decimal(c.numerator) / c.denominator
        total += value / r**k
    return total


@functools.cache
def _debye_polynomials() -> tuple[tuple[Fraction, ...], ...]:
    """Return c_k with u_k(p) = p^k Σ_j c_kj p^2j, from u_{k+1} = ½p²(1−p²)u_k' + ⅛∫(1−5t²)u_k dt (9.3.10)."""
    rows: list[tuple[Fraction, ...]] = [(Fraction(1),)]
    for k in range(_EXACT_TERMS):
        following = [Fraction(0)] * (len(rows[-1]) + 1)
        for j, c in enumerate(rows[-1]):
            power = k + 2 * j
            following[j] += c * (Fraction(power, 2) + Fraction(1, 8 * (power + 1)))
            following[j + 1] -= c * (Fraction(power, 2) + Fraction(5, 8 * (power + 3)))
        rows.append(tuple(following))
    return tuple(rows)
