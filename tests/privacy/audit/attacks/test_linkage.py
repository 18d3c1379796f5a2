"""Everybody is linked where only masks protect, and few where there is noise; sums go through the real cohort."""

from __future__ import annotations

import numpy as np
import pytest

from privacy.accounting.epsilon import tpr_at_fpr
from privacy.accounting.events import GaussianSum
from privacy.audit.attacks import bounds, linkage, registry
from privacy.audit.attacks.curves import area
from privacy.audit.attacks.shadows import halves
from privacy.audit.attacks.target import Target, ignore
from privacy.audit.conformance.build import Build

PERSONS, TRIALS = 40, 30


@pytest.fixture(scope="module")
def gradients():
    """Gradients of length 1 that have much in common, as real ones have."""
    generator = np.random.Generator(np.random.PCG64(1))
    drawn = generator.standard_normal((PERSONS, 2000)) + 0.5 * generator.standard_normal(2000)
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def linked(gradients, mu):
    members = halves(TRIALS, PERSONS)
    sums = linkage.trial_sums(Build(), gradients, members, mu, ignore)
    deviation = 2.0**-16 if mu is None else linkage.NORM / mu
    return linkage.link(gradients, sums, members, deviation)


def test_control_without_noise_everybody_is_linked(gradients):
    assert linked(gradients, None).tpr(0.01) > 0.99


@pytest.mark.parametrize("epsilon", [1.0, 8.0])
def test_noise_bounds_the_link_as_its_claim_says(gradients, epsilon):
    mu = bounds.mu_of_epsilon(epsilon, 1e-3)
    found = linked(gradients, mu)
    assert found.interval(0.01)[0] <= tpr_at_fpr([GaussianSum(1 / mu)], 0.01)
    auc = area(found.scores.ravel(), found.members.ravel())
    assert 0.5 < auc < 0.65 if epsilon == 1.0 else auc > 0.75, "where there is something to find, it is found"


def test_it_links_the_persons_of_the_run(small_config, monkeypatch):
    monkeypatch.setattr(linkage, "TRIALS", 12)
    result = registry.perform(registry.find("linkage"), Target(small_config())).result
    assert result.result["persons"] == 11
    assert result.result["without_noise_tpr_at_fpr_1_percent"] > 0.9
    open_ = registry.perform(registry.find("linkage"), Target(small_config(privacy={"mode": "none"}))).result
    assert open_.passed is None
    assert "alone does not hide" in open_.headline
