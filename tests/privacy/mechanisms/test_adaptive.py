"""Adaptive clipping: right sign, right cost."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import ConfigError
from privacy.mechanisms.adaptive import (
    AdaptiveClipping,
    share_deviation,
    share_within,
    vote_sensitivity,
    votes,
)
from privacy.mechanisms.distributed import noise_share
from privacy.plan import Update
from privacy.randomness import TestOnlySource

SCALE = 1 << 16


def _follow(start: float, rule: AdaptiveClipping, rounds: int) -> tuple[list[float], np.ndarray]:
    """Follow the quantile of lognormal norms through real votes, real noise, and a wrong guess of their number."""
    norms = np.random.default_rng(8).lognormal(0.0, 0.6, 60)
    norm, history = start, []
    for number in range(rounds):
        adaptive = rule.in_plan(norm, SCALE)
        update = Update(
            clipping_norm=1.0, noise="skellam", noise_multiplier=0.5, honest_survivors=60, adaptive=adaptive
        )
        total = 0
        for client, length in enumerate(norms):
            total += votes(adaptive, int(length <= norm), int(length > norm))
            total += int(noise_share(1, update, 60, TestOnlySource(number, str(client)))[0])
        norm = rule.next_norm(norm, share_within(adaptive, total, 45))
        history.append(norm)
    return history, norms


@pytest.mark.parametrize(("start", "quantile"), [(0.05, 0.5), (15.0, 0.5), (0.05, 0.3), (15.0, 0.8)])
def test_it_converges_from_both_sides(start: float, quantile: float) -> None:
    """Q4: to the right quantile, though 45 records were guessed where 60 voted."""
    history, norms = _follow(start, AdaptiveClipping(quantile=quantile), 90)
    within = np.mean(norms <= np.exp(np.mean(np.log(history[-20:]))))
    assert within == pytest.approx(quantile, abs=0.07)
    first = [history[0] > start, history[5] > history[0]]
    assert first == [start < 1, start < 1], "the right sign from the first round on"


@given(st.floats(0.01, 0.99), st.floats(1e-3, 0.5))
def test_the_votes_take_the_stated_share_of_the_privacy(quantile: float, share: float) -> None:
    """Q2, as Andrew et al. 2021 write it: 1/z² = 1/z_Δ² + 1/(2 σ_b)²."""
    adaptive = AdaptiveClipping(quantile=quantile, count_share=share).in_plan(3.0, SCALE)
    v, deviation = vote_sensitivity(adaptive), 1000.0
    z_delta, sigma_b = deviation / SCALE, deviation / (2 * v)
    total = deviation / math.hypot(SCALE, v)
    assert 1 / total**2 == pytest.approx(1 / z_delta**2 + 1 / (2 * sigma_b) ** 2)
    assert v**2 / (SCALE**2 + v**2) == pytest.approx(share, rel=1e-2)
    assert adaptive.beyond / (adaptive.within + adaptive.beyond) == pytest.approx(quantile, abs=2e-3)


@given(st.integers(0, 50), st.integers(0, 50))
def test_no_record_moves_the_votes_by_more_than_stated(within: int, beyond: int) -> None:
    adaptive = AdaptiveClipping(quantile=0.8).in_plan(1.0, SCALE)
    without = votes(adaptive, within, beyond)
    moves = (votes(adaptive, within + 1, beyond) - without, votes(adaptive, within, beyond + 1) - without)
    assert max(abs(move) for move in moves) == vote_sensitivity(adaptive)


def test_the_share_is_unbiased_and_as_noisy_as_stated() -> None:
    adaptive = AdaptiveClipping(quantile=0.3).in_plan(3.0, SCALE)
    assert share_within(adaptive, votes(adaptive, 30, 10), 40) == pytest.approx(0.75)
    update = Update(clipping_norm=1.0, noise="skellam", noise_multiplier=0.5, adaptive=adaptive)
    noise = noise_share(100_000, update, 1, TestOnlySource(4))
    shares = [share_within(adaptive, float(value), 40) for value in noise]
    assert np.std(shares) == pytest.approx(share_deviation(adaptive, 0.5 * SCALE, 40), rel=0.02)
    assert np.mean(shares) == pytest.approx(0.3, abs=5 * np.std(shares) / math.sqrt(100_000)), "no votes"


def test_steps_are_bounded_whatever_the_noise_says() -> None:
    rule = AdaptiveClipping(learning_rate=0.2, lowest=0.5, highest=2.0)
    assert rule.next_norm(1.0, 1e9) == pytest.approx(math.exp(-0.2))
    assert rule.next_norm(1.0, -1e9) == pytest.approx(math.exp(0.2))
    assert rule.next_norm(0.51, 5.0) == 0.5
    assert rule.next_norm(1.99, -5.0) == 2.0


@pytest.mark.parametrize(
    "change",
    [{"quantile": 0.0}, {"learning_rate": 0.0}, {"count_share": 0.6}, {"lowest": 2.0, "highest": 1.0}],
)
def test_senseless_rules_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="adaptive clipping"):
        AdaptiveClipping(**change)


def test_a_scale_without_room_for_a_vote_is_refused() -> None:
    with pytest.raises(ConfigError, match="scale_bits"):
        AdaptiveClipping(quantile=0.99, count_share=1e-3).in_plan(1.0, 16)
