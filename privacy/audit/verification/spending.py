"""ε, derived a second time from the plans' plain numbers, by two accountants that share no code with the ledger's.

The report's ε comes from :mod:`privacy.accounting` (its own composition of loss tables, and a proof that integer
noise is as good as Gaussian noise). Here each round is reduced to one number, noise over sensitivity, written out
below; dp-accounting's ``PLDAccountant`` composes the rounds, and Opacus' PRV accountant does it again.

Tolerances, and why: the first accountant rounds up on a grid of 1e-3 while the report uses 1e-4, and both are
upper bounds, so they may differ by 0.005 + 0.2 %. The second states an error of 0.01; 0.02 + 0.5 % holds it.
A report may be *above* by up to 2 % + 0.05 more: the price of integer noise, which only the report counts.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import math
import warnings
from collections import Counter
from typing import Any, Final, Literal

from dp_accounting import dp_event
from dp_accounting.pld import pld_privacy_accountant
from scipy import optimize, special

from privacy.audit.verification.findings import Findings
from privacy.audit.verification.folder import METRICS, REPORT
from privacy.audit.verification.rounds import Round

GRID: Final = 1e-3
PRV_ERROR: Final = 0.01
_MOST_CHECKED = 60
"""Rounds whose running ε is derived; of a longer run as many, evenly spread, and always the last."""
_FLOAT32_MARGIN = 2.0**-11
Side = Literal["below", "above"]


@dataclasses.dataclass(frozen=True)
class Release:
    """One noised sum, told by what matters: the rate of joining it, noise over sensitivity, and how often."""

    rate: float
    multiplier: float
    times: int = 1


@dataclasses.dataclass(frozen=True)
class Derived:
    """What one composition costs, by both accountants. None where the second has no answer."""

    pld: float
    prv: float | None


def release_of(plan: dict[str, Any], survivors: int = 0) -> Release | None:
    """Return what one round under ``plan`` releases about a person; None where it has no noise.

    ``survivors``, where more than the plan's honest ones, are those whose noise a recipient of the model faces.

    ``silo``: DP-SGD inside the client. Else the sum's noise has the standard deviation z·C·s of the plan (in
    integer units), counted for ``honest_survivors`` shares only; a person moves the vector by her clipped gradient
    (``distributed``: C_person·(1 + 2^-11)·s + √d after rounding) or by a whole bounded update (``device``), and
    with adaptive clipping by her vote on top, at right angles to it.
    """
    training, update = plan["training"], plan["update"]
    if plan["mode"] == "silo":
        noise = training["noise_multiplier"]
        return Release(training["sampling_rate"], noise, training["steps"]) if noise > 0 else None
    if plan["mode"] == "none" or update["noise"] == "none" or update["noise_multiplier"] <= 0:
        return None
    scale = update["scale"]
    deviation = update["noise_multiplier"] * update["clipping_norm"] * scale
    moved, rate = update["clipping_norm"] * scale, 1.0
    if plan["mode"] == "distributed":
        root = math.sqrt(plan["secagg"]["vector_length"])
        moved = training["clipping_norm"] * (1 + _FLOAT32_MARGIN) * scale + root
        rate = training["sampling_rate"]
    vote = update.get("adaptive")
    if vote is not None:
        moved = math.hypot(moved, max(vote["within"], vote["beyond"]))
    deviation *= math.sqrt(max(1.0, survivors / update["honest_survivors"]))
    return Release(rate, float(f"{deviation / moved:.9g}"))


def charged(rounds: list[Round], until: int | None = None) -> dict[str, Counter[Release | None]]:
    """Return what each client was asked for: every announced plan counts, opened or not."""
    clients: dict[str, Counter[Release | None]] = {}
    for one in rounds:
        if one.plan is not None and (until is None or one.number <= until):
            release = release_of(one.plan)
            for name in one.plan["cohort"]:
                clients.setdefault(name, Counter())[release] += 1
    return clients


def released(rounds: list[Round]) -> Counter[Release | None]:
    """Return what no client's opened rounds cost more than, against someone who is in league with nobody.

    As many rounds as any client was in, and of all opened ones those with the fewest survivors.
    """
    opened = [one for one in rounds if one.plan is not None and one.opened is not None]
    opened.sort(key=lambda one: len(one.survivors))
    most = max(Counter(name for one in opened if one.plan for name in one.plan["cohort"]).values(), default=0)
    return Counter(release_of(one.plan, len(one.survivors)) for one in opened[:most] if one.plan)


def dearest(clients: dict[str, Counter[Release | None]]) -> Counter[Release | None]:
    """Return the charges of the client that was asked most often."""
    return max(clients.values(), key=lambda charges: sum(charges.values()), default=Counter())


def derive(charges: Counter[Release | None], delta: float, *, second: bool = True) -> Derived:
    """Return ε of a multiset of releases; infinite where one has no noise."""
    if not charges:
        return Derived(0.0, 0.0)
    if None in charges:
        return Derived(math.inf, math.inf)
    key = tuple(sorted((r.rate, r.multiplier, r.times * count) for r, count in charges.items() if r))
    return Derived(_pld(key, delta), _prv(key, delta) if second else None)


_Key = tuple[tuple[float, float, int], ...]


@functools.lru_cache(maxsize=512)
def _pld(key: _Key, delta: float) -> float:
    return float(_accountant(key).get_epsilon(delta))


@functools.lru_cache(maxsize=64)
def _prv(key: _Key, delta: float) -> float | None:
    from opacus.accountants import PRVAccountant  # here: it takes seconds to load

    accountant = PRVAccountant()
    accountant.history = [(noise, rate, times) for rate, noise, times in key]
    try:
        with warnings.catch_warnings():  # at rate 1 it takes log(1 − rate)
            warnings.simplefilter("ignore")
            return float(accountant.get_epsilon(delta, eps_error=PRV_ERROR))
    except (ValueError, RuntimeError, ArithmeticError, MemoryError):
        return None  # outside the domain of its grid


@functools.lru_cache(maxsize=8)
def _accountant(key: _Key) -> Any:
    logging.getLogger("absl").setLevel(logging.ERROR)
    accountant = pld_privacy_accountant.PLDAccountant(value_discretization_interval=GRID)
    for rate, noise, times in key:
        event: Any = dp_event.GaussianDpEvent(noise)
        if rate < 1:
            event = dp_event.PoissonSampledDpEvent(rate, event)
        accountant.compose(event, times)
    return accountant


@functools.lru_cache(maxsize=32)
def attack_rate(key: _Key, top: float, fpr: float = 0.01) -> float:
    """Return the largest true-positive rate at ``fpr`` that the δ(ε) profile of dp-accounting leaves."""
    accountant = _accountant(key)
    best = 1.0
    for step in range(201):
        epsilon = top * step / 200
        delta = float(accountant.get_delta(epsilon))
        best = min(
            best, math.exp(min(epsilon, 700.0)) * fpr + delta, 1 - math.exp(-epsilon) * (1 - delta - fpr)
        )
    return best


@functools.lru_cache(maxsize=32)
def gaussian_mu(key: _Key, top: float) -> float:
    """Return the largest μ of a Gaussian mechanism that meets the profile anywhere: a lower bound of μ-GDP."""
    accountant = _accountant(key)
    best = 0.0
    for step in range(101):
        epsilon = top * step / 100
        delta = float(accountant.get_delta(epsilon))
        if 1e-12 < delta < 1:
            best = max(best, _mu(epsilon, delta))
    return best


def key_of(charges: Counter[Release | None]) -> _Key:
    """Return the form in which the accountants cache; only for charges that all have noise."""
    return tuple(sorted((r.rate, r.multiplier, r.times * count) for r, count in charges.items() if r))


def _mu(epsilon: float, delta: float) -> float:
    def excess(mu: float) -> float:
        first = special.ndtr(mu / 2 - epsilon / mu)
        second = math.exp(min(epsilon + special.log_ndtr(-mu / 2 - epsilon / mu), 0.0))
        return float(first - second) - delta

    return float(optimize.brentq(excess, 1e-6, 200.0))


def agrees(stated: float | None, derived: Derived) -> Side | None:
    """Return None where ``stated`` is within the tolerances, else on which side it is wrong."""
    value = math.inf if stated is None else stated
    if math.isinf(value) or math.isinf(derived.pld):
        return None if value == derived.pld else ("below" if value < derived.pld else "above")
    if value < derived.pld - 0.005 - 0.002 * derived.pld:
        return "below"
    if derived.prv is not None and value < derived.prv - 2 * PRV_ERROR - 0.005 * derived.prv:
        return "below"
    return "above" if value > derived.pld + 0.055 + 0.022 * derived.pld else None


def check_spending(
    rounds: list[Round], metrics: list[dict[str, Any]], config: dict[str, Any], findings: Findings
) -> None:
    """Check each round's running ε, and the whole run's against the promise."""
    privacy = config["privacy"]
    clients = charged(rounds)
    if privacy["mode"] == "none" or not clients:
        findings.skipped("ε by two accountants", "nothing was promised")
        for line, value in enumerate(metrics, start=1):
            if value.get("epsilon") is not None:
                findings.fault(
                    "spending", METRICS, "an ε is stated though nothing has noise", line=line, field="epsilon"
                )
        return
    final = derive(dearest(clients), privacy["delta"])
    if final.pld > privacy["epsilon"] * (1 + 1e-3) + 0.005:
        findings.fault(
            "spending", REPORT, "the run spent more than it promised", field="privacy.epsilon_promised",
            expected=f"at most {privacy['epsilon']:g}", found=f"{final.pld:.4f}",
        )  # fmt: skip
    chosen = _spread([index for index, value in enumerate(metrics) if value.get("epsilon") is not None])
    for index in chosen:
        derived = derive(dearest(charged(rounds, metrics[index]["round"])), privacy["delta"], second=False)
        side = agrees(metrics[index]["epsilon"], derived)
        if side:
            findings.fault(
                "spending", METRICS, f"the running ε is {side} what the plans up to this round cost",
                line=index + 1, field="epsilon", expected=f"{derived.pld:.4f}", found=metrics[index]["epsilon"],
            )  # fmt: skip
    findings.checked("running ε, one accountant", len(chosen))
    if final.prv is None:
        findings.skipped("final ε, second accountant", "it has no answer for this much noise or these rates")
    else:
        findings.checked("final ε, two accountants", 2)


def _spread(indices: list[int]) -> list[int]:
    if len(indices) <= _MOST_CHECKED:
        return indices
    return sorted(
        {indices[round(k * (len(indices) - 1) / (_MOST_CHECKED - 1))] for k in range(_MOST_CHECKED)}
    )
