"""Identity linkage: does the opened sum of an update reveal who took part?

The coordinator, or whoever sees one step of the model, has photos of everybody who may have taken part and asks who
did. It computes each candidate's clipped gradient at the model that was sent and finds the weights with which they
add up to the opened sum: the best linear estimate for a coin a person (ridge regression). Two arms share everything
but noise: the sum as the cohort opens it at the run's ε, spent in one release, and the same sum without noise,
which is what secure aggregation alone leaves.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from models.inputs import to_inputs
from models.losses import masked_binary_cross_entropy
from models.registry import build as build_model
from privacy.accounting.epsilon import tpr_at_fpr
from privacy.accounting.events import GaussianSum
from privacy.audit.attacks import bounds
from privacy.audit.attacks.canaries import one_photo_each
from privacy.audit.attacks.curves import area, roc
from privacy.audit.attacks.membership import Membership
from privacy.audit.attacks.registry import attack
from privacy.audit.attacks.shadows import halves
from privacy.audit.attacks.target import Progress, Target
from privacy.audit.attacks.views import clipped_sum
from privacy.audit.conformance.build import Build, round_plan
from privacy.audit.evidence import AttackResult, Figures
from privacy.contribution import LocalResult
from privacy.plan import RoundPlan

TRIALS, PERSONS, NORM = 60, 96, 1.0
_ROOM = 256.0  # bound of a whole update, so that a sum of PERSONS gradients is never projected


def gradients_of(target: Target) -> NDArray[np.float32]:
    """Return each person's clipped gradient at the run's first model, [persons, parameters]."""
    options = target.config.model
    network = build_model(options.name, seed=target.config.seed, **options.options)
    rows = one_photo_each(target)[:PERSONS]
    table = target.federation.table
    inputs = to_inputs({name: column[rows] for name, column in table.columns(network.inputs).items()})
    labels = torch.from_numpy(np.stack([table.label(name)[rows] for name in network.outputs], axis=1))
    found = []
    for row in range(len(rows)):
        one = slice(row, row + 1)
        mine = {name: values[one] for name, values in inputs.items()}
        found.append(
            clipped_sum(network, lambda: masked_binary_cross_entropy(network(mine), labels[one]), NORM)  # noqa: B023
        )
    return np.stack(found).astype(np.float32)


def trial_sums(
    build: Build,
    gradients: NDArray[np.float32],
    members: NDArray[np.bool_],
    mu: float | None,
    progress: Progress,
) -> NDArray[np.float64]:
    """Return the opened sum of each trial, [trials, parameters]; without noise for ``mu`` None."""
    plan = _plan(gradients.shape[1], mu)
    sums = []
    for number, taking_part in enumerate(members):
        total = gradients[taking_part].sum(axis=0)
        vector = build.contribute(LocalResult(total), plan, build.source(), build.source())
        sums.append(vector[: len(total)] / plan.update.scale)
        progress((number + 1) / len(members))
    return np.stack(sums)


def _plan(parameters: int, mu: float | None) -> RoundPlan:
    plan = round_plan(2, parameters, scale=1 << 16, honest_survivors=1)
    noise = {"noise": "none"} if mu is None else {"noise": "skellam", "noise_multiplier": NORM / (mu * _ROOM)}
    update = plan.update.model_copy(update={"clipping_norm": _ROOM, **noise})
    return plan.model_copy(update={"update": update})


def link(
    gradients: NDArray[np.float32], sums: NDArray[np.float64], members: NDArray[np.bool_], deviation: float
) -> Membership:
    """Score each person in each trial by the weight of the person's gradient in the sum.

    The sum is Σ x_p g_p + noise with fair coins x and noise of ``deviation`` a coordinate; the score is the best
    linear estimate of x (Gauss and Markov, with the coins' variance of ¼ as prior).
    """
    g = gradients.astype(np.float64)
    gram = g @ g.T
    along = (sums - 0.5 * g.sum(axis=0)) @ g.T
    system = gram + 4.0 * max(deviation, 1e-6) ** 2 * np.eye(len(g))
    return Membership(np.linalg.solve(system, along.T).T, members)


@attack("linkage", summary="does an opened update reveal that a person took part?", seconds=12)
def linkage(target: Target, progress: Progress) -> AttackResult:
    """Link the run's persons to opened sums of their own gradients."""
    gradients = gradients_of(target)
    progress(0.2)
    members = halves(TRIALS, len(gradients))
    open_ = link(
        gradients,
        trial_sums(target.build, gradients, members, None, lambda done: progress(0.2 + 0.2 * done)),
        members,
        deviation=2.0**-16,  # of rounding
    )
    closed, most = None, None
    if target.private:
        section = target.config.privacy
        mu = bounds.mu_of_epsilon(section.epsilon, section.delta)
        noised = trial_sums(target.build, gradients, members, mu, lambda done: progress(0.4 + 0.6 * done))
        closed, most = link(gradients, noised, members, NORM / mu), tpr_at_fpr([GaussianSum(1 / mu)], 0.01)
    return judge(target, open_, closed, most)


def judge(target: Target, open_: Membership, closed: Membership | None, most: float | None) -> AttackResult:
    """Return the result of the run's arm beside that without noise."""
    mine = closed or open_
    scores, members = mine.scores.ravel(), mine.members.ravel()
    interval = mine.interval(0.01)
    return AttackResult(
        attack="linkage",
        title={"en": "Linking a person to an update", "zh": "将个人与更新关联"},
        threat_model="Sees one opened sum and the model that was sent; has photos of all candidates.",
        question="Does the opened sum of a round reveal who took part in it?",
        claim=target.claim,
        kind="estimate",
        method="weights of all candidates' clipped gradients in the opened sum, by ridge regression",
        result={
            "tpr_at_fpr_0.1_percent": mine.tpr(0.001),
            "tpr_at_fpr_1_percent": mine.tpr(0.01),
            "tpr_at_fpr_1_percent_interval": interval,
            "auc": area(scores, members),
            "tpr_at_fpr_1_percent_at_most": most,
            "without_noise_tpr_at_fpr_1_percent": open_.tpr(0.01),
            "trials": float(len(mine.scores)),
            "persons": float(mine.scores.shape[1]),
        },
        confidence=0.95,
        power=f"without noise the same attack links {open_.tpr(0.01):.0%} at 1 % false alarms",
        passed=None if most is None else interval[0] <= most,
        figures=Figures(roc=roc(scores, members), rocs={"without noise": roc(open_.scores.ravel(), members)}),
        headline=f"{mine.tpr(0.01):.1%} linked at 1 % false alarms ({open_.tpr(0.01):.0%} without noise)"
        if closed
        else f"{open_.tpr(0.01):.0%} linked at 1 % false alarms: secure aggregation alone does not hide a person",
        notes=(
            "The run's whole ε is spent in one release here: what all rounds together may tell.",
            "An attack finds less than the best attack would: that it finds nothing proves nothing alone.",
        ),
    )
