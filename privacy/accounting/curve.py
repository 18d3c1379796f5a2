"""The whole privacy profile of a composition: δ as a function of ε, and what an attacker can do with it.

Guarantees (assumption: the events say what really ran):

A1. :meth:`PrivacyCurve.epsilon` never understates: sampled mechanisms go through dp-accounting's privacy loss
    distributions on a grid with pessimistic rounding (connect-the-dots); unsampled Gaussians use the closed
    form of Balle and Wang, 2018, rounded up.
A2. Rényi accounting is used only where it is sound: never for replacement with sampling, never for sampling
    without replacement (dp-accounting 0.6 forgets that replacement doubles the sensitivity there).
A3. True- against false-positive rates, advantage and μ are upper bounds, since they come from the same
    pessimistic profile.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Final, get_args

import numpy as np
from dp_accounting import dp_event
from dp_accounting.rdp import rdp_privacy_accountant as rdp
from numpy.typing import NDArray
from scipy import optimize, special

from mien.errors import PrivacyError
from privacy.accounting.composition import Composition, GaussianReleases, Neighbouring
from privacy.accounting.integer_noise import renyi
from privacy.accounting.losses import LossTable, coarsest_grid, loss_table

REPORT_GRID: Final = 1e-4
"""Step of the privacy-loss grid for figures that are published."""
ONLINE_GRID: Final = 1e-3
"""Step for the ledger's question "may I?": ten times faster, and dearer by at most about 0.01."""
MIN_DELTA: Final = 1e-12
"""Below this, rounding in the Fourier transforms of the grid could matter."""
_ORDERS: Final = np.concatenate((np.arange(2, 64), np.geomspace(64, 1e6, 60).round())).astype(np.float64)
_SAMPLED_ORDERS: Final = 62  # the orders above 63 cost seconds each where sampling is involved


class PrivacyCurve:
    """The profile of one :class:`~privacy.accounting.composition.Composition`, computed once and cached."""

    def __init__(
        self, composition: Composition, neighbouring: Neighbouring, grid: float = REPORT_GRID
    ) -> None:
        if neighbouring not in get_args(Neighbouring):
            raise PrivacyError(f"neighbouring must be add_or_remove or replace; got {neighbouring!r}")
        self.composition = composition
        self.neighbouring: Neighbouring = neighbouring
        self.grid = max(grid, coarsest_grid(composition.gaussian))
        """Step of the grid that was used: coarser than asked for only where epsilon is in the dozens."""

    @property
    def accountant(self) -> str:
        """Name of the method behind :meth:`epsilon`."""
        if self.composition.no_equivalent:
            return "Rényi"
        return "Gaussian closed form" if self._gaussian.only_unsampled else "privacy loss distribution"

    def epsilon(self, delta: float) -> float:
        """Return an upper bound of ε at ``delta``, infinite where no bound is known. Raises PrivacyError."""
        _check_delta(delta)
        if self.composition.unbounded:
            return math.inf
        if self.composition.releases == 0:
            return 0.0
        best = math.inf
        if not self.composition.no_equivalent:
            best = self._epsilon_by_loss(delta)
        if self.composition.integer and (best == math.inf or self.composition.eta > 1e-3 * best):
            best = min(best, self._epsilon_by_renyi(delta))
        return float(best)

    def delta(self, epsilons: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Return upper bounds of δ at ascending ``epsilons``, float64, shape (len(epsilons),)."""
        epsilons = np.asarray(epsilons, dtype=np.float64)
        if self.composition.releases == 0:
            return np.zeros_like(epsilons)
        if self.composition.unbounded or self.composition.no_equivalent:
            return np.ones_like(epsilons)
        eta, beta = self.composition.eta, self.composition.beta
        inner = epsilons - 2.0 * eta
        known = np.where(inner >= 0, self._inner_delta(np.maximum(inner, 0.0)), 1.0)
        # below ε = 2η monotonicity in ε gives δ(ε) ≤ δ(2η) + (e^{2η} − e^ε)
        at_zero = float(self._inner_delta(np.zeros(1))[0])
        missing = np.exp(2 * eta) - np.exp(
            np.minimum(epsilons, 2 * eta)
        )  # 0 where it is not asked; no overflow
        known = np.where(inner >= 0, known, at_zero + missing)
        with np.errstate(over="ignore", invalid="ignore"):
            price = 0.0 if beta == 0 else beta * (1.0 + np.exp(np.maximum(inner, 0.0) + eta))
            return np.asarray(np.clip(math.exp(eta) * known + price, 0.0, 1.0))

    def tpr_at_fpr(self, fpr: float) -> float:
        """Bound the true-positive rate of any membership test whose false-positive rate is ``fpr``."""
        epsilons, deltas = self._sampled_profile()
        with np.errstate(over="ignore"):
            first = np.exp(epsilons) * fpr + deltas
            second = 1.0 - np.exp(-epsilons) * np.maximum(1.0 - deltas - fpr, 0.0)
        return float(min(1.0, first.min(), second.min()))

    def advantage(self) -> float:
        """Bound TPR − FPR of any membership test: δ at ε = 0."""
        return float(self.delta([0.0])[0])

    def mu_gdp(self) -> float:
        """Return the smallest μ such that the μ-Gaussian profile lies above this one wherever δ ≥ 1e-12.

        One number for the whole curve (Dong, Roth, Su, 2022), found by domination and not by the central
        limit theorem, which understates.
        """
        if self._gaussian.only_unsampled and self.composition.eta == 0 and self._has_loss:
            return self._sensitivity / self._gaussian.multiplier
        epsilons, deltas = self._sampled_profile()
        usable = (deltas > MIN_DELTA) & (deltas < 1.0)
        if not usable.any():
            return math.inf if deltas.min() >= 1.0 else 0.0
        return max(_mu_of(e, d) for e, d in zip(epsilons[usable], deltas[usable], strict=True))

    # -- the two routes ------------------------------------------------------------------------------------

    @property
    def _gaussian(self) -> GaussianReleases:
        return self.composition.gaussian

    @property
    def _has_loss(self) -> bool:
        return not (self.composition.unbounded or self.composition.no_equivalent)

    @property
    def _sensitivity(self) -> float:
        return 2.0 if self.neighbouring == "replace" else 1.0

    def _epsilon_by_loss(self, delta: float) -> float:
        eta, beta = self.composition.eta, self.composition.beta
        if eta == 0 and beta == 0:
            return self._inner_epsilon(delta)
        for reserve in (1e-9, 1e-6, 1e-3, 0.5):  # the part of δ that is kept for β
            inner = self._inner_epsilon(delta * (1.0 - reserve) * math.exp(-eta))
            if inner + eta < 700 and beta * (1.0 + math.exp(inner + eta)) <= reserve * delta:
                return inner + 2.0 * eta
        return math.inf

    def _inner_epsilon(self, delta: float) -> float:
        if self._gaussian.only_unsampled:
            multiplier = self._gaussian.multiplier / self._sensitivity
            return _gaussian_epsilon(multiplier, delta)
        return self._table.epsilon(delta)

    def _inner_delta(self, epsilons: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._gaussian.only_unsampled:
            return _gaussian_delta(self._gaussian.multiplier / self._sensitivity, epsilons)
        return self._table.delta(epsilons)

    @functools.cached_property
    def _table(self) -> LossTable:
        return loss_table(self._gaussian, self.neighbouring, self.grid)

    def _epsilon_by_renyi(self, delta: float) -> float:
        releases = self.composition.continuous
        if releases.mixtures or (releases.sampled and self.neighbouring == "replace"):
            return math.inf  # no sound Rényi bound is at hand (A2)
        orders = _ORDERS[:_SAMPLED_ORDERS] if releases.sampled else _ORDERS
        curve = releases.mu_squared * self._sensitivity**2 * orders / 2.0
        for event, times in self.composition.integer.items():
            curve += times * renyi(event, orders, self._sensitivity * self.composition.group)
        for (rate, noise), times in releases.sampled.items():
            sampled = rdp.RdpAccountant(orders)
            sampled.compose(dp_event.PoissonSampledDpEvent(rate, dp_event.GaussianDpEvent(noise)), times)
            curve += np.asarray(sampled.rdp)
        usable = np.isfinite(curve)
        if not usable.any():
            return math.inf
        return float(rdp.compute_epsilon(orders[usable], curve[usable], delta)[0])

    def _sampled_profile(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        top = self.epsilon(MIN_DELTA)
        if not math.isfinite(top):
            return np.zeros(1), np.ones(1)
        epsilons = np.linspace(0.0, max(top, 1e-6), 2001)
        return epsilons, self.delta(epsilons)


def _check_delta(delta: float) -> None:
    if not MIN_DELTA <= delta < 1:
        raise PrivacyError(
            f"delta must be from {MIN_DELTA:g} to below 1 (take less than one over the number of persons); "
            f"got {delta!r}"
        )


def _gaussian_delta(multiplier: float, epsilons: NDArray[np.float64]) -> NDArray[np.float64]:
    """δ of the Gaussian mechanism (Balle and Wang, 2018, equation 6)."""
    mu = 1.0 / multiplier
    upper = special.log_ndtr(mu / 2.0 - epsilons / mu)
    lower = epsilons + special.log_ndtr(-mu / 2.0 - epsilons / mu)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_delta = upper + np.log1p(-np.exp(np.minimum(lower - upper, 0.0)))
    return np.exp(np.where(lower < upper, log_delta, -np.inf))


def _gaussian_epsilon(multiplier: float, delta: float) -> float:
    def excess(epsilon: float) -> float:
        return float(_gaussian_delta(multiplier, np.array([epsilon]))[0]) - delta

    if excess(0.0) <= 0:
        return 0.0
    top = 1.0
    while excess(top) > 0:
        top *= 2.0
    found = float(optimize.brentq(excess, 0.0, top, xtol=1e-12, rtol=1e-13))
    return found * (1.0 + 1e-9) + 1e-10  # rounded up, beyond the root finder's tolerance


def _mu_of(epsilon: float, delta: float) -> float:
    """Return the μ of the Gaussian mechanism that has exactly this (ε, δ)."""

    def excess(log_mu: float) -> float:
        value = float(_gaussian_delta(math.exp(-log_mu), np.array([epsilon]))[0])
        return math.log(max(value, 1e-300)) - math.log(delta)

    return math.exp(float(optimize.brentq(excess, -25.0, 7.0, xtol=1e-9))) * (1.0 + 1e-8)
