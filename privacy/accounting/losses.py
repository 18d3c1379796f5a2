"""Privacy loss distributions of the Gaussian family, built by dp-accounting and read in whole arrays.

dp-accounting builds and convolves the distributions; its own answers to "which ε?" walk a grid of up to a
million cells in Python. :class:`LossTable` gives the same answers from suffix sums, hundreds of times faster.
"""

from __future__ import annotations

import functools
import math
from typing import Any, Final

import numpy as np
from dp_accounting.pld import pld_pmf
from dp_accounting.pld import privacy_loss_distribution as pld
from dp_accounting.pld.privacy_loss_mechanism import AdjacencyType, MixtureGaussianPrivacyLoss
from dp_accounting.privacy_accountant import NeighboringRelation
from numpy.typing import NDArray
from scipy import stats

from mien.errors import PrivacyError
from privacy.accounting.composition import GaussianReleases, Neighbouring

_MAX_CELLS: Final = 2e6
_SMALLEST: Final = 1e-290  # below it float64 loses digits
_RELATION: Final = {
    "add_or_remove": NeighboringRelation.ADD_OR_REMOVE_ONE,
    "replace": NeighboringRelation.REPLACE_ONE,
}


class LossTable:
    """δ(ε) of one privacy loss distribution, for both directions of neighbours."""

    def __init__(self, loss: Any) -> None:
        sides = [loss._pmf_remove] if loss._symmetric else [loss._pmf_remove, loss._pmf_add]
        self._sides = [_Side(side.to_dense_pmf()) for side in sides]

    def delta(self, epsilons: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return δ at each ε ≥ 0, the larger of both directions."""
        return np.asarray(np.max([side.delta(epsilons) for side in self._sides], axis=0))

    def epsilon(self, delta: float) -> float:
        """Return the smallest ε ≥ 0 with δ(ε) ≤ ``delta``, infinite where there is none."""
        return max(side.epsilon(delta) for side in self._sides)


class _Side:
    """One direction: δ(ε) = P(loss = ∞) + Σ_{loss > ε} (1 − e^(ε − loss)) P(loss)."""

    def __init__(self, pmf: Any) -> None:
        first = max(0, 1 - pmf._lower_loss)  # only positive losses matter to ε ≥ 0
        probabilities = np.asarray(pmf._probs[first:], dtype=np.float64)
        grid = pmf._discretization
        self._losses = (np.arange(probabilities.size) + (pmf._lower_loss + first)) * grid
        zero = np.zeros(1)
        self._upper = np.concatenate((np.cumsum(probabilities[::-1])[::-1], zero)) + pmf._infinity_mass
        weighted = probabilities * np.exp(-self._losses)
        lower = np.concatenate((np.cumsum(weighted[::-1])[::-1], zero))
        # what underflowed, or is the negative noise of a Fourier transform, counts as zero: δ gets larger
        self._log_lower = np.where(lower >= _SMALLEST, np.log(np.maximum(lower, _SMALLEST)), -np.inf)

    def delta(self, epsilons: NDArray[np.float64]) -> NDArray[np.float64]:
        at = np.searchsorted(self._losses, epsilons, side="right")
        lower = np.exp(np.minimum(epsilons + self._log_lower[at], 0.0))
        return np.asarray(np.clip(self._upper[at] - lower, 0.0, 1.0))

    def epsilon(self, delta: float) -> float:
        if self._upper[-1] > delta:
            return math.inf
        points = np.concatenate((np.zeros(1), self._losses))
        enough = np.flatnonzero(self.delta(points) <= delta)
        if enough[0] == 0:
            return 0.0
        at = int(enough[0]) - 1  # between the grid points the sums are constant, so ε is a logarithm
        exact = math.log(self._upper[at] - delta) - float(self._log_lower[at])
        return min(float(points[at + 1]), exact)


def loss_table(releases: GaussianReleases, neighbouring: Neighbouring, grid: float) -> LossTable:
    """Compose ``releases`` on a grid of step ``grid``, rounding pessimistically.

    Devices with the same history share the work: the last few tables are kept.
    """
    sampled, mixtures = sorted(releases.sampled.items()), sorted(releases.mixtures.items())
    return _composed(tuple(sampled), tuple(mixtures), releases.multiplier, neighbouring, grid)


@functools.lru_cache(maxsize=8)  # megabytes each
def _composed(
    sampled: tuple[tuple[tuple[float, float], int], ...],
    mixtures: tuple[tuple[tuple[float, int, float], int], ...],
    multiplier: float,
    neighbouring: Neighbouring,
    grid: float,
) -> LossTable:
    parts = [_sampled_loss(rate, noise, times, neighbouring, grid) for (rate, noise), times in sampled]
    parts += [
        _mixture_loss(rate, units, noise, times, neighbouring, grid)
        for (rate, units, noise), times in mixtures
    ]
    if math.isfinite(multiplier):
        parts.append(_gaussian_loss(multiplier, neighbouring, grid))
    return LossTable(functools.reduce(lambda left, right: left.compose(right), parts))


def coarsest_grid(releases: GaussianReleases) -> float:
    """Return a step at which the composed losses fit in ``_MAX_CELLS`` cells, 0 where any step does.

    It exceeds the usual steps only where ε is in the dozens. A coarser grid costs ε, never soundness.
    """
    if releases.only_unsampled:
        return 0.0
    shifts = [(rate, 1, noise, times) for (rate, noise), times in releases.sampled.items()]
    shifts += [(rate, units, noise, times) for (rate, units, noise), times in releases.mixtures.items()]
    shifts.append((1.0, 1, releases.multiplier, 1))
    return sum(_loss_range(*shift) for shift in shifts) / _MAX_CELLS


def _loss_range(rate: float, units: int, noise: float, times: int) -> float:
    """Bound the part of the composed loss that carries its mass: the mean, twelve deviations, one extreme."""
    largest = units / noise
    second_moment = (units * rate * (1.0 - rate) + (units * rate) ** 2) / noise**2  # of the sum's shift
    mean = 0.5 * second_moment
    if units == 1 and largest < 5:
        mean = min(mean, rate * rate * math.expm1(largest * largest))  # the χ² divergence
    return times * mean + 12.0 * math.sqrt(times * second_moment) + 0.5 * largest**2 + 11.0 * largest


@functools.lru_cache(maxsize=16)
def _sampled_once(rate: float, noise: float, neighbouring: Neighbouring, grid: float) -> Any:
    return pld.from_gaussian_mechanism(
        standard_deviation=noise,
        value_discretization_interval=grid,
        sampling_prob=rate,
        neighboring_relation=_RELATION[neighbouring],
    )


@functools.lru_cache(maxsize=16)
def _sampled_loss(rate: float, noise: float, times: int, neighbouring: Neighbouring, grid: float) -> Any:
    return _repeated(_sampled_once(rate, noise, neighbouring, grid), times)


@functools.lru_cache(maxsize=16)
def _mixture_once(rate: float, units: int, noise: float, grid: float) -> Any:
    counts = np.arange(units + 1)
    sides = []
    for adjacency in (AdjacencyType.REMOVE, AdjacencyType.ADD):
        loss = _MixtureLoss(
            noise,
            counts.astype(float).tolist(),
            stats.binom.pmf(counts, units, rate).tolist(),
            adjacency_type=adjacency,
        )
        bounds = loss.connect_dots_bounds()
        low, high = math.floor(bounds.epsilon_lower / grid), math.ceil(bounds.epsilon_upper / grid)
        deltas = loss.get_delta_for_epsilon(np.arange(low, high + 1) * grid)
        sides.append(pld_pmf.create_pmf_pessimistic_connect_dots_fixed_gap(grid, low, high, deltas))
    return pld.PrivacyLossDistribution(*sides)


class _MixtureLoss(MixtureGaussianPrivacyLoss):  # type: ignore[misc]  # dp-accounting has no types
    """dp-accounting's mixture of Gaussians, inverted for all losses at once instead of one by one."""

    def _inverse_privacy_losses_with_range(
        self, privacy_losses: NDArray[np.float64], bounds: tuple[float, float], precision: float = 1e-6
    ) -> NDArray[np.float64]:
        """Return, for each loss, the smallest multiple x of ``precision`` whose own loss is at most it."""
        low = np.full(privacy_losses.shape, math.floor(bounds[0] / precision) - 1, dtype=np.int64)
        high = np.full(privacy_losses.shape, math.ceil(bounds[1] / precision), dtype=np.int64)
        while int((high - low).max(initial=0)) > 1:
            middle = (low + high) // 2
            reached = self._losses_at(middle.astype(np.float64) * precision) <= privacy_losses
            low, high = np.where(reached, low, middle), np.where(reached, middle, high)
        return np.asarray(high.astype(np.float64) * precision, dtype=np.float64)

    def _losses_at(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        sign = -1.0 if self.adjacency_type == AdjacencyType.REMOVE else 1.0
        constants = self._precompute_privacy_loss_constants
        slopes = sign * np.asarray(self.sensitivities) / self._variance
        total = np.full(x.shape, -np.inf)
        for constant, slope in zip(constants, slopes, strict=True):
            np.logaddexp(total, constant + slope * x, out=total)
        return -sign * total


@functools.lru_cache(maxsize=16)
def _mixture_loss(
    rate: float, units: int, noise: float, times: int, neighbouring: Neighbouring, grid: float
) -> Any:
    if neighbouring == "replace":
        raise PrivacyError(
            "no accountant bounds photo-sampled training, or a sampled household, under 'replace'; "
            "ask for add_or_remove, or sample whole persons (PoissonGaussian)"
        )
    return _repeated(_mixture_once(rate, units, noise, grid), times)


def _gaussian_loss(multiplier: float, neighbouring: Neighbouring, grid: float) -> Any:
    return pld.from_gaussian_mechanism(
        standard_deviation=multiplier,
        value_discretization_interval=grid,
        neighboring_relation=_RELATION[neighbouring],
    )


def _repeated(loss: Any, times: int) -> Any:
    return loss if times == 1 else loss.self_compose(times)
