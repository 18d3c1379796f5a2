"""Labels are read from plain and clipped gradients, not from masks, and from noised sums as far as claimed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import special

from privacy.audit.attacks import bounds, labels, registry
from privacy.audit.attacks.attributes import balanced_accuracy
from privacy.audit.attacks.target import Target
from privacy.audit.conformance.build import Build
from privacy.audit.conformance.faults import weaker_noise


@pytest.fixture(scope="module")
def target(small_config):
    return Target(small_config())


@pytest.fixture(scope="module")
def result(target):
    return registry.perform(registry.find("labels"), target).result


def drawn(seed, persons=200, parameters=50):
    """Gradients whose first elements are a cross-entropy's for two biases, and whose rest is noise."""
    generator = np.random.Generator(np.random.PCG64(seed))
    truth = generator.integers(0, 2, (persons, 2)).astype(np.int8)
    plain = 0.5 + 0.1 * generator.standard_normal((persons, 2)) - truth
    whole = np.hstack((plain, 0.12 * generator.standard_normal((persons, parameters - 2))))
    whole /= np.maximum(1.0, np.linalg.norm(whole, axis=1, keepdims=True))
    return labels.Sent(plain, whole.astype(np.float32), truth, np.array([0, 1]))


def test_control_plain_and_clipped_gradients_give_every_label(result):
    assert result.result["balanced_accuracy_plain"] == 1.0
    assert result.result["balanced_accuracy_clipped"] == 1.0
    assert result.result["count_error_plain"] < result.result["count_error_guess"]
    assert result.passed
    assert (
        result.result["balanced_accuracy_noised_interval"][0]
        <= result.result["balanced_accuracy_noised_at_most"]
    )


@pytest.mark.parametrize("epsilon", [0.5, 8.0])
def test_noise_bounds_what_is_read(epsilon):
    mu = bounds.mu_of_epsilon(epsilon, 1e-3)
    found = labels.guesses(Build(), drawn(1), drawn(2), mu)
    value, low, _ = balanced_accuracy(found["noised"], drawn(1).labels)
    assert low <= special.ndtr(mu)
    assert value < 0.65 if epsilon == 0.5 else value > 0.7, "where there is something to read, it is read"


def test_masked_uploads_tell_nothing_and_missing_masks_are_found(monkeypatch):
    sent = drawn(3)
    masked = labels.guesses(Build(), sent, sent, None)["masked"]
    assert abs((masked == sent.labels).mean() - 0.5) < 0.15
    assert not labels.masks_refuted(masked, sent.labels)
    monkeypatch.setattr(labels, "masked_upload", lambda build, clipped, norm: clipped)
    assert labels.masks_refuted(labels.guesses(Build(), sent, sent, None)["masked"], sent.labels)


def test_noise_that_is_missing_is_refuted(target):
    sent, mu = drawn(4), bounds.mu_of_epsilon(0.5, 1e-3)
    found = labels.guesses(weaker_noise(0.05), sent, drawn(5), mu)
    accuracy = {name: balanced_accuracy(guess, sent.labels) for name, guess in found.items()}
    assert labels.judge(target, accuracy, {}, False, mu).passed is False
    assert labels.judge(target, accuracy, {}, True, None).passed is False, "masks that tell labels"


def test_counts_come_from_the_sum_of_biases():
    sent = drawn(6)
    errors = labels.count_errors(Build(), sent, drawn(7), bounds.mu_of_epsilon(0.5, 1e-3))
    assert errors["plain"] < 0.35
    assert errors["clipped"] < 0.6
    assert errors["noised"] > 1.0
    assert errors["guess"] > 1.0


def test_without_templates_the_sign_is_read():
    sent = drawn(8)
    public = dataclasses.replace(sent, labels=np.ones_like(sent.labels))
    assert (labels.by_templates(sent.clipped.astype(float), public) == sent.labels).all()


def test_a_run_without_privacy_has_no_noised_view(small_config):
    found = registry.perform(registry.find("labels"), Target(small_config(privacy={"mode": "none"}))).result
    assert "balanced_accuracy_noised" not in found.result
    assert found.result["balanced_accuracy_plain"] == 1.0
