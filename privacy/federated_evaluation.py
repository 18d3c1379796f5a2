"""How good is the model on people's own devices? Known from a sum of counts; nobody's figures leave in clear.

Each device scores its own labelled photos and counts them by attribute, label and predicted probability
(:mod:`models.score_histogram`). The counts are whole numbers, so they go into a secure sum as they are; with
differential privacy each device adds its share of noise first. The coordinator opens the sum and computes AUC,
balanced accuracy and calibration from it.

Guarantees (assumptions: those of :mod:`privacy.secagg` for the sum, of :mod:`privacy.mechanisms.distributed`
for the noise):

V1. A person adds at most ``photos`` counts to each attribute: so many of her photos are drawn, by the device's
own
    randomness. In each attribute the L2 norm of what she adds is at most ``photos`` (all in one cell), so over
    A attributes her presence moves the integer vector by at most ``photos · √A`` counts. There is no rounding.
V2. Without noise the coordinator learns the sum and nothing else. That is no differential privacy: a sum that
    differs from another by one person tells her counts.
V3. With noise, one evaluation is the event of :func:`event`, to be charged to the ledger like a round of
    training.
V4. A device counts at most ``persons`` persons, so its vector has an L2 norm of at most ``persons`` times that
of
    V1: the field that the plan chooses holds the sum, however many photos a device has.

A count is written as ``UNITS`` units, so that integer noise is as good as continuous noise (I2 of
:mod:`privacy.accounting.integer_noise`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.errors import PolicyError, ProtocolError
from models.score_histogram import (
    CELLS,
    Bounded,
    auc_of_counts,
    balanced_accuracy_of_counts,
    calibration_error_of_counts,
    count_scores,
)
from privacy.accounting.events import DiscreteGaussianSum, GaussianSum, SkellamSum
from privacy.mechanisms.distributed import NoisePlan, noise_share
from privacy.plan import Update
from privacy.randomness import RandomSource

UNITS = 1 << 8
"""Integer units of one count."""


@dataclass(frozen=True)
class EvaluationPlan:
    """What an evaluation asks. ``noise_multiplier`` is the noise of the sum over what one "
    "person may move it (V1)."""

    attributes: tuple[str, ...]
    photos: int = 1
    persons: int = 64
    noise_multiplier: float = 0.0
    honest_survivors: int = 1

    def __post_init__(self) -> None:
        sizes = 1 <= self.photos <= 1024 and 1 <= self.persons <= 1024
        if not self.attributes or not sizes or not 0 <= self.noise_multiplier < math.inf:
            raise PolicyError(
                "evaluation: needs attributes, photos of a person and persons of a device from "
                "1 to 1024, and a noise of "
                f"at least 0, got {len(self.attributes)}, {self.photos}, {self.persons} and "
                f"{self.noise_multiplier}"
            )

    @property
    def length(self) -> int:
        """Elements of the vector: attributes × (no, yes) × cells."""
        return len(self.attributes) * 2 * CELLS

    @property
    def sensitivity(self) -> float:
        """Largest L2 norm, in counts, of what one person adds (V1)."""
        return self.photos * math.sqrt(len(self.attributes))

    @property
    def update(self) -> Update:
        """The part of a round plan that says how a device's vector is bounded and noised (V4)."""
        return Update(
            clipping_norm=self.persons * self.sensitivity,
            scale=UNITS,
            noise="skellam" if self.noise_multiplier > 0 else "none",
            noise_multiplier=self.noise_multiplier / self.persons,
            honest_survivors=self.honest_survivors,
        )

    @property
    def deviation(self) -> float:
        """Standard deviation of the noise in one cell of the sum, in counts, if the fewest "
        "honest clients survive."""
        return self.noise_multiplier * self.sensitivity


@dataclass(frozen=True)
class AttributeQuality:
    """What the sum says of one attribute. Figures are None where a class has no photos, or noise leaves none.

    ``yes`` and ``no`` are numbers of photos, with noise. The bounds are those of the grid, not of the noise;
    ``auc_noise`` is the standard deviation that the noise gives the AUC.
    """

    attribute: str
    yes: float
    no: float
    auc: Bounded | None
    auc_noise: float | None
    balanced_accuracy: float | None
    calibration_error: Bounded | None


def contribute_counts(
    scores: NDArray[np.floating],
    labels: NDArray[np.integer],
    persons: NDArray[np.integer],
    plan: EvaluationPlan,
    drawing: RandomSource,
    noise: RandomSource,
) -> NDArray[np.int64]:
    """Return a device's vector, int64 [length], ready to be masked: bounded by person, with its share of noise.

    ``scores`` and ``labels`` are [N, A] in the order of ``plan.attributes``, ``persons`` [N]. Raises
    PolicyError where they do not fit the plan.
    """
    if scores.shape != labels.shape or scores.shape != (len(persons), len(plan.attributes)):
        raise PolicyError(
            f"evaluation: expected scores and labels [{len(persons)}, {len(plan.attributes)}], got "
            f"{list(scores.shape)} and {list(labels.shape)}"
        )
    kept = _drawn(persons, plan, drawing)
    update = plan.update
    vector = count_scores(scores[kept], labels[kept]).reshape(-1) * update.scale
    if update.noise != "none":
        vector += noise_share(plan.length, update, plan.honest_survivors, noise)
    return vector


def event(plan: EvaluationPlan) -> SkellamSum | DiscreteGaussianSum | GaussianSum:
    """Return what one evaluation costs a person who is in it (V3); an infinite ε where there is no noise."""
    if plan.noise_multiplier == 0:
        return GaussianSum(0.0)
    of_a_person = plan.update.model_copy(update={"clipping_norm": plan.sensitivity})
    return NoisePlan.of(plan.update, plan.honest_survivors).event(of_a_person, plan.length)


def read_counts(total: NDArray[np.int64], plan: EvaluationPlan) -> list[AttributeQuality]:
    """Return each attribute's quality from the opened sum, int64 [length].

    Raises ProtocolError for a sum of another length.
    """
    if total.shape != (plan.length,):
        raise ProtocolError(f"evaluation: expected a sum of {plan.length} elements, got {list(total.shape)}")
    counts = total.reshape(len(plan.attributes), 2, CELLS) / plan.update.scale
    return [
        AttributeQuality(
            attribute=name,
            no=float(own[0].sum()),
            yes=float(own[1].sum()),
            auc=auc_of_counts(own),
            auc_noise=_auc_noise(own, plan.deviation),
            balanced_accuracy=balanced_accuracy_of_counts(own),
            calibration_error=calibration_error_of_counts(own),
        )
        for name, own in zip(plan.attributes, counts, strict=True)
    ]


def _drawn(persons: NDArray[np.integer], plan: EvaluationPlan, source: RandomSource) -> NDArray[np.int64]:
    """Return the rows that are counted: so many persons, so many photos of each, drawn without repetition."""
    present = np.unique(persons)
    chosen = present[np.argsort(source.uint64(len(present)), kind="stable")[: plan.persons]]
    order = np.argsort(source.uint64(len(persons)), kind="stable")
    kept = [order[persons[order] == person][: plan.photos] for person in chosen]
    return np.sort(np.concatenate([np.zeros(0, np.int64), *kept]))


def _auc_noise(counts: NDArray[np.float64], deviation: float) -> float | None:
    """Return the AUC's standard deviation by the noise, to first order: the length of its "
    "gradient in the counts."""
    no, yes = counts
    total_no, total_yes = float(no.sum()), float(yes.sum())
    if total_no <= 0 or total_yes <= 0:
        return None
    below, above = np.cumsum(no) - no / 2, np.cumsum(yes[::-1])[::-1] - yes / 2
    value = float((yes * below).sum()) / (total_no * total_yes)
    by_yes = (below / total_no - value) / total_yes
    by_no = (above / total_yes - value) / total_no
    return deviation * math.sqrt(float((by_yes**2).sum() + (by_no**2).sum()))
