"""One run: bounds below the claim, above zero, and faults found; a network that really learns beside them."""

from __future__ import annotations

import numpy as np
import pytest

from models.registry import build as build_model
from privacy.audit.attacks import bounds, canaries, registry
from privacy.audit.attacks.target import Target
from privacy.audit.conformance.build import Build
from privacy.audit.conformance.faults import planted, weaker_noise

MU = bounds.mu_of_epsilon(8.0, 1e-5)


def trained(build: Build) -> canaries.Trained:
    generator = np.random.Generator(np.random.PCG64(1))
    labels = generator.integers(0, 2, (12, 1)).astype(np.int8)
    columns = {"jaw": (1.0 + 0.1 * generator.standard_normal((12, 8))).astype(np.float32)}
    return canaries.train(
        build, build_model("face_shape", hidden=4), columns, labels, MU, canaries=1000, steps=4
    )


def test_a_correct_training_stays_below_its_claim_and_shows_leakage():
    result = canaries.judge(trained(Build()), MU)
    assert result.passed
    assert 0.25 < result.result["ratio_to_claim"] < 1.0
    assert result.result["epsilon_lower_steinke"] > 1.0
    assert 0.7 * 8.0 < result.result["epsilon_lower_if_independent"] < 8.0


@pytest.mark.parametrize("build", [weaker_noise(0.7), planted("no-clipping")])
def test_a_gross_fault_is_found(build):
    result = canaries.judge(trained(build), MU)
    assert not result.passed
    assert "REFUTED" in result.headline


def test_scores_are_centred_on_membership():
    found = trained(Build())
    assert found.scores[found.members].mean() == pytest.approx(1.0, abs=0.1)
    assert found.scores[~found.members].mean() == pytest.approx(0.0, abs=0.1)


def test_it_audits_the_model_and_the_persons_of_the_run(small_config, monkeypatch):
    monkeypatch.setattr(canaries, "CANARIES", 100)
    result = registry.perform(registry.find("canaries"), Target(small_config())).result
    assert result.passed
    assert 0 < result.result["loss_of_persons"] < 2
    assert len(canaries.one_photo_each(Target(small_config()))) == 11
