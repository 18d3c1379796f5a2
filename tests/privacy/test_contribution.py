"""What a client contributes: bounded for any person, private in every part, and read back as the mean."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mien.errors import PolicyError
from privacy.accounting.of_plan import event_of
from privacy.contribution import LocalResult, contribute, layout_for, projection_norm, read_sum
from privacy.mechanisms.adaptive import AdaptiveClipping, vote_sensitivity
from privacy.plan import LocalTraining, RoundPlan, SecureAggregation, Update
from privacy.randomness import SystemSource, TestOnlySource

LENGTH = 400


def plan(mode: str = "distributed", **update: object) -> RoundPlan:
    values: dict[str, object] = {"clipping_norm": 8.0, "scale": 1 << 12, "honest_survivors": 3, **update}
    encoding = Update(**values)  # type: ignore[arg-type]
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
        update=encoding,
        secagg=SecureAggregation(
            vector_length=layout_for(LENGTH, mode, encoding).length,
            neighbours=3,
            threshold=3,
            min_survivors=3,
        ),
    )


def vector(
    update: np.ndarray, of: RoundPlan, seed: int = 1, *, within: int = 0, beyond: int = 0
) -> np.ndarray:
    result = LocalResult(update.astype(np.float32), within=within, beyond=beyond)
    return contribute(result, of, TestOnlySource(seed, "r"), TestOnlySource(seed, "n"))


def adaptive_plan(mode: str, norm: float, share: float = 0.3, **update: object) -> RoundPlan:
    """Return a plan whose votes take so large a share that an accountant who forgets them is far off."""
    bound, scale = (8.0 if mode == "distributed" else 1.0), 1 << 12
    values = {"clipping_norm": bound, "noise": "skellam", "noise_multiplier": 1.0 / bound, **update}
    return plan(mode, adaptive=AdaptiveClipping(count_share=share).in_plan(norm, scale), **values)


def quiet(of: RoundPlan) -> RoundPlan:
    """Return the plan without noise, which no plan with votes may be."""
    return of.model_copy(update={"update": of.update.model_copy(update={"noise": "none"})})


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


@pytest.mark.parametrize("norm", [1e-3, 1.0, 250.0])
@pytest.mark.parametrize("others", [0.0, 1.0, 5.0, 50.0])
def test_one_person_moves_gradient_and_votes_by_no_more_than_her_event_says(
    norm: float, others: float
) -> None:
    """B4 with B3 and Q1: all that the vector says of her, votes included, whatever the unit."""
    generator, of = np.random.default_rng(5), quiet(adaptive_plan("distributed", norm))
    event, worst = event_of(adaptive_plan("distributed", norm)), 0.0
    for trial in range(20):
        base = generator.normal(size=LENGTH)
        base *= others / np.linalg.norm(base) * norm
        person = generator.normal(size=LENGTH)
        person *= norm / np.linalg.norm(person)
        vote = {"within": 1} if trial % 2 else {"beyond": 1}
        with_her = vector(base + person, of, trial, **vote)
        moved = with_her - vector(base, of, trial)
        worst = max(worst, float(np.linalg.norm(moved.astype(np.float64))))
    assert worst <= event.sensitivity  # type: ignore[union-attr]
    if others < 5:
        assert worst >= 0.97 * event.sensitivity, "the bound would be vacuous"  # type: ignore[union-attr]
        alone = math.sqrt(event.sensitivity**2 - vote_sensitivity(of.update.adaptive) ** 2)  # type: ignore[union-attr]
        assert worst > alone, "a vote that is not accounted for is seen"


@pytest.mark.parametrize("size", [1e-9, 0.5, 0.9999, 1.0001, 3.0, 1e9, math.nan])
def test_a_device_and_its_vote_keep_the_joint_norm(size: float) -> None:
    """B4 with B2 and Q1."""
    generator, of = np.random.default_rng(6), quiet(adaptive_plan("device", 0.02))
    update = generator.normal(size=LENGTH)
    encoded = vector(update * 0.02 * size / np.linalg.norm(update), of).astype(np.float64)
    weight, count, vote = encoded[LENGTH:]
    adaptive = of.update.adaptive
    assert adaptive is not None
    assert (weight, count) == (of.update.scale, 0)
    assert vote == (adaptive.within if size < 1 else -adaptive.beyond), "not finite: no vote for less"
    joint = math.hypot(float(np.linalg.norm(encoded[:LENGTH])), vote)
    assert joint <= event_of(adaptive_plan("device", 0.02)).sensitivity  # type: ignore[union-attr]


def test_votes_carry_noise_like_everything_else() -> None:
    """Planted fault: votes added after the noise would show the exact count; here no two draws agree."""
    of = adaptive_plan("device", 1.0, noise_multiplier=2.0)
    cast = np.array([int(vector(np.zeros(LENGTH), of, seed)[-1]) for seed in range(300)])
    assert of.update.adaptive is not None
    noise = cast - of.update.adaptive.within
    assert noise.std() == pytest.approx(2.0 * of.update.scale / math.sqrt(3), rel=0.15)
    assert abs(noise.mean()) < 5 * noise.std() / math.sqrt(300)


@pytest.mark.parametrize("mode", ["distributed", "device"])
@pytest.mark.parametrize("norm", [0.01, 1.0, 100.0])
def test_the_sum_is_read_in_the_model_s_own_units_and_the_votes_as_a_share(mode: str, norm: float) -> None:
    of, source = quiet(adaptive_plan(mode, norm)), SystemSource()
    generator = np.random.default_rng(2)
    updates = [generator.normal(size=LENGTH).astype(np.float32) * 0.01 * norm for _ in range(4)]
    if mode == "device":
        updates[0] *= 100
    told = [LocalResult(update, within=index % 2, beyond=2) for index, update in enumerate(updates)]
    read = read_sum(sum(contribute(each, of, source, source).astype(np.int64) for each in told), 4, of)
    if mode == "device":
        updates[0] *= norm / np.linalg.norm(updates[0])
        assert read.share_within == pytest.approx(3 / 4, abs=1e-3)
    else:  # 10 persons voted where 8 were guessed: 2 within, 8 beyond
        assert read.share_within == pytest.approx(0.5 + (2 * 0.5 - 8 * 0.5) / 8, abs=1e-3)
    mean = np.mean(updates, axis=0)
    expected = mean * (of.training.learning_rate / of.training.divisor) if mode == "distributed" else mean
    np.testing.assert_allclose(read.step, expected, atol=norm * 2.0**-11)


def test_plans_whose_bound_leaves_no_room_are_refused() -> None:
    with pytest.raises(PolicyError, match="raise the scale"):
        projection_norm(plan(scale=1, clipping_norm=1.0))
    with pytest.raises(PolicyError, match="lower it"):
        projection_norm(plan(clipping_norm=1000.0))
