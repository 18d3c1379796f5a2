"""A client is called dropped, its masks are opened, and then its vector arrives after all."""

from __future__ import annotations

import pytest

from mien.errors import ProtocolError
from privacy.secagg import client_upload, masking


def late(attack):
    adversary = attack(8, min_survivors=5)
    adversary.set_up()
    victim, *others = adversary.plan.cohort
    for name in others:
        adversary.upload(name, adversary.plan.cohort)
    for name in others:
        assert adversary.unmask(name, others)
    assert adversary.position(victim) in adversary.open().mask_seeds
    adversary.upload(victim, adversary.plan.cohort)
    return adversary, victim


def test_the_late_vector_is_still_under_its_self_mask(attack):
    adversary, victim = late(attack)
    known = adversary.open()
    _words, left = adversary.strip(victim, known)
    assert left == 1, "every pairwise mask is open"
    assert not adversary.recovered(victim, known)


def test_the_late_client_cannot_be_made_to_open_itself(attack):
    adversary, victim = late(attack)
    assert adversary.unmask(victim, adversary.plan.cohort)  # it cannot know that the others are done
    for name in adversary.plan.cohort[1:]:
        assert not adversary.unmask(name, adversary.plan.cohort)
    assert not adversary.recovered(victim)


def test_control_without_a_self_mask_the_late_vector_is_open(attack, monkeypatch):
    def without_self_mask(vector, masks, *arguments):
        return masking.mask_vector(vector, masks[1:], *arguments)

    class Unmasked:
        mask_vector = staticmethod(without_self_mask)
        field_dtype = staticmethod(masking.field_dtype)

    monkeypatch.setattr(client_upload, "masking", Unmasked)
    adversary, victim = late(attack)
    assert adversary.recovered(victim)


def test_an_honest_server_refuses_a_late_vector(attack):
    adversary = attack(8, min_survivors=5)
    devices, names = adversary.devices, adversary.plan.cohort
    adversary.set_up()
    requests = devices.round.upload_requests("ab" * 32)
    for name in names[1:]:
        devices.round.receive_upload(*devices.client(name).upload(requests[name], adversary.vector(name)))
    devices.round.unmask_requests()
    late_answer = devices.client(names[0]).upload(requests[names[0]], adversary.vector(names[0]))
    with pytest.raises(ProtocolError, match="late or early"):
        devices.round.receive_upload(*late_answer)
