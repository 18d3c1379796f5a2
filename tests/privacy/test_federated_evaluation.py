"""V1 to V3: a person's part is bounded, the coordinator learns a sum, and the noise is what is charged."""

from __future__ import annotations

import numpy as np
import pytest

from mien.errors import PolicyError, ProtocolError
from models.metrics import auc, balanced_accuracy
from models.score_histogram import CELLS, count_scores
from privacy.accounting.epsilon import epsilon
from privacy.federated_evaluation import (
    UNITS,
    EvaluationPlan,
    contribute_counts,
    event,
    read_counts,
)
from privacy.randomness import TestOnlySource

NAMES = ("Chubby", "Bald", "Smiling")


def device(seed: int, persons: int = 6, photos: int = 5):
    generator = np.random.default_rng(seed)
    whose = np.repeat(np.arange(persons), photos)
    labels = generator.integers(-1, 2, (len(whose), len(NAMES)))
    scores = generator.normal(size=labels.shape) + 1.2 * labels
    return scores.astype(np.float32), labels.astype(np.int8), whose


def sources(seed: int):
    return TestOnlySource(seed, "draw"), TestOnlySource(seed, "noise")


def test_without_noise_the_sum_gives_the_pooled_figures() -> None:
    plan = EvaluationPlan(NAMES, photos=5)
    parts = [device(seed) for seed in range(12)]
    total = sum(contribute_counts(*part, plan, *sources(n)) for n, part in enumerate(parts))
    scores, labels = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
    assert (total.reshape(3, 2, CELLS) == UNITS * count_scores(scores, labels)).all()
    for index, quality in enumerate(read_counts(total, plan)):
        assert quality.attribute == NAMES[index]
        assert abs(quality.auc.value - auc(scores[:, index], labels[:, index])) <= quality.auc.error < 0.05
        expected = balanced_accuracy(scores[:, index], labels[:, index])
        assert quality.balanced_accuracy == pytest.approx(expected)
        assert quality.auc_noise == 0


@pytest.mark.parametrize("photos", [1, 3])
def test_v1_one_person_moves_the_vector_by_no_more_than_the_sensitivity(photos) -> None:
    plan = EvaluationPlan(NAMES, photos=photos)
    for seed in range(20):
        scores, labels, whose = device(seed)
        if seed == 0:  # the worst case: all photos in the same cells
            scores[:], labels[:] = 1.0, 1
        with_her = contribute_counts(scores, labels, whose, plan, *sources(seed))
        assert with_her.reshape(3, -1).sum(axis=1).max() <= 6 * photos * UNITS
        alone = whose == 2
        hers = contribute_counts(scores[alone], labels[alone], whose[alone], plan, *sources(seed))
        assert np.linalg.norm(hers) <= plan.sensitivity * UNITS + 1e-9
        if seed == 0:
            assert np.linalg.norm(hers) == pytest.approx(plan.sensitivity * UNITS)
    assert plan.sensitivity == pytest.approx(photos * 3**0.5)


def test_v4_a_device_counts_so_many_persons_and_no_more() -> None:
    plan = EvaluationPlan(NAMES, photos=2, persons=4)
    scores, labels, whose = device(3, persons=30)
    labels[:] = 1
    whole = contribute_counts(scores, labels, whose, plan, *sources(1)).reshape(3, 2, CELLS)
    assert whole.sum(axis=(1, 2)).tolist() == [8 * UNITS] * 3
    assert np.linalg.norm(whole) <= plan.update.clipping_norm * plan.update.scale
    other = contribute_counts(scores, labels, whose, plan, *sources(2)).reshape(3, 2, CELLS)
    assert (whole != other).any()  # others are drawn


def test_v3_the_noise_in_the_sum_is_what_the_event_says() -> None:
    plan = EvaluationPlan(NAMES, photos=1, noise_multiplier=2.0, honest_survivors=8)
    empty = np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int8), np.zeros(0, np.int64)
    total = sum(contribute_counts(*empty, plan, *sources(seed)) for seed in range(8))
    assert total.std() / UNITS == pytest.approx(plan.deviation, rel=0.1)
    assert abs(total.mean()) / UNITS < plan.deviation / 4
    charged = event(plan)
    assert charged.noise_multiplier == pytest.approx(2.0)
    assert (charged.dimension, charged.survivors) == (plan.length, 8)
    assert charged.sensitivity == pytest.approx(plan.sensitivity * UNITS)
    spent = epsilon([charged], 1e-4).epsilon
    assert 1.5 < spent < 2.2  # a Gaussian of multiplier 2 at δ = 1e-4 costs 1.8
    assert epsilon([event(EvaluationPlan(NAMES))], 1e-4).epsilon == float("inf")


def test_the_stated_noise_of_the_auc_is_the_one_that_is_seen() -> None:
    scores, labels, whose = device(5, persons=1000, photos=1)
    plain = EvaluationPlan(NAMES, persons=1024)
    total = contribute_counts(scores, labels, whose, plain, *sources(0))
    total = total // UNITS
    plan = EvaluationPlan(NAMES, noise_multiplier=1.0)
    generator = np.random.default_rng(3)
    clean = read_counts(total * UNITS, plan)
    found = []
    for _ in range(200):
        noise = np.rint(generator.normal(size=plan.length) * plan.deviation * UNITS).astype(np.int64)
        found.append([quality.auc.value for quality in read_counts(total * UNITS + noise, plan)])
    seen = np.std(found, axis=0)
    for index, quality in enumerate(clean):
        assert quality.auc_noise == pytest.approx(seen[index], rel=0.2)
        assert abs(np.mean(found, axis=0)[index] - quality.auc.value) < 3 * quality.auc_noise


def test_what_does_not_fit_is_refused() -> None:
    scores, labels, whose = device(1)
    with pytest.raises(PolicyError, match="expected scores and labels"):
        contribute_counts(scores[:, :2], labels[:, :2], whose, EvaluationPlan(NAMES), *sources(0))
    with pytest.raises(PolicyError, match="needs attributes"):
        EvaluationPlan(())
    with pytest.raises(PolicyError, match="needs attributes"):
        EvaluationPlan(NAMES, noise_multiplier=float("nan"))
    with pytest.raises(ProtocolError, match="expected a sum of"):
        read_counts(np.zeros(5, np.int64), EvaluationPlan(NAMES))
