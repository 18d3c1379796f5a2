"""What a client contributes: bounded for any person, private in every part, and read back as the mean."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mien.errors import PolicyError
from privacy.accounting.of_plan import event_of
from privacy.contribution import LocalResult, contribute, layout_for, projection_norm, read_sum
from privacy.plan import LocalTraining, RoundPlan, SecureAggregation, Update
from privacy.randomness import SystemSource, TestOnlySource

LENGTH = 400


def plan(mode: str = "distributed", **update: object) -> RoundPlan:
    values: dict[str, object] = {"clipping_norm": 8.0, "scale": 1 << 12, "honest_survivors": 3, **update}
    return RoundPlan(
        run="r",
        round=1,
        purpose="attributes",
        mode=mode,  # type: ignore[arg-type]
        model="attributes",
        model_hash="0" * 64,
        cohort=("a", "b", "c", "d"),
        training=LocalTraining(
            steps=1, sampling_rate=0.5, divisor=2.0, photos_per_record=1, learning_rate=0.5, clipping_norm=1.0
        ),
        update=Update(**values),  # type: ignore[arg-type]
        secagg=SecureAggregation(
            vector_length=layout_for(LENGTH, mode).length, neighbours=3, threshold=3, min_survivors=3
        ),
    )


def vector(update: np.ndarray, of: RoundPlan, seed: int = 1) -> np.ndarray:
    return contribute(
        LocalResult(update.astype(np.float32)), of, TestOnlySource(seed, "r"), TestOnlySource(seed, "n")
    )


@pytest.mark.parametrize("others", [0.0, 1.0, 7.0, 50.0])
def test_one_person_moves_a_distributed_vector_by_no_more_than_her_event_says(others: float) -> None:
    """Guarantee B3, with the rounding's randomness shared, also where the client's sum hits the ball."""
    generator, of = np.random.default_rng(0), plan()
    event = event_of(plan(noise="skellam", noise_multiplier=1.0))
    worst = 0.0
    for trial in range(40):
        base = generator.normal(size=LENGTH)
        base *= others / np.linalg.norm(base)
        person = generator.normal(size=LENGTH) if trial % 2 else np.eye(LENGTH)[trial]
        person /= np.linalg.norm(person)
        moved = vector(base + person, of, trial) - vector(base, of, trial)
        worst = max(worst, float(np.linalg.norm(moved.astype(np.float64))))
    assert worst <= event.sensitivity  # type: ignore[union-attr]
    if others < 7:
        assert worst >= 0.98 * of.update.scale, "the bound would be vacuous"


def test_a_device_update_never_exceeds_its_norm_after_rounding() -> None:
    generator, of = np.random.default_rng(1), plan("device", clipping_norm=0.5)
    for size in (0.01, 0.5, 3.0, 1e6):
        update = generator.normal(size=LENGTH)
        encoded = vector(update * size / np.linalg.norm(update), of)[:LENGTH]
        assert np.linalg.norm(encoded.astype(np.float64)) <= 0.5 * of.update.scale


@pytest.mark.parametrize("mode", ["distributed", "silo", "device"])
def test_with_privacy_no_count_and_no_loss_are_in_the_vector(mode: str) -> None:
    told = LocalResult(np.ones(LENGTH, np.float32), persons=99, loss_sum=123.0, loss_count=77)
    silent = LocalResult(np.ones(LENGTH, np.float32))
    sources = [(TestOnlySource(3, "r"), TestOnlySource(3, "n")) for _ in range(2)]
    np.testing.assert_array_equal(
        contribute(told, plan(mode), *sources[0]), contribute(silent, plan(mode), *sources[1])
    )


def test_non_finite_updates_become_zero() -> None:
    for bad in (np.nan, np.inf, -np.inf):
        update = np.ones(LENGTH)
        update[3] = bad
        assert not vector(update, plan())[:LENGTH].any()


def test_every_part_of_the_vector_is_noised() -> None:
    of = plan(noise="skellam", noise_multiplier=2.0)
    noised = np.stack([vector(np.zeros(LENGTH), of, seed) for seed in range(200)]).astype(np.float64)
    expected = 2.0 * 8.0 * of.update.scale / math.sqrt(3)
    spread = noised.std(axis=0)
    assert spread.min() > 0.8 * expected
    assert noised.std() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("mode", ["distributed", "silo", "device", "none"])
def test_the_sum_is_read_as_the_mean_update(mode: str) -> None:
    of = plan(mode, scale=1 << 16)
    generator = np.random.default_rng(2)
    updates = [generator.normal(size=LENGTH).astype(np.float32) * 0.02 for _ in range(3)]
    source = SystemSource()
    results = [LocalResult(update, persons=2, loss_sum=4.0, loss_count=8) for update in updates]
    total = sum(contribute(result, of, source, source).astype(np.int64) for result in results)
    read = read_sum(total, 3, of)
    mean = np.mean(updates, axis=0)
    expected = mean * (of.training.learning_rate / of.training.divisor) if mode == "distributed" else mean
    np.testing.assert_allclose(read.step, expected, atol=2.0**-11)
    assert read.train_loss == (0.5 if mode == "none" else None)


def test_plans_whose_bound_leaves_no_room_are_refused() -> None:
    with pytest.raises(PolicyError, match="raise the scale"):
        projection_norm(plan(scale=1, clipping_norm=1.0))
    with pytest.raises(PolicyError, match="lower it"):
        projection_norm(plan(clipping_norm=1000.0))
