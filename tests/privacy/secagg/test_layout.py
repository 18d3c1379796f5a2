from __future__ import annotations

import math

import numpy as np
import pytest

from mien.errors import PolicyError, ProtocolError
from privacy.randomness import TestOnlySource
from privacy.secagg.layout import Metric, VectorLayout

LAYOUT = VectorLayout(100, (Metric("loss", 0, 10), Metric("gain", -2, 2, scale=1 << 14)))
COHORT = [f"d{index}" for index in range(5)]


@pytest.fixture
def plan(plan_for):
    return plan_for(COHORT, vector_length=LAYOUT.length, scale=1 << 16, clipping_norm=4.0, weight_bound=2.0)


@pytest.mark.parametrize("bits", [32, 64])
def test_sums_of_contributions_decode_to_sums(plan_for, bits):
    plan = plan_for(
        COHORT, vector_length=104, scale=1 << 16, clipping_norm=4.0, weight_bound=2.0, field_bits=bits
    )
    rng = np.random.default_rng(1)
    total = np.zeros(LAYOUT.length, np.int64)
    expected = np.zeros(100)
    for index in range(5):
        update = (rng.normal(size=100) / 20).astype(np.float32)
        weight = 0.25 + index / 4
        made = LAYOUT.encode(
            update, weight, 10 + index, {"loss": 1.5, "gain": -1.0}, plan, TestOnlySource(index)
        )
        assert made.vector.dtype == np.dtype(f"int{bits}")
        assert made.report.norm == pytest.approx(weight * np.linalg.norm(update), rel=1e-4)
        total += made.vector
        expected += weight * update
    decoded = LAYOUT.decode(total, plan)
    np.testing.assert_allclose(decoded.update, expected, atol=6 / (1 << 16))
    assert decoded.weight == 5 * 0.25 + 10 / 4
    assert decoded.count == 60
    assert decoded.metrics == {"loss": 7.5, "gain": -5.0}
    np.testing.assert_allclose(decoded.mean_update(), expected / decoded.weight, atol=1e-4)


def test_bounded_figures_stay_within_their_bounds(plan):
    bounds = LAYOUT.tail_bounds(plan)
    assert bounds == (2 << 16, 1 << 20, 10 << 10, 2 << 14)
    for weight, count, loss, gain in (
        (2.0, 1 << 30, 1e9, -1e9),
        (0.0, 0, math.nan, math.inf),
        (1.3, 5, -7, 3),
    ):
        made = LAYOUT.encode(
            np.zeros(100, np.float32), weight, count, {"loss": loss, "gain": gain}, plan, TestOnlySource(1)
        )
        tail = made.vector[100:]
        assert all(abs(int(value)) <= bound for value, bound in zip(tail, bounds, strict=True))
        assert tail[2] >= 0


def test_a_metric_is_rounded_without_bias(plan):
    layout = VectorLayout(1, (Metric("loss", 0, 1, scale=1),))
    small = plan.model_copy(update={"secagg": plan.secagg.model_copy(update={"vector_length": 4})})
    source = TestOnlySource(1)
    made = [
        layout.encode(np.zeros(1, np.float32), 1.0, 1, {"loss": 0.3}, small, source).vector[3]
        for _ in range(2000)
    ]
    assert 520 < sum(int(value) for value in made) < 680


def test_what_does_not_fit_is_refused(plan, plan_for):
    source = TestOnlySource(1)
    update = np.zeros(100, np.float32)
    with pytest.raises(PolicyError, match="vector of 40 elements, this layout has 104"):
        LAYOUT.check(plan_for(COHORT))
    with pytest.raises(PolicyError, match="count needs 1073741824 units"):
        VectorLayout(100, LAYOUT.metrics, count_bound=1 << 30).check(plan)
    with pytest.raises(PolicyError, match=r"metrics \['loss', 'gain'\], got metrics \['loss'\]"):
        LAYOUT.encode(update, 1.0, 1, {"loss": 1.0}, plan, source)
    with pytest.raises(PolicyError, match="count of at least 0"):
        LAYOUT.encode(update, 1.0, -1, {"loss": 1.0, "gain": 0.0}, plan, source)
    with pytest.raises(ProtocolError, match="expected a sum of shape"):
        LAYOUT.decode(np.zeros(3, np.int64), plan)
    with pytest.raises(ProtocolError, match="the weights sum to 0"):
        LAYOUT.decode(np.zeros(104, np.int64), plan).mean_update()
    for low, high in ((1, 1), (0, math.inf), (math.nan, 1)):
        with pytest.raises(PolicyError, match="not a finite range"):
            Metric("m", low, high)
    with pytest.raises(PolicyError, match="scale must be at least 1"):
        Metric("m", 0, 1, scale=0)
    with pytest.raises(PolicyError, match="distinct names"):
        VectorLayout(1, (Metric("m", 0, 1), Metric("m", 0, 2)))
