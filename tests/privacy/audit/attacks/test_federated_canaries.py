"""The estimate is near the truth for a right build, far above it for a wrong one, and says that it is no bound."""

from __future__ import annotations

import pytest

from privacy.audit.attacks import bounds, federated_canaries, registry
from privacy.audit.attacks.target import Target
from privacy.audit.conformance.build import Build
from privacy.audit.conformance.faults import planted, weaker_noise


@pytest.fixture(autouse=True)
def _fewer(monkeypatch):
    monkeypatch.setattr(federated_canaries, "CLIENTS", 120)
    monkeypatch.setattr(federated_canaries, "PARAMETERS", 8_000)


@pytest.mark.parametrize("epsilon", [2.0, 8.0])
def test_the_estimate_is_near_the_truth(epsilon):
    mu = bounds.mu_of_epsilon(epsilon, 1e-5)
    estimate, error = federated_canaries.estimate_mu(federated_canaries.run_canaries(Build(), mu))
    assert estimate == pytest.approx(mu, abs=0.1 * mu + 4 * error)


@pytest.mark.parametrize("build", [weaker_noise(0.5), planted("no-clipping")])
def test_control_a_wrong_build_shows(build):
    mu = bounds.mu_of_epsilon(4.0, 1e-5)
    estimate, _ = federated_canaries.estimate_mu(federated_canaries.run_canaries(build, mu))
    assert estimate > 1.5 * mu


def test_it_is_labelled_an_estimate(small_config):
    result = registry.perform(registry.find("federated-canaries"), Target(small_config())).result
    assert result.kind == "estimate"
    assert result.passed is None
    assert result.confidence is None
    assert result.result["epsilon_interval"][0] < result.result["epsilon_estimate"]
