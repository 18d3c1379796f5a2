from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from mien.errors import PolicyError, ProtocolError
from privacy.randomness import TestOnlySource
from privacy.secagg import encoding
from privacy.secagg.encoding import check_capacity, element_bound, inner_norm, round_update

COHORT = [f"d{index}" for index in range(5)]


def rounded(update, plan, weight=1.0, seed=1, dtype=np.int32):
    out = np.full(len(update), 77, dtype)
    report = round_update(update, weight, plan, TestOnlySource(seed), out)
    return out, report


def exact_norm(vector) -> float:
    return math.sqrt(sum(int(value) ** 2 for value in vector))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 1 << 30),
    length=st.integers(1, 700),
    norm=st.floats(1e-9, 1e9),
    clip=st.floats(0.05, 20),
    scale=st.sampled_from([1 << 10, 1 << 16, 1 << 20]),
    dtype=st.sampled_from([np.float32, np.float64]),
    sparse=st.booleans(),
)
def test_no_rounded_update_is_longer_than_the_bound(plan_for, seed, length, norm, clip, scale, dtype, sparse):
    rng = np.random.default_rng(seed)
    update = rng.normal(size=length) * (rng.random(length) < 0.05 if sparse else 1.0)
    update *= norm / (np.linalg.norm(update) or 1.0)
    plan = plan_for(COHORT, clipping_norm=clip, scale=scale, vector_length=length, field_bits=64)
    try:
        check_capacity(plan)
    except PolicyError:
        return
    out, report = rounded(update.astype(dtype), plan, seed=seed, dtype=np.int64)
    assert exact_norm(out) <= clip * scale
    assert report.norm == pytest.approx(np.linalg.norm(update.astype(dtype)), rel=1e-4)
    bound = inner_norm(clip, scale, length) / scale
    if report.norm < 0.999 * bound:
        assert not report.clipped
        assert np.abs(out - update * scale).max() <= 1 + 1e-6 * scale * norm
    elif report.norm > 1.001 * bound:
        assert report.clipped
        shrunk = update / np.linalg.norm(update) * bound * scale
        assert np.abs(out - shrunk).max() <= 1 + 1e-4 * bound * scale


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.0, 0.25, -0.25, 0.999, -0.001, 3.5, -1000.75])
def test_rounding_is_unbiased_and_goes_to_the_neighbours_only(plan_for, dtype, value):
    length = 40_000
    plan = plan_for(COHORT, clipping_norm=1e6, scale=1, vector_length=length, field_bits=64)
    out, _ = rounded(np.full(length, value, dtype), plan, dtype=np.int64)
    low, up = math.floor(value), value - math.floor(value)
    assert set(np.unique(out)) <= {low, low + (up > 0)}
    ups = int((out - low).sum())
    assert stats.binomtest(ups, length, up).pvalue > 1e-4 if up else ups == 0


def test_coordinates_are_rounded_independently(plan_for):
    length = 1 << 17
    plan = plan_for(COHORT, clipping_norm=1e6, scale=1, vector_length=length, field_bits=64)
    out, _ = rounded(np.full(length, 0.5, np.float32), plan, dtype=np.int64)
    for lag in (1, 2, 256, 1 << 16):
        assert abs(np.corrcoef(out[:-lag], out[lag:])[0, 1]) < 5 / math.sqrt(length - lag)
    other, _ = rounded(np.full(length, 0.5, np.float32), plan, seed=2, dtype=np.int64)
    assert abs(np.corrcoef(out, other)[0, 1]) < 5 / math.sqrt(length)


def test_integers_stay_what_they_are(plan_for):
    plan = plan_for(COHORT, clipping_norm=1e5, scale=4, vector_length=2001, field_bits=64)
    values = np.arange(-1000, 1001)
    for dtype in (np.float32, np.float64):
        out, _ = rounded((values / 4).astype(dtype), plan, dtype=np.int64)
        np.testing.assert_array_equal(out, values)


def test_the_weight_multiplies_before_clipping(plan_for):
    plan = plan_for(COHORT, clipping_norm=10.0, scale=1 << 16, vector_length=3, weight_bound=8.0)
    update = np.array([1.0, -2.0, 0.5], np.float32)
    out, _ = rounded(update, plan, weight=4.0)
    np.testing.assert_array_equal(out, update * 4 * (1 << 16))
    out, report = rounded(update, plan, weight=8.0)
    assert report.clipped
    assert exact_norm(out) <= 10 * (1 << 16)
    np.testing.assert_allclose(out / out[0], update, rtol=1e-4)
    for bad in (-0.1, 8.1, math.nan):
        with pytest.raises(PolicyError, match=r"the weight is not in \[0, 8\]"):
            rounded(update, plan, weight=bad)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_makes_the_update_zero(plan_for, bad):
    plan = plan_for(COHORT, vector_length=1000)
    update = np.ones(1000, np.float32)
    update[[3, 900]] = bad
    out, report = rounded(update, plan)
    assert not out.any()
    assert report.non_finite == 2


@pytest.mark.parametrize("size", [1e-40, 1e-30, 1e30, 3e38])
def test_extreme_sizes_neither_vanish_nor_overflow(plan_for, size):
    plan = plan_for(COHORT, vector_length=1000)
    out, report = rounded(np.full(1000, size, np.float32), plan)
    if size > 1:
        assert report.clipped
        assert 0.9 * 4096 < exact_norm(out) <= 4096
    else:
        assert np.count_nonzero(out) < 5


def test_zero_stays_zero(plan_for):
    out, report = rounded(np.zeros(70_000, np.float32), plan_for(COHORT, vector_length=70_000))
    assert not out.any()
    assert report.norm == 0


def test_a_scale_that_is_too_coarse_is_refused(plan_for):
    plan = plan_for(COHORT, scale=16, vector_length=10_000)
    with pytest.raises(PolicyError, match="too coarse to round 10000 elements"):
        check_capacity(plan)


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({"scale": 1 << 16, "clipping_norm": 1.0}, True),
        ({"scale": 1 << 28, "clipping_norm": 1.5}, True),
        ({"scale": 1 << 28, "clipping_norm": 1.7}, False),
        ({"scale": 1 << 28, "clipping_norm": 1.7, "field_bits": 64}, True),
        ({"scale": 1 << 40, "clipping_norm": 1e4, "field_bits": 64}, False),
        ({"scale": 1 << 24, "noise": "skellam", "noise_multiplier": 1.0}, True),
        ({"scale": 1 << 24, "noise": "skellam", "noise_multiplier": 2.0}, False),
        ({"scale": 1 << 24, "noise": "skellam", "noise_multiplier": 2.0, "honest_survivors": 9}, True),
    ],
)
def test_capacity_is_checked_with_the_figures(plan_for, changes, fits):
    plan = plan_for(COHORT, **changes)
    if fits:
        check_capacity(plan)
        assert element_bound(plan) * len(COHORT) < 1 << (plan.secagg.field_bits - 1)
    else:
        with pytest.raises(PolicyError, match=r"one element must hold .* leave [0-9]+; lower the scale"):
            check_capacity(plan)


def test_shapes_and_dtypes_are_checked(plan_for):
    plan = plan_for(COHORT)
    for update, out in (
        (np.zeros(3, np.float16), np.zeros(3, np.int32)),
        (np.zeros((3, 1), np.float32), np.zeros((3, 1), np.int32)),
        (np.zeros(3, np.float32), np.zeros(4, np.int32)),
    ):
        with pytest.raises(ProtocolError, match="expected a flat float32 or float64"):
            round_update(update, 1.0, plan, TestOnlySource(1), out)


def test_a_rounding_that_is_too_long_is_drawn_again(plan_for):
    """At the bound itself: of many draws with a clip so near that most are too long, none gets through."""
    plan = plan_for(COHORT, clipping_norm=1.001, scale=100, vector_length=2, field_bits=64)
    update = np.array([60.3, 79.6]) / 100  # norm 99.86; 61 and 80 make 100.6
    out = np.zeros(2, np.int64)
    seen = set()
    for seed in range(300):
        rounding = encoding._Rounding(encoding._DOUBLE)
        accepted = rounding.draw(update, 100.0, 100.1, TestOnlySource(seed), out)
        assert accepted == (exact_norm(out) <= 100.1)
        seen.add(tuple(out))
        round_update(update, 1.0, plan, TestOnlySource(seed), out)
        assert exact_norm(out) <= 100.1
    assert {(60, 79), (60, 80), (61, 79), (61, 80)} == seen
