"""RMIA finds members where nothing protects them, and nothing where there is nothing to find."""

from __future__ import annotations

import numpy as np
import pytest

from privacy.audit.attacks import registry, rmia, shadows
from privacy.audit.attacks.curves import area
from privacy.audit.attacks.target import Target

PERSONS, MODELS = 60, 32


@pytest.fixture(scope="module")
def members():
    return shadows.halves(MODELS, PERSONS)


@pytest.fixture(scope="module")
def noise():
    return np.random.Generator(np.random.PCG64(3)).standard_normal((MODELS, PERSONS, 4))


def test_control_models_that_nobody_trained_tell_nothing(members, noise):
    found = rmia.rmia(noise, members)
    assert abs(area(found.scores.ravel(), found.members.ravel()) - 0.5) < 0.04
    assert found.tpr(0.01) < 0.03


def test_models_that_learned_their_persons_by_heart_tell_all(members, noise):
    found = rmia.rmia(noise + 8.0 * members[:, :, None], members)
    assert found.tpr(0.01) > 0.95


def test_what_is_likely_under_every_model_is_no_evidence(members, noise):
    """Easy persons and generous models must not be taken for members."""
    easy = 4.0 * np.arange(PERSONS)[None, :, None] / PERSONS
    generous = 2.0 * np.arange(MODELS)[:, None, None] / MODELS
    found = rmia.rmia(0.2 * noise + 3.0 * members[:, :, None] + easy + generous, members)
    assert area(found.scores.ravel(), found.members.ravel()) > 0.8
    plain = rmia.rmia(0.2 * noise + easy + generous, members)
    assert abs(area(plain.scores.ravel(), plain.members.ravel()) - 0.5) < 0.05


def test_the_score_is_the_share_of_outsiders_beaten():
    ratios = np.array([0.3, 0.1, 0.2, 0.0])
    outside = np.array([False, True, True, True])
    assert rmia._share_beaten(ratios, outside) == pytest.approx([1.0, 0.5, 1.0, 0.0])


def test_it_uses_the_shadow_models_of_lira(small_config, monkeypatch):
    monkeypatch.setattr(shadows, "MODELS", 8)
    monkeypatch.setattr(shadows, "PLAIN_STEPS", 20)
    monkeypatch.setattr(shadows, "PRIVATE_STEPS", 5)
    target = Target(small_config())
    first = registry.perform(registry.find("membership"), target).result
    monkeypatch.setattr(shadows, "train_all", lambda *given: pytest.fail("the models were trained twice"))
    result = registry.perform(registry.find("rmia"), target).result
    assert result.result["models"] == first.result["models"] == 8
    assert result.result["tpr_at_fpr_1_percent_at_most"] == first.result["tpr_at_fpr_1_percent_at_most"]
    low, high = result.result["tpr_at_fpr_0.1_percent_interval"]
    assert 0 <= low <= high <= 1
    assert result.method.startswith("RMIA")
