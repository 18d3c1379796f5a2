"""The event that a device pays is the one its plan, its noise and an auditor agree on."""

from __future__ import annotations

import math

import pytest

from privacy.accounting.epsilon import epsilon
from privacy.accounting.events import GaussianSum, PersonSampledSkellamSum, PoissonGaussian
from privacy.accounting.of_plan import event_of, released_event
from privacy.mechanisms.adaptive import AdaptiveClipping
from privacy.mechanisms.distributed import NoisePlan
from privacy.plan import LocalTraining, RoundPlan, SecureAggregation, Update


def _plan(mode, **update):
    training = LocalTraining(
        steps=12,
        sampling_rate=0.05,
        divisor=10.0,
        photos_per_record=4,
        learning_rate=0.1,
        clipping_norm=1.0,
        noise_multiplier=1.3,
    )
    return RoundPlan(
        run="r",
        round=1,
        purpose="training",
        mode=mode,
        model="m",
        model_hash="0" * 64,
        cohort=tuple(f"c{n:02d}" for n in range(20)),
        training=training,
        update=Update(
            **{
                "clipping_norm": 1.0,
                "noise": "skellam",
                "noise_multiplier": 0.9,
                "honest_survivors": 15,
                **update,
            }
        ),
        secagg=SecureAggregation(vector_length=1000, neighbours=19, threshold=13, min_survivors=17),
    )


def test_silo_mode_is_dp_sgd():
    assert event_of(_plan("silo", noise="none")) == PoissonGaussian(0.05, 1.3, 12)


@pytest.mark.parametrize("kind", ["skellam", "discrete_gaussian"])
def test_device_mode_charges_exactly_what_the_share_draws(kind):
    plan = _plan("device", noise=kind)
    event = event_of(plan)
    assert event == NoisePlan.of(plan.update, 15).event(plan.update, 1000)
    assert epsilon([event], 1e-5).epsilon == pytest.approx(
        epsilon([GaussianSum(0.9)], 1e-5).epsilon, abs=1e-5
    )


def test_distributed_mode_counts_persons_and_the_rounding_of_the_clients_sum():
    event = event_of(_plan("distributed", clipping_norm=8.0))
    assert isinstance(event, PersonSampledSkellamSum), "persons are drawn where the server cannot see it"
    assert event.client_rate == 0.05
    assert event.clipping_norm >= 1.0 + math.sqrt(1000) / event.scale
    assert event.clipping_norm < 1.01
    assert event.noise_multiplier == pytest.approx(0.9 * 8.0 / event.clipping_norm)


@pytest.mark.parametrize(("mode", "noise"), [("none", "skellam"), ("none", "none"), ("device", "none")])
def test_a_plan_without_noise_costs_everything(mode, noise):
    assert epsilon([event_of(_plan(mode, noise=noise))], 1e-5).epsilon == math.inf


@pytest.mark.parametrize("mode", ["device", "distributed"])
def test_votes_of_adaptive_clipping_are_part_of_the_sensitivity(mode):
    rule = AdaptiveClipping(count_share=0.2).in_plan(7.0, 1 << 16)
    fixed, moving = event_of(_plan(mode)), event_of(_plan(mode, adaptive=rule))
    assert moving.sensitivity == pytest.approx(math.hypot(fixed.sensitivity, rule.within))
    assert moving.variance == fixed.variance
    assert fixed.noise_multiplier / moving.noise_multiplier == pytest.approx(1 / math.sqrt(0.8), rel=5e-3)


def test_a_recipient_faces_the_noise_of_all_survivors_and_never_less_than_the_plan_s():
    plan = _plan("device")
    charged, opened = event_of(plan), released_event(plan, 20)
    assert opened.noise_multiplier == pytest.approx(charged.noise_multiplier * math.sqrt(20 / 15))
    assert released_event(plan, 3) == charged
    silo = _plan("silo", noise="none")
    assert released_event(silo, 20) == event_of(silo)
