"""Membership inference by the likelihood-ratio attack (LiRA; Carlini et al. 2022), person by person.

Each shadow model (:mod:`privacy.audit.attacks.shadows`) is attacked in turn with the others as shadows: was this
person's stack of photos in its training? The log-odds of the true labels of all photos together are compared with
two Gaussians, of the shadows that had her and of those that had not.

What counts is how many are found at few false alarms, not accuracy. Shadow models are trained to convergence:
overfitting is what membership shows by. The run's own model, trained briefly, leaks less.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from privacy.accounting.epsilon import tpr_at_fpr
from privacy.accounting.events import GaussianSum
from privacy.audit.attacks import bounds
from privacy.audit.attacks.curves import area, roc, tpr_at
from privacy.audit.attacks.registry import attack
from privacy.audit.attacks.shadows import shadows_of
from privacy.audit.attacks.target import Progress, Target
from privacy.audit.evidence import AttackResult, Figures

_BOOTSTRAPS = 200


@dataclasses.dataclass(frozen=True)
class Membership:
    """Scores of an attack on many models, [models, persons], and the truth."""

    scores: NDArray[np.float64]
    members: NDArray[np.bool_]

    def tpr(self, fpr: float) -> float:
        """Return the true-positive rate at a false-positive rate, over all models."""
        return tpr_at(self.scores.ravel(), self.members.ravel(), fpr)

    def interval(self, fpr: float) -> tuple[float, float]:
        """Return a 95 % interval of :meth:`tpr` by bootstrap over persons: one person's scores hang together."""
        generator = np.random.Generator(np.random.PCG64(1))  # resampling; not a secret and not noise
        persons = self.scores.shape[1]
        found = []
        for _ in range(_BOOTSTRAPS):
            drawn = generator.integers(0, persons, persons)
            found.append(tpr_at(self.scores[:, drawn].ravel(), self.members[:, drawn].ravel(), fpr))
        return float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975))


def lira(signals: NDArray[np.float64], members: NDArray[np.bool_]) -> Membership:
    """Attack each model with all others as shadows; ``signals`` [models, persons, signals].

    Means are each person's own, with and without her; covariances are pooled over persons, since shadows are few.
    """
    inverses = [_inverse_covariance(signals, members), _inverse_covariance(signals, ~members)]
    scores = np.empty(members.shape)
    for index in range(len(signals)):
        others = np.arange(len(signals)) != index
        distances = []
        for chosen, inverse in zip((members[others], ~members[others]), inverses, strict=True):
            away = signals[index] - _mean(signals[others], chosen)
            distances.append(np.einsum("ps,st,pt->p", away, inverse, away))
        scores[index] = distances[1] - distances[0]
    return Membership(scores, members)


def _mean(signals: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean over the chosen models, [persons, signals]."""
    found: NDArray[np.float64] = np.einsum("mps,mp->ps", signals, chosen) / chosen.sum(axis=0)[:, None]
    return found


def _inverse_covariance(signals: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    residuals = (signals - _mean(signals, chosen))[chosen]
    covariance = residuals.T @ residuals / len(residuals)
    ridge = (
        1e-3 * np.trace(covariance) / len(covariance)
    )  # a signal that never changes must not divide by zero
    return np.asarray(np.linalg.inv(covariance + ridge * np.eye(len(covariance))))


@attack("membership", summary="who took part in the training, by LiRA, with and without privacy", seconds=40)
def membership(target: Target, progress: Progress) -> AttackResult:
    """Attack shadow models of the run's persons by LiRA."""
    shadows = shadows_of(target, progress)
    open_ = lira(shadows.plain, shadows.members)
    closed = None if shadows.private is None else lira(shadows.private, shadows.members)
    return judge(
        target, open_, closed,
        name="membership",
        title={"en": "Who took part: membership inference", "zh": "成员推断：谁参与了训练"},
        method="LiRA (Carlini et al. 2022) by person, each model attacked with all others as shadows",
    )  # fmt: skip


def judge(
    target: Target,
    open_: Membership,
    closed: Membership | None,
    *,
    name: str,
    title: dict[Literal["en", "zh"], str],
    method: str,
) -> AttackResult:
    """Return the result of an attack on membership: the run's arm, beside the same attack without privacy."""
    mine = closed or open_
    section = target.config.privacy
    most = None
    if closed is not None:
        mu = bounds.mu_of_epsilon(section.epsilon, section.delta)
        most = tpr_at_fpr([GaussianSum(1 / mu)], 0.01)
    interval = mine.interval(0.01)
    scores, members = mine.scores.ravel(), mine.members.ravel()
    result: dict[str, float | tuple[float, ...] | None] = {
        "tpr_at_fpr_0.1_percent": mine.tpr(0.001),
        "tpr_at_fpr_0.1_percent_interval": mine.interval(0.001),
        "tpr_at_fpr_1_percent": mine.tpr(0.01),
        "tpr_at_fpr_1_percent_interval": interval,
        "auc": area(scores, members),
        "tpr_at_fpr_1_percent_at_most": most,
        "without_privacy_tpr_at_fpr_0.1_percent": open_.tpr(0.001),
        "without_privacy_tpr_at_fpr_1_percent": open_.tpr(0.01),
        "without_privacy_auc": area(open_.scores.ravel(), open_.members.ravel()),
        "models": float(len(mine.scores)),
        "persons": float(mine.scores.shape[1]),
    }
    return AttackResult(
        attack=name,
        title=title,
        threat_model="Has the final model and the photos of a person; trains its own models on others like her.",
        question="Can the model tell whether a person's photos were in its training?",
        claim=target.claim,
        kind="estimate",
        method=method,
        result=result,
        confidence=0.95,
        power=f"without privacy the same attack finds {open_.tpr(0.01):.0%} at 1 % false alarms",
        passed=None if most is None else interval[0] <= most,
        figures=Figures(
            roc=roc(scores, members),
            rocs={"without privacy": roc(open_.scores.ravel(), open_.members.ravel())},
        ),
        headline=f"{mine.tpr(0.01):.1%} found at 1 % false alarms ({open_.tpr(0.01):.0%} without privacy)"
        if closed
        else f"{open_.tpr(0.01):.0%} found at 1 % false alarms: nothing protects members",
        notes=(
            "Shadow models are small networks on the run's columns, trained to convergence.",
            "An attack finds less than the best attack would: that it finds nothing proves nothing alone.",
        ),
    )
