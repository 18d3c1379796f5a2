"""The claim of a correct build stands; 10 % and 50 % less noise are found; and the bound comes near the truth."""

from __future__ import annotations

import pytest

from privacy.audit.attacks import distinguishing, registry
from privacy.audit.attacks.target import Target
from privacy.audit.conformance.build import Build
from privacy.audit.conformance.faults import planted, weaker_noise

DELTA = 1e-5
MECHANISMS = [distinguishing.optimizer_mechanism, distinguishing.cohort_mechanism]


@pytest.mark.parametrize("make", MECHANISMS)
def test_a_correct_mechanism_stays_below_its_claim_and_above_85_percent_of_it(make):
    mechanism = make(Build(), 8.0, DELTA)
    assert mechanism.epsilon == pytest.approx(8.0, rel=2e-3)
    found = distinguishing.distinguish(mechanism, DELTA)
    assert 0.85 * mechanism.epsilon < found.epsilon_lower <= mechanism.epsilon
    assert found.epsilon_lower_any < found.epsilon_lower
    result = distinguishing.as_result(mechanism, found, DELTA)
    assert result.passed
    assert result.confidence == 0.9999


@pytest.mark.parametrize("make", MECHANISMS)
@pytest.mark.parametrize("factor", [0.9, pytest.param(0.5, marks=pytest.mark.slow)])
def test_too_little_noise_is_found(make, factor):
    mechanism = make(weaker_noise(factor), 8.0, DELTA)
    found = distinguishing.distinguish(mechanism, DELTA)
    assert found.epsilon_lower > mechanism.epsilon
    assert not distinguishing.as_result(mechanism, found, DELTA).passed


def test_a_missing_clip_is_found():
    mechanism = distinguishing.optimizer_mechanism(planted("no-clipping"), 8.0, DELTA)
    assert distinguishing.distinguish(mechanism, DELTA).epsilon_lower > mechanism.epsilon


def test_it_attacks_the_mechanism_of_the_run(small_config):
    silo = small_config(privacy={"mode": "silo"})
    result = registry.perform(registry.find("distinguishing"), Target(silo)).result
    assert "optimizer" in result.result["mechanism"]
    assert result.claim.epsilon == pytest.approx(8.0, abs=0.01)
    outcome = registry.perform(
        registry.find("distinguishing"), Target(small_config(privacy={"mode": "none"}))
    )
    assert outcome.result is None
    assert "no claim" in outcome.reason


@pytest.mark.slow
@pytest.mark.timeout(3600)  # about five minutes of a free processor at ε = 2
@pytest.mark.parametrize("make", MECHANISMS)
@pytest.mark.parametrize("target", [2.0, 4.0, 8.0])
def test_over_50_seeds_no_claim_of_a_correct_build_is_refuted(make, target):
    mechanism = make(Build(), target, DELTA)
    found = [distinguishing.distinguish(mechanism, DELTA).epsilon_lower for _ in range(50)]
    assert max(found) <= mechanism.epsilon
    assert sorted(found)[25] >= 0.85 * mechanism.epsilon
