"""Monte-Carlo distinguishing: was the worst possible person in the data? Asked of many fresh releases.

The mechanism of the run is taken as it is in this build (the optimizer of private steps in ``silo`` mode, the
clients' noised vectors otherwise) and calibrated to the run's ε in one release. The dataset holds up to eight
canaries, persons whose clipped gradient is C in a coordinate of their own: the worst case of the proof. A coin for
each decides whether she is in. The attacker sees the release and guesses the coins by a threshold at C/2 that was
fixed beforehand.

Given the other coins, the two datasets of one coin are neighbours, so the claim bounds how often its guess is
right; releases are independent, so the mean share of right guesses bounds μ (:func:`bounds.mu_from_bets`), and
with it ε. The claim is that of a Gaussian mechanism, and a bound above it refutes it. A second bound assumes
nothing of the mechanism: thresholds for the first coin are chosen on one half of the releases and judged on the
other. The first bound has nine tenths of the error probability, the second the rest.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from privacy.accounting.epsilon import epsilon
from privacy.accounting.events import GaussianSum
from privacy.accounting.of_plan import event_of
from privacy.audit.attacks import bounds
from privacy.audit.attacks.curves import roc
from privacy.audit.attacks.registry import NotApplicable, attack
from privacy.audit.attacks.target import Progress, Target, ignore
from privacy.audit.conformance.build import Build, round_plan
from privacy.audit.evidence import AttackResult, Claim, Figures
from privacy.contribution import LocalResult
from privacy.randomness import SystemSource

CONFIDENCE = 0.9999
"""High, since an audit is repeated often and must not cry wolf; 99 % would in one run of a hundred."""
DEFICIT, MISS = 0.10, 1e-3
"""Noise that is so much too small is missed with this probability."""
COINS = 8
"""Canaries in one release."""
_FEWEST_RELEASES, _MOST_RELEASES = 5_000, 100_000

Coins = NDArray[np.bool_]
Release = Callable[[Coins], NDArray[np.float64]]
"""One fresh release: takes which canaries are in, [coins], and returns their released coordinates over C."""


@dataclasses.dataclass(frozen=True)
class Mechanism:
    """A mechanism under attack, and what this build's accounting says of one release."""

    release: Release
    epsilon: float
    mu: float
    name: str


@dataclasses.dataclass(frozen=True)
class Distinguished:
    """What came of it."""

    mu_lower: float
    epsilon_lower: float
    epsilon_lower_any: float
    """The bound that assumes nothing of the mechanism."""
    right: float
    """Share of right guesses."""
    scores: NDArray[np.float64]
    """[releases, coins]"""
    members: Coins
    """[releases, coins]"""


class _Slope(nn.Module):
    """A linear function whose gradient is its input."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(COINS, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return [records]."""
        return self.layer(x)[:, 0]  # type: ignore[no-any-return]


def optimizer_mechanism(build: Build, target_epsilon: float, delta: float) -> Mechanism:
    """Return one step of the private optimizer on the canaries that are in."""
    mu = bounds.mu_of_epsilon(target_epsilon, delta)
    norm, divisor = 0.5, 3.0
    model = _Slope()
    trainer = build.trainer(
        model, clipping_norm=norm, noise_multiplier=1 / mu, divisor=divisor, learning_rate=1.0,
        source=build.source(),
    )  # fmt: skip
    canaries = 100.0 * torch.eye(COINS)

    def release(present: Coins) -> NDArray[np.float64]:
        batch = canaries[torch.from_numpy(present)]
        with torch.no_grad():
            model.layer.weight.zero_()
        if len(batch):
            trainer.step(lambda: model(batch))
        else:
            trainer.step_empty()
        return model.layer.weight.detach()[0].double().numpy() * (-divisor / norm)

    claimed = epsilon([GaussianSum(1 / mu)], delta).epsilon
    return Mechanism(release, claimed, mu, "one step of the private optimizer")


def cohort_mechanism(build: Build, target_epsilon: float, delta: float) -> Mechanism:
    """Return the noised vector of a client that holds the canaries and is the only honest survivor."""
    mu = bounds.mu_of_epsilon(target_epsilon, delta)
    plan = round_plan(2, COINS, noise="skellam", honest_survivors=1)
    person, whole = plan.training.clipping_norm or 1.0, plan.update.clipping_norm
    update = plan.update.model_copy(update={"noise_multiplier": person / (whole * mu)})
    plan = plan.model_copy(update={"update": update})
    rounding, noise = build.source(), build.source()

    def release(present: Coins) -> NDArray[np.float64]:
        clipped_sum = present.astype(np.float32) * np.float32(person)
        vector = build.contribute(LocalResult(clipped_sum), plan, rounding, noise)
        return vector[:COINS] / (person * plan.update.scale)

    claimed = epsilon([event_of(plan)], delta).epsilon
    return Mechanism(release, claimed, bounds.mu_of_epsilon(claimed, delta), "a client's noised vector")


def distinguish(
    mechanism: Mechanism, delta: float, *, confidence: float = CONFIDENCE, progress: Progress = ignore
) -> Distinguished:
    """Attack ``mechanism`` with as many releases as find a noise deficit of :data:`DEFICIT`."""
    first, second = 0.9 * (1 - confidence), 0.1 * (1 - confidence)
    needed = bounds.releases_needed(mechanism.mu, COINS, DEFICIT, first, MISS)
    count = min(_MOST_RELEASES, max(_FEWEST_RELEASES, needed))
    flips = SystemSource().bytes(count * COINS)
    coins = ((np.frombuffer(flips, np.uint8) & 1) == 1).reshape(count, COINS)
    scores = np.empty((count, COINS))
    for index in range(count):
        scores[index] = mechanism.release(coins[index])
        if index % 500 == 0:
            progress(index / count)
    right = ((scores > 0.5) == coins).mean(axis=1)
    mu = bounds.mu_from_bets(right, first, bounds.best_stake(mechanism.mu, COINS, count, first))
    free = _any_mechanism(scores[:, 0], coins[:, 0], delta, second)
    lower = max(bounds.epsilon_of_mu(mu, delta), free)
    return Distinguished(mu, lower, free, float(right.mean()), scores, coins)


def _any_mechanism(scores: NDArray[np.float64], members: Coins, delta: float, alpha: float) -> float:
    """Bound ε without a family: choose both tails' thresholds on one half, judge them on the other."""
    half = len(scores) // 2
    best = 0.0
    for sign in (1.0, -1.0):  # "in" above a threshold, "out" below one: both directions of the definition
        member = members if sign > 0 else ~members
        first, second = (sign * scores[:half], member[:half]), (sign * scores[half:], member[half:])
        thresholds = np.quantile(first[0], np.linspace(0.5, 0.999, 60))
        chosen = max(thresholds, key=lambda t: _at(t, *first, delta, alpha / 2))
        best = max(best, _at(float(chosen), *second, delta, alpha / 2))
    return best


def _at(
    threshold: float, scores: NDArray[np.float64], member: NDArray[np.bool_], delta: float, alpha: float
) -> float:
    above = scores > threshold
    hits, alarms = int((above & member).sum()), int((above & ~member).sum())
    return bounds.epsilon_from_rates(hits, int(member.sum()), alarms, int((~member).sum()), delta, alpha)


@attack("distinguishing", summary="one release after another: was the worst person in the data?", seconds=10)
def distinguishing(target: Target, progress: Progress) -> AttackResult:
    """Attack the mechanism of the run at the run's ε."""
    if not target.private:
        raise NotApplicable("the run promises no differential privacy, so there is no claim to refute")
    section = target.config.privacy
    make = optimizer_mechanism if section.mode == "silo" else cohort_mechanism
    mechanism = make(target.build, section.epsilon, section.delta)
    found = distinguish(mechanism, section.delta, progress=progress)
    return as_result(mechanism, found, section.delta)


def as_result(mechanism: Mechanism, found: Distinguished, delta: float) -> AttackResult:
    """Return a finding in the form that reports read."""
    claimed = mechanism.epsilon
    passed = found.epsilon_lower <= claimed
    best = 0.5 * math.erfc(-mechanism.mu / 2**1.5)
    read = (
        f"The claim lets nobody be right in more than {best:.1%} of the guesses; this attack was in "
        f"{found.right:.1%}, where tossing a coin is in 50 %."
    )
    releases = len(found.scores)
    sure = releases < _MOST_RELEASES
    return AttackResult(
        attack="distinguishing",
        title={"en": "Distinguishing two neighbouring datasets", "zh": "区分相邻数据集"},
        threat_model="Sees what is released, knows everything but whether one worst-case person took part.",
        question="Can someone who knows everything else tell from a release whether one person took part?",
        claim=Claim(epsilon=claimed, delta=delta),
        kind="lower bound",
        method="Monte-Carlo distinguishing; mean bounded by betting (Waudby-Smith, Ramdas, 2024)",
        result={
            "mechanism": mechanism.name,
            "epsilon_lower": found.epsilon_lower,
            "epsilon_lower_any_mechanism": found.epsilon_lower_any,
            "ratio_to_claim": found.epsilon_lower / claimed,
            "mu_lower": found.mu_lower,
            "mu_claimed": mechanism.mu,
            "releases": releases,
            "right_guesses": found.right,
            "right_guesses_at_most": best,
        },
        confidence=CONFIDENCE,
        tests=2,
        power=f"{DEFICIT:.0%} less noise would be found with {1 - MISS:.1%}"
        if sure
        else f"limited by {_MOST_RELEASES:,} releases",
        passed=passed,
        figures=Figures(roc=roc(found.scores.ravel(), found.members.ravel())),
        headline=f"ε ≥ {found.epsilon_lower:.2f} shown, {claimed:.2f} claimed: "
        + ("the claim stands" if passed else "THE CLAIM IS REFUTED"),
        notes=(
            read,
            "Calibrated to the run's ε in one release; how releases compose is the part of the two accountants.",
        ),
    )
