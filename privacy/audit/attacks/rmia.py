"""Membership inference by the robust attack (RMIA; Zarifzadeh, Liu and Shokri, 2024), person by person.

A person's photos are likelier under a model that had them, but some photos are likely under every model, and some
models like everything. So the ratio of the likelihood to its mean over all other shadow models is compared with the
same ratio of persons who are known not to have trained the model: the score is the share of them whom the person
beats (by γ). With few persons, shares are coarse, and equal ones are ordered by the ratio itself.

The shadow models are those of LiRA (:mod:`privacy.audit.attacks.membership`): the second attack costs nothing more,
and it assumes no Gaussian.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from privacy.audit.attacks.membership import Membership, judge
from privacy.audit.attacks.registry import attack
from privacy.audit.attacks.shadows import shadows_of
from privacy.audit.attacks.target import Progress, Target
from privacy.audit.evidence import AttackResult

GAMMA = 1.0
"""By what factor a person's ratio must beat another's."""


def rmia(signals: NDArray[np.float64], members: NDArray[np.bool_]) -> Membership:
    """Attack each model with all others as references; ``signals`` are log-odds [models, persons, signals].

    The likelihood of a person is the product over her photos and labels; an unknown label has log-odds 0 under
    every model and cancels.
    """
    likelihood = -np.logaddexp(0.0, -signals).sum(axis=2)  # logarithms, [models, persons]
    shares, ratios = np.empty(members.shape), np.empty(members.shape)
    for index, own in enumerate(members):
        others = np.arange(len(members)) != index
        ratios[index] = likelihood[index] - _mean_likelihood(likelihood[others], members[others])
        shares[index] = _share_beaten(ratios[index], ~own)
    ranks = np.empty(members.size)
    ranks[np.lexsort((ratios.ravel(), shares.ravel()))] = np.arange(members.size)
    return Membership(ranks.reshape(members.shape), members)


def _mean_likelihood(likelihood: NDArray[np.float64], members: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the logarithm of the mean of both means, over models that had a person and that had not, [persons]."""
    halves = [
        special.logsumexp(np.where(chosen, likelihood, -np.inf), axis=0) - np.log(chosen.sum(axis=0))
        for chosen in (members, ~members)
    ]
    return np.asarray(np.logaddexp(*halves) - math.log(2))


def _share_beaten(ratios: NDArray[np.float64], outside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return which share of the persons outside, herself left out, each person beats by ``GAMMA``, [persons]."""
    beats = ratios[:, None] - ratios[None, outside] >= math.log(GAMMA)
    herself = outside & (math.log(GAMMA) <= 0)
    return np.asarray((beats.sum(axis=1) - herself) / np.maximum(1, outside.sum() - outside))


@attack("rmia", summary="who took part in the training, by RMIA, on LiRA's models", seconds=41)
def robust_membership(target: Target, progress: Progress) -> AttackResult:
    """Attack shadow models of the run's persons by RMIA."""
    shadows = shadows_of(target, progress)
    open_ = rmia(shadows.plain, shadows.members)
    closed = None if shadows.private is None else rmia(shadows.private, shadows.members)
    found = judge(
        target, open_, closed,
        name="rmia",
        title={"en": "Who took part: robust membership inference", "zh": "稳健成员推断：谁参与了训练"},
        method="RMIA (Zarifzadeh et al. 2024) by person, on the shadow models of LiRA; ratios to persons outside",
    )  # fmt: skip
    return found.model_copy(
        update={"threat_model": f"{found.threat_model} Knows persons who did not take part."}
    )
