"""Adaptive clipping: right sign, right cost."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import ConfigError
from privacy.mechanisms.adaptive import AdaptiveClipping
from privacy.mechanisms.distributed import noise_share
from privacy.plan import Update
from privacy.randomness import TestOnlySource


def _run(
    encode, start: float, target: float, rounds: int, noise_multiplier: float
) -> tuple[list[float], np.ndarray]:
    """Follow the quantile of lognormal update norms through the real encoding, noise and sum."""
    rng = np.random.default_rng(8)
    clients, scale = 60, 1 << 16
    rule = AdaptiveClipping(target_quantile=target)
    norms = rng.lognormal(0.0, 0.6, clients)
    norm, history = start, []
    for round_ in range(rounds):
        update = Update(clipping_norm=norm, scale=scale, noise="skellam", noise_multiplier=noise_multiplier)
        total = np.zeros(9, dtype=np.int64)
        for number, length in enumerate(norms):
            direction = rng.normal(size=8)
            joint, _ = rule.clip_and_tell(direction * length / np.linalg.norm(direction), norm)
            encoded = encode(joint, update, clients, str(round_), str(number))
            source = TestOnlySource(round_, str(number))
            total += encoded + noise_share(9, update, clients, source)
        fraction = rule.fraction_within(total[-1] / scale, clients, norm)
        norm = rule.next_norm(norm, fraction)
        history.append(norm)
    return history, norms


@pytest.mark.parametrize(("start", "target"), [(0.05, 0.5), (15.0, 0.5), (0.05, 0.3), (15.0, 0.8)])
def test_it_converges_from_both_sides(encode, start, target):
    history, norms = _run(encode, start, target, 90, 0.5)
    within = np.mean(norms <= np.exp(np.mean(np.log(history[-20:]))))
    assert within == pytest.approx(target, abs=0.07)
    first = [history[0] > start, history[5] > history[0]]
    assert first == [start < 1, start < 1]  # the right sign from the first round on


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20),
    st.floats(1e-3, 1e3),
    st.floats(0.01, 1.0),
)
@settings(max_examples=200, deadline=None)
def test_the_joint_vector_keeps_the_norm_that_the_noise_is_sized_for(values, norm, weight):
    rule = AdaptiveClipping(indicator_weight=weight)
    joint, _ = rule.clip_and_tell(np.array(values), norm)
    assert sum(Fraction(float(value)) ** 2 for value in joint) <= Fraction(norm) ** 2
    assert abs(joint[-1]) == pytest.approx(0.5 * weight * norm, rel=1e-9)


def test_the_indicator_says_whether_the_update_was_within():
    rule = AdaptiveClipping(indicator_weight=0.2)
    kept = rule.update_norm(1.0)
    assert kept == pytest.approx(math.sqrt(0.99))
    assert rule.clip_and_tell(np.array([kept * 0.999, 0.0]), 1.0)[0][-1] > 0
    assert rule.clip_and_tell(np.array([1.0, 0.0]), 1.0)[0][-1] < 0
    joint, report = rule.clip_and_tell(np.array([np.nan, 0.0]), 1.0)
    assert joint[-1] < 0  # it must not vote for a smaller norm
    assert report.non_finite == 1
    assert not joint[:-1].any()


def test_the_fraction_is_unbiased_and_as_noisy_as_stated():
    rule = AdaptiveClipping(indicator_weight=0.2)
    indicators = 0.5 * 0.2 * 3.0 * np.array([1] * 30 + [-1] * 10)
    assert rule.fraction_within(float(indicators.sum()), 40, 3.0) == pytest.approx(0.75)
    update = Update(clipping_norm=3.0, noise="skellam", noise_multiplier=0.5)
    noise = noise_share(100_000, update, 1, TestOnlySource(4)) / update.scale
    counts = np.array([rule.fraction_within(value, 40, 3.0) for value in noise]) * 40
    assert counts.std() == pytest.approx(rule.count_deviation(0.5), rel=0.02)


def test_steps_are_bounded_whatever_the_noise_says():
    rule = AdaptiveClipping(learning_rate=0.2, lowest=0.5, highest=2.0)
    assert rule.next_norm(1.0, 1e9) == pytest.approx(math.exp(-0.2))
    assert rule.next_norm(1.0, -1e9) == pytest.approx(math.exp(0.2))
    assert rule.next_norm(0.51, 5.0) == 0.5
    assert rule.next_norm(1.99, -5.0) == 2.0


@pytest.mark.parametrize(
    "change",
    [
        {"target_quantile": 0.0},
        {"learning_rate": 0.0},
        {"indicator_weight": 1.5},
        {"lowest": 2.0, "highest": 1.0},
    ],
)
def test_senseless_rules_are_refused(change):
    with pytest.raises(ConfigError, match="adaptive clipping"):
        AdaptiveClipping(**change)
