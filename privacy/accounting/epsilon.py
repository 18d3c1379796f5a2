"""What was promised, as a statement: ε at δ, how it was computed, and what a second accountant says.

Guarantees: those of :mod:`privacy.accounting.curve` (A1 to A3). A statement names its neighbouring relation,
its accountant with version and grid, and is recomputed from events each time; it is never stored as a fact.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import math
import warnings
from collections.abc import Sequence
from typing import Any, Final

from privacy.accounting.composition import Neighbouring, compose
from privacy.accounting.curve import REPORT_GRID, PrivacyCurve
from privacy.accounting.events import (
    Composed,
    DiscreteGaussianSum,
    Event,
    GaussianSum,
    PersonSampledDiscreteGaussianSum,
    PersonSampledSkellamSum,
    SampledGaussianSum,
    SkellamSum,
)

PROFILE_DELTAS: Final = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9)
_LARGEST_CHECKED: Final = 100.0


@dataclasses.dataclass(frozen=True)
class PrivacyStatement:
    """An upper bound of ε at δ, and how it was found."""

    epsilon: float
    """Infinite where a release had no noise or no bound is known."""
    delta: float
    neighbouring: Neighbouring
    accountant: str
    """Method, library and version."""
    grid: float
    """Step of the privacy-loss grid; rounding is pessimistic."""
    releases: int
    """How many noised sums were composed."""

    def to_json(self) -> dict[str, Any]:
        """Return plain data; an infinite ε is the string ``"inf"``, which JSON can say."""
        data = dataclasses.asdict(self)
        data["epsilon"] = self.epsilon if math.isfinite(self.epsilon) else "inf"
        return data


@dataclasses.dataclass(frozen=True)
class AttackBounds:
    """The same promise in words about attackers: bounds that hold for every membership test."""

    mu_gdp: float
    tpr_at_fpr_1_percent: float
    advantage: float


@dataclasses.dataclass(frozen=True)
class SecondOpinion:
    """What Opacus' PRV accountant (Gopi, Lee, Wutschitz, 2021) says about the same events."""

    epsilon: float
    epsilon_error: float
    accountant: str
    difference: float
    """Its upper bound less ours; within ``epsilon_error`` and our grid, two correct accountants agree."""


@dataclasses.dataclass(frozen=True)
class TwoEpsilons:
    """ε against the server, and against whoever receives the models and is in league with nobody."""

    server: PrivacyStatement
    recipient: PrivacyStatement


def epsilon(
    events: Sequence[Event],
    delta: float,
    *,
    neighbouring: Neighbouring = "add_or_remove",
    grid: float = REPORT_GRID,
    group: int = 1,
) -> PrivacyStatement:
    """Return the ε that ``events`` together cost at ``delta``. Raises PrivacyError for a ``delta`` out of range.

    ``group`` persons (a household) are added or removed together.
    """
    composition = compose(events, group=group)
    curve = PrivacyCurve(composition, neighbouring, grid)
    value = curve.epsilon(delta)
    return PrivacyStatement(value, delta, neighbouring, _name(curve), curve.grid, composition.releases)


def profile(
    events: Sequence[Event],
    deltas: Sequence[float] = PROFILE_DELTAS,
    *,
    neighbouring: Neighbouring = "add_or_remove",
    grid: float = REPORT_GRID,
) -> list[tuple[float, float]]:
    """Return (δ, ε) pairs: one ε alone hides how fast the promise weakens."""
    curve = PrivacyCurve(compose(events), neighbouring, grid)
    return [(delta, curve.epsilon(delta)) for delta in deltas]


def attack_bounds(
    events: Sequence[Event], *, neighbouring: Neighbouring = "add_or_remove", grid: float = REPORT_GRID
) -> AttackBounds:
    """Return μ-GDP, the true-positive rate at 1 % false positives, and the advantage, as upper bounds."""
    curve = PrivacyCurve(compose(events), neighbouring, grid)
    return AttackBounds(curve.mu_gdp(), curve.tpr_at_fpr(0.01), curve.advantage())


def mu_gdp(events: Sequence[Event], *, neighbouring: Neighbouring = "add_or_remove") -> float:
    """Return the smallest μ whose Gaussian profile dominates that of ``events``."""
    return PrivacyCurve(compose(events), neighbouring).mu_gdp()


def tpr_at_fpr(
    events: Sequence[Event], fpr: float = 0.01, *, neighbouring: Neighbouring = "add_or_remove"
) -> float:
    """Bound the true-positive rate of every membership test with false-positive rate ``fpr``."""
    return PrivacyCurve(compose(events), neighbouring).tpr_at_fpr(fpr)


def group_table(
    events: Sequence[Event],
    delta: float,
    sizes: Sequence[int] = (1, 2, 3, 5),
    *,
    neighbouring: Neighbouring = "add_or_remove",
    grid: float = REPORT_GRID,
) -> dict[int, PrivacyStatement]:
    """Return the statement for households of each size, from the exact curve and not by the k-fold rule."""
    return {size: epsilon(events, delta, neighbouring=neighbouring, grid=grid, group=size) for size in sizes}


def seen_by_server(event: Event) -> Event:
    """Return ``event`` as the server sees it: it knows who takes part, so sampling clients hides nothing.

    Sampling *inside* a device (PoissonGaussian, PhotoSampledGaussian, PersonSampled…) is not visible to the server
    and stays.
    """
    match event:
        case PersonSampledSkellamSum() | PersonSampledDiscreteGaussianSum():
            return event
        case SampledGaussianSum(noise_multiplier=noise):
            return GaussianSum(noise)
        case SkellamSum() | DiscreteGaussianSum():
            return dataclasses.replace(event, client_rate=1.0)
        case Composed(events=parts, times=times):
            return Composed(tuple(seen_by_server(part) for part in parts), times)
        case _:
            return event


def two_epsilons(
    events: Sequence[Event],
    delta: float,
    *,
    taken: Sequence[Event] | None = None,
    neighbouring: Neighbouring = "add_or_remove",
    grid: float = REPORT_GRID,
) -> TwoEpsilons:
    """Return ε against the server and against whoever receives the model.

    ``events`` are what was released to a recipient: :func:`privacy.accounting.of_plan.released_event` of every
    opened round, with ``client_rate`` where clients really are drawn by Poisson sampling that outsiders do not see.
    ``taken`` is what a device was charged, for its own figure against the server, which may be in league with
    clients, sees who takes part, and may have kept what it was sent; without it, ``events`` are taken for that.
    """
    server = [seen_by_server(event) for event in (events if taken is None else taken)]
    return TwoEpsilons(
        server=epsilon(server, delta, neighbouring=neighbouring, grid=grid),
        recipient=epsilon(events, delta, neighbouring=neighbouring, grid=grid),
    )


def cross_check(
    events: Sequence[Event], delta: float, *, epsilon_error: float = 0.01, grid: float = REPORT_GRID
) -> SecondOpinion | None:
    """Ask Opacus' PRV accountant about the same events (add-or-remove), for a report and for the tests.

    Returns None where it does not know a mechanism (photo sampling) or the noise (too small integer noise), and
    where ε is so large that its grid would not fit into memory.
    The Gaussian equivalent of integer noise is checked, not the proof of the equivalence. Takes seconds.
    """
    composition = compose(events)
    releases = composition.gaussian
    if releases.mixtures or composition.no_equivalent or composition.unbounded or not composition.releases:
        return None
    first = epsilon(events, delta, grid=grid)
    if not first.epsilon <= _LARGEST_CHECKED:
        return None
    from opacus.accountants import PRVAccountant  # here, because it loads torch and only reports need it

    accountant = PRVAccountant()
    accountant.history = [(noise, rate, times) for (rate, noise), times in sorted(releases.sampled.items())]
    if releases.mu_squared > 0:
        accountant.history.append((releases.multiplier, 1.0, 1))
    with warnings.catch_warnings():  # it takes log(1 − rate) at rate 1, and tells of its own bounds
        warnings.simplefilter("ignore")
        second = float(accountant.get_epsilon(delta, eps_error=epsilon_error)) + 2.0 * composition.eta
    version = importlib.metadata.version("opacus")
    return SecondOpinion(second, epsilon_error, f"opacus {version} PRV", second - first.epsilon)


def _name(curve: PrivacyCurve) -> str:
    closed_form = curve.accountant == "Gaussian closed form"
    library = "" if closed_form else f" (dp-accounting {importlib.metadata.version('dp-accounting')})"
    return curve.accountant + library
