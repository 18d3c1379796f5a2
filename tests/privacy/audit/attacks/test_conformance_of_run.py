"""A run's audit includes the self-test of the build."""

from __future__ import annotations

from privacy.audit.attacks import registry
from privacy.audit.attacks.target import Target
from privacy.audit.conformance.faults import planted


def test_a_fault_of_the_build_fails_the_run(small_config):
    target = Target(small_config(), build=planted("open-gate"))
    result = registry.perform(registry.find("conformance"), target).result
    assert result.attack == "conformance"
    assert not result.passed
    assert "leaving: allow-list" in result.headline
