"""Attacks are found by being there, are asked for by name, and leave their results where reports look."""

from __future__ import annotations

import pytest

from mien.errors import ConfigError, RunError
from privacy.audit.attacks import registry
from privacy.audit.attacks.target import Target
from privacy.audit.evidence import AttackResult, read_results


def test_every_attack_of_the_package_is_listed_in_order():
    listed = registry.attacks()
    assert "distinguishing" in [one.name for one in listed]
    assert [one.seconds for one in listed] == sorted(one.seconds for one in listed)
    assert sum(one.seconds for one in listed) < 600, "the default audit has ten minutes"


def test_an_unknown_attack_is_refused_with_a_hint():
    with pytest.raises(ConfigError, match="did you mean 'distinguishing'"):
        registry.find("distinguish")


def test_a_name_cannot_be_taken_twice():
    registry.attacks()
    with pytest.raises(ConfigError, match="twice"):
        registry.attack("distinguishing", summary="", seconds=1)(lambda target, progress: None)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"config\.toml"):
        list(registry.perform_all(tmp_path))


def test_a_result_is_written_and_a_stale_one_removed(tmp_path, small_config):
    def found(target, progress):
        progress(1.0)
        return AttackResult(attack="trial", threat_model="", question="", kind="measurement", result={"x": 1})

    def nothing(target, progress):
        raise registry.NotApplicable("there is nothing")

    target = Target(small_config(), tmp_path)
    outcome = registry.perform(registry.Attack("trial", found, "", 1), target)
    assert outcome.result.seconds >= 0
    assert [one.attack for one in read_results(tmp_path)] == ["trial"]
    again = registry.perform(registry.Attack("trial", nothing, "", 1), target)
    assert (again.result, again.reason) == (None, "there is nothing")
    assert read_results(tmp_path) == []
