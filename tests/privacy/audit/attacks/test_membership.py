"""Members are found where nothing protects them, and no more than the claim allows where ε is small."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mien.errors import MienError
from privacy.audit.attacks import membership, registry, shadows
from privacy.audit.attacks.target import Target
from privacy.audit.conformance.build import Build

PERSONS, MODELS = 60, 32


@pytest.fixture(scope="module")
def people():
    """Persons of noise with labels of noise: all that a model can learn of them is themselves."""
    generator = torch.Generator().manual_seed(1)
    centre = torch.randn(PERSONS, 1, 40, generator=generator)
    features = centre + 0.3 * torch.randn(PERSONS, shadows.PHOTOS, 40, generator=generator)
    labels = torch.randint(0, 2, (PERSONS, 1, 2), generator=generator).expand(-1, shadows.PHOTOS, -1)
    return shadows.People(features, labels.to(torch.int8).contiguous())


@pytest.fixture(scope="module")
def members():
    return shadows.halves(MODELS, PERSONS)


def test_everybody_trains_half_of_the_models(members):
    assert (members.sum(axis=0) == MODELS // 2).all()
    assert 0.3 < members.mean(axis=1).min() < members.mean(axis=1).max() < 0.7


def test_control_without_privacy_members_are_found(people, members):
    found = membership.lira(shadows.train_all(people, members, shadows.plain), members)
    assert found.tpr(0.01) > 0.5
    low, high = found.interval(0.01)
    assert low <= found.tpr(0.01) <= high


def test_at_small_epsilon_they_are_not(people, members):
    make = shadows.private(Build(), 1.0, 1e-3)
    found = membership.lira(shadows.train_all(people, members, make), members)
    assert found.tpr(0.01) < 0.05
    assert membership.area(found.scores.ravel(), found.members.ravel()) < 0.6


def test_scores_of_models_that_nobody_trained_tell_nothing(members):
    signals = np.random.Generator(np.random.PCG64(3)).standard_normal((MODELS, PERSONS, 4))
    found = membership.lira(signals, members)
    assert abs(membership.area(found.scores.ravel(), found.members.ravel()) - 0.5) < 0.06


def test_it_attacks_the_persons_of_the_run(small_config, monkeypatch):
    monkeypatch.setattr(shadows, "MODELS", 8)
    monkeypatch.setattr(shadows, "PLAIN_STEPS", 20)
    monkeypatch.setattr(shadows, "PRIVATE_STEPS", 5)
    attack = registry.find("membership")
    result = registry.perform(attack, Target(small_config())).result
    assert result.result["persons"] == 14
    assert result.result["tpr_at_fpr_1_percent_at_most"] > 0.05
    assert result.passed is not None
    assert set(result.figures.rocs) == {"without privacy"}
    open_ = registry.perform(attack, Target(small_config(privacy={"mode": "none"}))).result
    assert open_.passed is None
    assert "nothing protects" in open_.headline


def test_rows_without_faces_are_left_out(small_config):
    config = small_config(model={"attributes": ["Liked"]})
    try:
        outcome = registry.perform(registry.find("membership"), Target(config))
    except MienError:
        pytest.fail("an attack that does not apply must say so, not fail")
    assert outcome.result is None
