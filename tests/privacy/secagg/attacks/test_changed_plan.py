"""The plan is changed after the keys were sent, or is another one for the victim than for the rest.

The sharpest form is Pasquini et al. 2022, "Eluding secure aggregation": the victim alone is given a model whose
update is not zero, so that the sum of all *is* the victim's vector.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from mien.errors import MienError
from privacy.plan import RoundPlan
from privacy.secagg import client_unmask

FLAT, STEEP = "00" * 32, "ff" * 32
"""Hashes of a model on which nobody's update moves, and of one on which the victim's does."""


def inconsistent(attack):
    """Give the victim another model than the others, whose updates are then zero."""
    adversary = attack(8, min_survivors=5)
    adversary.set_up()
    victim, *others = adversary.plan.cohort
    adversary.upload(victim, adversary.plan.cohort, plan=adversary.whole_plan(STEEP))
    for name in others:
        nothing = np.zeros_like(adversary.vector(name))
        adversary.upload(name, adversary.plan.cohort, plan=adversary.whole_plan(FLAT), vector=nothing)
    return adversary, victim, others


def ask(adversary, victim, others, survivors):
    answers = [adversary.unmask(one, survivors, adversary.whole_plan(FLAT).hash) for one in others]
    answers.append(adversary.unmask(victim, survivors, adversary.whole_plan(STEEP).hash))
    return answers


def sum_of_all(adversary):
    known = adversary.open()
    words = sum(adversary.strip(name, known)[0] for name in adversary.plan.cohort)
    return words.view("<i4")


def test_a_victim_with_a_model_of_its_own_is_not_in_the_sum(attack):
    adversary, victim, others = inconsistent(attack)
    assert not any(ask(adversary, victim, others, adversary.plan.cohort))
    assert all("confirmation" in adversary.refused[name] for name in others)
    assert all(adversary.unmask(name, others, adversary.whole_plan(FLAT).hash) for name in others)
    assert adversary.determined_sums() == [frozenset(others)]
    assert not np.array_equal(sum_of_all(adversary), adversary.vectors[victim])
    assert not adversary.recovered(victim)


def test_control_if_the_hash_of_the_plan_leaves_the_model_out_the_sum_is_the_victims_vector(
    attack, monkeypatch
):
    blind = property(lambda plan: hashlib.sha256(plan.session.to_bytes()).digest())
    monkeypatch.setattr(RoundPlan, "hash", blind)
    adversary, victim, others = inconsistent(attack)
    assert all(ask(adversary, victim, others, adversary.plan.cohort))
    np.testing.assert_array_equal(sum_of_all(adversary), adversary.vectors[victim])


def test_control_without_the_confirmations_the_sum_is_the_victims_vector(attack, monkeypatch):
    monkeypatch.setattr(client_unmask, "verify", lambda *arguments: None)
    adversary, victim, others = inconsistent(attack)
    assert all(ask(adversary, victim, others, adversary.plan.cohort)[:-1])
    np.testing.assert_array_equal(sum_of_all(adversary), adversary.vectors[victim])


CHANGES = [
    ("secagg", {"threshold": 6}),
    ("secagg", {"min_survivors": 4}),
    ("secagg", {"vector_length": 1024}),
    ("secagg", {"field_bits": 64}),
    ("update", {"scale": 1 << 10}),
    ("update", {"clipping_norm": 2.0}),
    (None, {"purpose": "another"}),
    (None, {"mode": "device"}),
    (None, {"deadline_seconds": 1.0}),
]


@pytest.mark.parametrize(("part", "change"), CHANGES, ids=lambda value: str(value))
def test_nothing_in_the_plan_may_change_after_the_keys_were_sent(attack, part, change):
    adversary = attack(8, min_survivors=5)
    adversary.set_up()
    plan = adversary.whole_plan()
    if part:
        change = {part: getattr(plan, part).model_copy(update=change)}
    changed = plan.model_copy(update=change)
    victim = adversary.plan.cohort[0]
    before = adversary.devices.client(victim).to_bytes()
    with pytest.raises(MienError, match="changed after"):
        adversary.upload(victim, adversary.plan.cohort, plan=changed)
    assert adversary.devices.client(victim).to_bytes() == before
    assert victim not in adversary.uploads


def test_control_the_same_plan_unchanged_is_uploaded_under(attack):
    adversary = attack(8, min_survivors=5)
    adversary.set_up()
    adversary.upload(adversary.plan.cohort[0], adversary.plan.cohort, plan=adversary.whole_plan())
    assert adversary.plan.cohort[0] in adversary.uploads
