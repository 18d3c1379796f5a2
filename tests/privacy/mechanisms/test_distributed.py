"""Shares of noise: the sum has what the plan promises, and not a bit less."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mien.errors import PolicyError
from privacy.accounting.epsilon import epsilon
from privacy.accounting.events import GaussianSum
from privacy.mechanisms.distributed import NoisePlan, field_bits_needed, noise_share
from privacy.plan import Update
from privacy.randomness import TestOnlySource

KINDS = ["skellam", "discrete_gaussian"]


def _update(kind="skellam", **change):
    return Update(
        **{"clipping_norm": 2.0, "scale": 1 << 16, "noise": kind, "noise_multiplier": 0.8, **change}
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("survivors", "present"), [(10, 10), (10, 14), (1, 3)])
def test_the_sum_has_the_planned_deviation_with_the_fewest_survivors_and_more_with_more(
    kind, survivors, present
):
    update = _update(kind)
    total = sum(
        noise_share(200_000, update, survivors, TestOnlySource(1, kind, str(n))) for n in range(present)
    )
    assert total.dtype == np.int64
    planned = 0.8 * 2.0 * 65_536
    expected = planned * math.sqrt(present / survivors)
    assert total.std() == pytest.approx(expected, rel=5e-3)
    assert total.std() > 0.995 * planned


@pytest.mark.parametrize("kind", KINDS)
def test_the_event_is_what_the_sum_costs(kind):
    plan = NoisePlan.of(_update(kind), 10)
    event = plan.event(_update(kind), 100_000)
    assert event.noise_multiplier == pytest.approx(0.8)
    assert epsilon([event], 1e-5).epsilon == pytest.approx(
        epsilon([GaussianSum(0.8)], 1e-5).epsilon, abs=1e-5
    )
    assert plan.event(_update(kind), 100_000, client_rate=0.1).client_rate == 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_round_decodes_to_the_clipped_sum_plus_noise(kind, encode):
    update, clients, length = _update(kind), 12, 5_000
    rng = np.random.default_rng(2)
    vectors = [rng.normal(size=length) / 10 for _ in range(clients)]
    uploads, clean = np.zeros(length, dtype=np.uint32), np.zeros(length)
    for number, vector in enumerate(vectors):
        encoded = encode(vector, update, clients, str(number))
        clean += encoded / update.scale
        share = noise_share(length, update, 10, TestOnlySource(3, kind, str(number)))
        uploads += (encoded + share).astype(np.uint32)  # the field: 32-bit words that wrap around
    decoded = uploads.view(np.int32) / update.scale
    noise = decoded - clean
    assert noise.std() == pytest.approx(0.8 * 2.0 * math.sqrt(12 / 10), rel=0.05)
    assert abs(noise.mean()) < 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_no_share_is_larger_than_its_bound_and_the_field_holds_the_sum(kind):
    update = _update(kind, clipping_norm=1.0)
    plan = NoisePlan.of(update, 10)
    share = noise_share(1_000_000, update, 10, TestOnlySource(5))
    assert np.abs(share).max() <= plan.largest_share <= 15 * math.sqrt(plan.share_variance)
    bits = field_bits_needed(50, 65_536.0, plan)
    largest = 50 * (65_536 + plan.largest_share)
    assert 2 ** (bits - 1) <= 2 * largest + 1 < 2**bits
    assert field_bits_needed(10_000, 65_536.0, plan) > bits


def test_no_noise_is_refused_and_not_silently_zero():
    for update in (_update(noise="none"), _update(noise_multiplier=0.0)):
        with pytest.raises(PolicyError, match="no noise"):
            noise_share(10, update, 5, TestOnlySource(1))
    with pytest.raises(PolicyError, match="honest_survivors"):
        noise_share(10, _update(), 0, TestOnlySource(1))


def test_fewer_survivors_than_planned_would_cost_what_the_table_says():
    """The attack on N1: were a sum opened with half of the planned survivors, ε would be 2.3 times as large."""
    plan = NoisePlan.of(_update(noise_multiplier=1.0), 100)
    event = plan.event(_update(noise_multiplier=1.0), 1000)
    opened_with = type(event)(**{**vars(event), "survivors": 50})
    assert epsilon([opened_with], 1e-5).epsilon > 1.4 * epsilon([event], 1e-5).epsilon
