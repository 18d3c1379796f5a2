"""Canary clients in one federated run: an ESTIMATE of ε for whole clients (Andrew et al. 2023, "One-shot").

Some of the clients of a cohort send a random direction of length C instead of an update; the others' updates are
anything. All go through the real encoding and noise, round after round. How far the final model lies along the
canaries' directions, compared with directions that nobody sent, gives two Gaussians and from them an ε.

It is no bound: it assumes that the cosines are Gaussian, which they nearly are in many dimensions, and random
directions are not the worst case. It needs no retraining and a few seconds, and is watched for its trend.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from privacy.audit.attacks import bounds
from privacy.audit.attacks.curves import roc
from privacy.audit.attacks.registry import NotApplicable, attack
from privacy.audit.attacks.target import Progress, Target, ignore
from privacy.audit.conformance.build import Build, round_plan
from privacy.audit.evidence import AttackResult, Claim, Figures
from privacy.contribution import LocalResult

CLIENTS, PARAMETERS, ROUNDS = 300, 20_000, 4
DELTA = 1e-5


@dataclasses.dataclass(frozen=True)
class Cosines:
    """Along sent and unsent directions, times the square root of the dimension."""

    sent: NDArray[np.float64]
    unsent: NDArray[np.float64]


def run_canaries(build: Build, mu: float, progress: Progress = ignore) -> Cosines:
    """Return the cosines after a run that is μ-Gaussian for each client, all rounds together."""
    plan = round_plan(CLIENTS, PARAMETERS, mode="device", scale=1 << 12, honest_survivors=CLIENTS)
    update = plan.update.model_copy(update={"noise_multiplier": math.sqrt(ROUNDS) / mu})
    plan = plan.model_copy(update={"update": update})
    sent, unsent = _directions(CLIENTS), _directions(4 * CLIENTS)
    total = np.zeros(PARAMETERS)
    for number in range(ROUNDS):
        for client, direction in enumerate(sent):
            whole = (direction * (2 * plan.update.clipping_norm)).astype(
                np.float32
            )  # clipping has to bound it
            vector = build.contribute(LocalResult(whole), plan, build.source(), build.source())
            total += vector[:PARAMETERS]
            progress((number + client / CLIENTS) / ROUNDS)
    total *= math.sqrt(PARAMETERS) / np.linalg.norm(total)
    return Cosines(sent @ total, unsent @ total)


def _directions(count: int) -> NDArray[np.float64]:
    """Return random unit vectors, [count, parameters]: chosen by the attacker, no secret."""
    drawn = np.random.default_rng().standard_normal((count, PARAMETERS))
    unit: NDArray[np.float64] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return unit


def estimate_mu(cosines: Cosines) -> tuple[float, float]:
    """Return μ and its standard error: the distance of the two means in deviations of the one noise in both."""
    sent, unsent = cosines.sent, cosines.unsent
    pooled = math.sqrt((sent.var() * len(sent) + unsent.var() * len(unsent)) / (len(sent) + len(unsent) - 2))
    mu = float(sent.mean() - unsent.mean()) / pooled
    return mu, math.sqrt(1 / len(sent) + 1 / len(unsent) + mu**2 / (2 * (len(sent) + len(unsent))))


@attack("federated-canaries", summary="canary clients in one federated run: an estimate", seconds=15)
def federated_canaries(target: Target, progress: Progress) -> AttackResult:
    """Estimate ε of a client in a run of this build's device mode at the run's ε."""
    if not target.private:
        raise NotApplicable("the run promises no differential privacy, so there is no claim to compare with")
    section = target.config.privacy
    mu = bounds.mu_of_epsilon(section.epsilon, section.delta)
    return judge(run_canaries(target.build, mu, progress), mu)


def judge(cosines: Cosines, mu: float) -> AttackResult:
    """Return the estimate; it never fails a run, since it is no bound."""
    estimate, error = estimate_mu(cosines)
    claimed, found = (bounds.epsilon_of_mu(max(0.0, value), DELTA) for value in (mu, estimate))
    interval = tuple(bounds.epsilon_of_mu(max(0.0, estimate + z * error), DELTA) for z in (-1.96, 1.96))
    scores = np.concatenate((cosines.sent, cosines.unsent))
    members = np.arange(len(scores)) < len(cosines.sent)
    return AttackResult(
        attack="federated-canaries",
        title={"en": "Canary clients in one federated run", "zh": "单次联邦训练中的金丝雀客户端"},
        threat_model="Receives the final model; some clients sent random directions it knows.",
        question="Does the final model tell that a client took part?",
        claim=Claim(epsilon=claimed, delta=DELTA),
        kind="estimate",
        method="Andrew, Kairouz, Oh, Oprea, McMahan, Suriyakumar, 2023: cosines with the canaries' directions",
        result={
            "epsilon_estimate": found,
            "epsilon_interval": interval,
            "mu_estimate": estimate,
            "mu_claimed": mu,
            "canary_clients": len(cosines.sent),
        },
        confidence=None,
        power="none is claimed: it is an estimate under a Gaussian assumption, not a bound",
        figures=Figures(roc=roc(scores, members)),
        headline=f"ε ≈ {found:.1f} estimated (not a bound), {claimed:.1f} claimed at δ = {DELTA:g}",
        notes=(
            f"About {interval[0]:.1f} to {interval[1]:.1f} with 95 %, if the cosines are Gaussian.",
            "Unlike the paper's, the deviation is pooled over sent and unsent directions: the noise is the same.",
        ),
    )
