"""Labels are read without noise, and no better than the claim allows with it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import special

from privacy.audit.attacks import attributes, bounds, registry
from privacy.audit.attacks.target import Target
from privacy.audit.conformance.build import Build


@pytest.fixture(scope="module")
def candidates():
    generator = np.random.Generator(np.random.PCG64(1))
    combinations = np.array(list(itertools.product((0, 1), repeat=2)), np.int8)
    drawn = generator.standard_normal((200, 4, 50))
    gradients = (drawn / np.linalg.norm(drawn, axis=2, keepdims=True)).astype(np.float32)
    return attributes.Candidates(gradients, combinations, generator.integers(0, 2, (200, 2)).astype(np.int8))


def test_control_without_noise_every_label_is_read(candidates):
    guesses = attributes.infer(Build(), candidates, None)
    assert attributes.balanced_accuracy(guesses, candidates.truth)[0] == 1.0


@pytest.mark.parametrize("epsilon", [0.5, 8.0])
def test_noise_bounds_what_is_read(candidates, epsilon):
    mu = bounds.mu_of_epsilon(epsilon, 1e-3)
    found, low, high = attributes.balanced_accuracy(
        attributes.infer(Build(), candidates, mu), candidates.truth
    )
    assert low < found < high
    assert low <= special.ndtr(mu)
    assert found < 0.6 if epsilon == 0.5 else found > 0.7


def test_it_asks_about_the_persons_of_the_run(small_config, monkeypatch):
    monkeypatch.setattr(attributes, "PERSONS", 4)
    result = registry.perform(registry.find("attributes"), Target(small_config())).result
    assert result.result["persons"] == 4
    assert result.passed
    many = small_config(
        model={"name": "skin", "options": {"width": 2}, "attributes": ["Pale_Skin", "Rosy_Cheeks"]}
    )
    monkeypatch.setattr(attributes, "MOST_ATTRIBUTES", 1)
    assert registry.perform(registry.find("attributes"), Target(many)).result is None
