"""What a sum of integer vectors costs when the noise is made of integers, one share per client.

Guarantees (assumptions: at least ``survivors`` honest clients added an independent share of the stated
variance; each client's integer vector has L2 norm at most ``clipping_norm * scale``; the shares come from
:mod:`privacy.mechanisms`):

I1. :func:`renyi` bounds the Rényi divergence of one release. Skellam: Agarwal, Kairouz, Liu, "The Skellam
    Mechanism for Differentially Private Federated Learning", 2021, theorem 3.5. Discrete Gaussian: Kairouz,
    Liu, Steinke, "The Distributed Discrete Gaussian Mechanism", 2021, theorem 1 (its τ pays for a sum of
    discrete Gaussians not being one).
I2. :func:`gaussian_equivalent` shows that the release is as private as the *continuous* Gaussian mechanism,
    whose privacy loss distribution is known exactly, up to a stated (ε, δ). So integer noise composes with
    everything else at PLD tightness, about 8 % below the Rényi bound at ε near 4.

Proof of I2. Let P be the law of the summed noise in dimension d and R the law of a Gaussian of variance
v = variance − 1/12 rounded to whole numbers. Adding R to integers is post-processing of adding the Gaussian,
so it has the Gaussian's profile δ_G. If |log P/R| ≤ η outside a set that has mass at most β under P and
under R, then for neighbours D, D' and every set S of outcomes
P_D(S) ≤ e^η R_D(S) + β ≤ e^η (e^ε R_D'(S) + δ_G(ε)) + β ≤ e^(ε+2η) P_D'(S) + e^η δ_G(ε) + (1 + e^(ε+η)) β.
The same lines hold for a composition with η and β summed, and for a hidden choice of who takes part.

For Skellam the log-ratio of one coordinate, at y standard deviations, is He₄(y)/(24·variance) to leading order:
its excess kurtosis is 1/variance, and the 1/12 of the rounding is matched. All further terms stay below
``REMAINDER``, found at 60 digits with the exact law (a test repeats it); the discrete Gaussian has only those.
η is then a Chernoff bound over d coordinates, truncated at T standard deviations.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from privacy.accounting.events import DiscreteGaussianSum, SkellamSum

MIN_VARIANCE: Final = float(1 << 16)
"""Variance of the sum, in integer units squared, from which :func:`gaussian_equivalent` is proved."""
MIN_SHARE_VARIANCE: Final = 16.0
"""Variance of one share from which a sum of discrete Gaussians is one, up to e^(−π²·16) per coordinate."""
FAILURE: Final = 1e-24
"""β: mass of the set on which P and R may differ by more than η, for one release."""
SAMPLER_DISTANCE: Final = 2.0**-120
"""Total variation distance of one drawn integer from its law (privacy.mechanisms); 2^-126 is reached."""
REMAINDER: Final = 0.07
"""|variance · log P/R − He₄(y)/24| ≤ REMAINDER·(1 + y⁶)/variance for |y| ≤ 14 standard deviations."""


@dataclasses.dataclass(frozen=True)
class GaussianEquivalent:
    """A continuous Gaussian mechanism that is as private, up to ``eta`` and ``beta`` of the proof of I2."""

    noise_multiplier: float
    eta: float
    beta: float


def gaussian_equivalent(event: SkellamSum | DiscreteGaussianSum) -> GaussianEquivalent | None:
    """Return the Gaussian that stands for ``event``, or None where the noise is too small for the proof."""
    if event.variance < MIN_VARIANCE:
        return None
    eta = _log_ratio_bound(event.dimension) / event.variance
    if isinstance(event, DiscreteGaussianSum):
        if event.variance_per_client < MIN_SHARE_VARIANCE:
            return None
        eta += event.dimension * sum_of_discrete_gaussians_excess(event.survivors, event.variance_per_client)
    beta = FAILURE + event.survivors * event.dimension * SAMPLER_DISTANCE
    multiplier = math.sqrt(event.variance - 1.0 / 12.0) / event.sensitivity
    return GaussianEquivalent(_round_down(multiplier), eta, beta)


def _round_down(value: float) -> float:
    """Keep seven digits, so that rounds whose clipping norm adapts stay equal events to the accountant."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 6)
    return math.floor(value / unit) * unit


@functools.lru_cache(maxsize=256)
def _log_ratio_bound(dimension: int) -> float:
    """Return η times the variance: |Σ log P/R| stays below η but for a mass of at most ``FAILURE``.

    One half of the failure pays for a coordinate beyond T standard deviations, the other for the Chernoff
    bound: the least (d · log E[e^(s·h)] + budget)/s over s > 0, for h = ±He₄/24 + remainder on |y| ≤ T. P and
    R are not the normal law under the integral; they differ from it by a factor of at most ``tilt``.
    """
    budget = math.log(8.0 / FAILURE)
    truncation = math.sqrt(2.0 * (budget + math.log(dimension)))
    y = np.linspace(-truncation, truncation, 4001)
    density = np.exp(-0.5 * y * y) * (y[1] - y[0]) / math.sqrt(2.0 * math.pi)
    leading = (y**4 - 6.0 * y**2 + 3.0) / 24.0
    rest = REMAINDER * (1.0 + y**6) / MIN_VARIANCE
    tilt = np.exp((np.abs(leading) + rest) / MIN_VARIANCE)
    best = math.inf
    for s in np.geomspace(1e-9, 0.3, 200):
        growth = 0.0
        for h in (leading + rest, rest - leading):
            excess = np.expm1(s * h)
            growth = max(growth, float((np.where(excess > 0, excess * tilt, excess / tilt) * density).sum()))
        best = min(best, (dimension * growth + budget) / float(s))  # log E ≤ E − 1
    return best


def sum_of_discrete_gaussians_excess(count: int, variance: float) -> float:
    """Return τ: a sum of ``count`` discrete Gaussians is one up to a factor e^±τ (Kairouz 2021, theorem 1)."""
    k = np.arange(1, count, dtype=np.float64)
    return float(10.0 * np.exp(-2.0 * math.pi**2 * variance * k / (k + 1.0)).sum())


def renyi(
    event: SkellamSum | DiscreteGaussianSum, orders: NDArray[np.float64], shift: float = 1.0
) -> NDArray[np.float64]:
    """Bound the Rényi divergence of one release at whole ``orders`` above 1 (guarantee I1).

    ``shift`` is how many sensitivities the sum moves by: 2 for replacement, k for a household of k.
    No amplification by sampling is claimed: ``client_rate`` is ignored, which is safe.
    """
    if event.variance == 0:
        return np.full_like(orders, math.inf)
    l2_squared = (shift * event.sensitivity) ** 2
    if isinstance(event, SkellamSum):
        mu = event.variance
        l1 = min(math.sqrt(event.dimension * l2_squared), l2_squared)  # |x| ≤ x² for whole numbers
        first = ((2.0 * orders - 1.0) * l2_squared + 6.0 * l1) / (4.0 * mu * mu)
        return orders * l2_squared / (2.0 * mu) + np.minimum(first, 3.0 * l1 / (2.0 * mu))
    tau = sum_of_discrete_gaussians_excess(event.survivors, event.variance_per_client)
    if event.variance_per_client < 0.25:  # outside the theorem
        return np.full_like(orders, math.inf)
    d, ratio = event.dimension, l2_squared / event.variance
    loss = min(math.sqrt(ratio + tau * d / 2.0), math.sqrt(ratio) + tau * math.sqrt(d))
    return orders * loss * loss / 2.0
