"""Attribute inference: does an opened sum reveal what a person's labels are (chubby, pale, …)?

The attacker has a photo of a person who took part and knows what everybody else sent, so it takes that off. For
each combination of labels it computes the clipped gradient that the photo would have given, and says the likeliest.
Two arms: the person's gradient under the cohort's noise at the run's ε, spent in one release, and without noise.

Changing a label replaces one gradient of length C by another, so it moves the sum by 2 C at most: no guess at a
label is right more often, averaged over both values, than Φ(μ) says.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import special

from models.inputs import to_inputs
from models.losses import masked_binary_cross_entropy
from models.registry import build as build_model
from privacy.audit.attacks import bounds
from privacy.audit.attacks.canaries import one_photo_each
from privacy.audit.attacks.linkage import NORM, trial_sums
from privacy.audit.attacks.registry import NotApplicable, attack
from privacy.audit.attacks.target import Progress, Target, ignore
from privacy.audit.attacks.views import clipped_sum
from privacy.audit.conformance.build import Build
from privacy.audit.evidence import AttackResult

PERSONS, MOST_ATTRIBUTES = 40, 4
_ALPHA = 0.05


@dataclasses.dataclass(frozen=True)
class Candidates:
    """What each person's photo would give under each combination of labels."""

    gradients: NDArray[np.float32]
    """[persons, combinations, parameters]"""
    combinations: NDArray[np.int8]
    """[combinations, attributes] of 0 and 1"""
    truth: NDArray[np.int8]
    """[persons, attributes]; −1 is unknown and takes part as 0."""


def candidates_of(target: Target, progress: Progress = ignore) -> Candidates:
    """Return the candidates for the run's persons at the run's first model."""
    options = target.config.model
    network = build_model(options.name, seed=target.config.seed, **options.options)
    if len(network.outputs) > MOST_ATTRIBUTES:
        raise NotApplicable(f"the model has more than {MOST_ATTRIBUTES} attributes; too many combinations")
    rows = one_photo_each(target)[:PERSONS]
    table = target.federation.table
    inputs = to_inputs({name: column[rows] for name, column in table.columns(network.inputs).items()})
    truth = np.stack([table.label(name)[rows] for name in network.outputs], axis=1)
    combinations = np.array(list(itertools.product((0, 1), repeat=len(network.outputs))), np.int8)
    found = []
    for row in range(len(rows)):
        mine = {name: values[row : row + 1] for name, values in inputs.items()}
        for labels in combinations:
            wanted = torch.from_numpy(labels[None])
            found.append(
                clipped_sum(network, lambda: masked_binary_cross_entropy(network(mine), wanted), NORM)  # noqa: B023
            )
        progress((row + 1) / len(rows))
    gradients = np.stack(found).astype(np.float32).reshape(len(rows), len(combinations), -1)
    return Candidates(gradients, combinations, truth)


def infer(
    build: Build, candidates: Candidates, mu: float | None, progress: Progress = ignore
) -> NDArray[np.int8]:
    """Return the guessed labels, [persons, attributes]: the likeliest value of each, all combinations weighed."""
    actual = np.maximum(candidates.truth, 0)
    own = np.array([int((candidates.combinations == labels).all(axis=1).argmax()) for labels in actual])
    sent = candidates.gradients[np.arange(len(own)), own]
    seen = trial_sums(build, sent, np.eye(len(own), dtype=np.bool_), mu, progress)
    deviation = NORM / mu if mu else 2.0**-16
    distances = np.square(candidates.gradients - seen[:, None, :]).sum(axis=2)
    likelihood = special.softmax(-distances / (2 * deviation**2), axis=1)
    yes: NDArray[np.float64] = likelihood @ candidates.combinations
    return (yes > 0.5).astype(np.int8)


def balanced_accuracy(guesses: NDArray[np.int8], truth: NDArray[np.int8]) -> tuple[float, float, float]:
    """Return the share of right guesses, averaged over both values, and its interval (Clopper–Pearson)."""
    rates = []
    for value in (0, 1):
        count, right = int((truth == value).sum()), int(((truth == value) & (guesses == value)).sum())
        low = bounds.proportion_lower(right, count, _ALPHA / 4)
        rates.append((right / max(1, count), low, bounds.proportion_upper(right, count, _ALPHA / 4)))
    mean = np.mean(rates, axis=0)
    return float(mean[0]), float(mean[1]), float(mean[2])


@attack("attributes", summary="does an opened sum reveal a person's labels?", seconds=20)
def attributes(target: Target, progress: Progress) -> AttackResult:
    """Infer the labels of the run's persons from opened sums."""
    candidates = candidates_of(target, lambda done: progress(0.8 * done))
    open_ = balanced_accuracy(infer(target.build, candidates, None), candidates.truth)
    mine, most = open_, None
    if target.private:
        section = target.config.privacy
        mu = bounds.mu_of_epsilon(section.epsilon, section.delta)
        most = float(special.ndtr(mu))
        mine = balanced_accuracy(infer(target.build, candidates, mu), candidates.truth)
    value, low, high = mine
    return AttackResult(
        attack="attributes",
        title={"en": "Inferring a person's labels", "zh": "属性推断"},
        threat_model="Sees an opened sum, knows what all others sent, has a photo of the person.",
        question="Does a round reveal a person's labels to someone who has her photo?",
        claim=target.claim,
        kind="estimate",
        method="likelihood of every combination of labels, given the opened sum less all other updates",
        result={
            "balanced_accuracy": value,
            "balanced_accuracy_interval": (low, high),
            "balanced_accuracy_at_most": most,
            "without_noise_balanced_accuracy": open_[0],
            "persons": len(candidates.truth),
        },
        confidence=1 - _ALPHA,
        power=f"without noise the same attack is right in {open_[0]:.0%}",
        passed=None if most is None else low <= most,
        headline=f"{value:.0%} of labels guessed right ({open_[0]:.0%} without noise; a coin is in 50 %)",
        notes=("The run's whole ε is spent in one release here: what all rounds together may tell.",),
    )
