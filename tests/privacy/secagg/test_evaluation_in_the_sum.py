"""An evaluation's counts ride in a real secure round: masked, with a drop-out, and opened as a sum only."""

from __future__ import annotations

import numpy as np

from models.metrics import auc
from privacy.federated_evaluation import EvaluationPlan, contribute_counts, read_counts
from privacy.randomness import TestOnlySource

NAMES = ("Chubby", "Bald")


def photos(index: int):
    generator = np.random.default_rng(index)
    labels = generator.integers(0, 2, (40, 2))
    scores = generator.normal(size=(40, 2)) + 1.5 * labels
    return scores, labels, np.repeat(np.arange(10), 4)


def run(federation, plan: EvaluationPlan, lost: tuple[str, ...] = ()):
    group = federation(6)
    vectors = {
        name: contribute_counts(
            *photos(index), plan, TestOnlySource(index, "draw"), TestOnlySource(index, "noise")
        ).astype("<i4")
        for index, name in enumerate(group.names)
    }
    group.vector = vectors.__getitem__
    result = group.run(
        upload_lost=lost,
        purpose="evaluate",
        vector_length=plan.length,
        **plan.update.model_dump(exclude={"adaptive"}),
    )
    return group, vectors, result


def test_the_sum_is_opened_and_no_part_of_it(federation) -> None:
    plan = EvaluationPlan(NAMES, photos=4, persons=10)
    lost = ("device-0002",)
    group, vectors, result = run(federation, plan, lost)
    kept = [index for index, name in enumerate(group.names) if name not in lost]
    assert (result.sum == sum(vectors[group.names[index]].astype(np.int64) for index in kept)).all()
    scores, labels, _ = (
        np.concatenate(part) for part in zip(*(photos(index) for index in kept), strict=True)
    )
    for index, quality in enumerate(read_counts(result.sum, plan)):
        assert abs(quality.auc.value - auc(scores[:, index], labels[:, index])) <= quality.auc.error
        assert quality.yes + quality.no == 200
    for name, (_, masked) in group.uploads.items():  # a masked vector of small counts looks like any other
        spread = np.asarray(masked).view(np.uint32).astype(np.float64)
        assert np.abs(vectors[name]).max() <= 40 * plan.update.scale
        assert 0.4 < spread.mean() / 2**32 < 0.6


def test_with_noise_the_sum_holds_the_noise_of_those_who_survive(federation) -> None:
    plan = EvaluationPlan(NAMES, photos=1, persons=10, noise_multiplier=1.0, honest_survivors=5)
    _, vectors, result = run(federation, plan)
    assert (result.sum == sum(vector.astype(np.int64) for vector in vectors.values())).all()
    cells = result.sum / plan.update.scale
    assert cells.std() > plan.deviation
    assert cells.min() < 0
