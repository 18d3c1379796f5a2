"""The server asks one client for both shares of a member: twice over, or from an older copy of its state."""

from __future__ import annotations

import pytest

from mien.errors import ProtocolError
from privacy.secagg.client import SecAggClient
from privacy.secagg.client_state import ClientSession
from privacy.secagg.codec import Subset
from privacy.secagg.messages import UnmaskRequest, UploadRequest, decode

VICTIM = 3


def uploaded(attack, size=10, **changes):
    adversary = attack(size, min_survivors=size - 4, **changes)
    adversary.set_up()
    adversary.upload_all()
    return adversary, adversary.plan.cohort[VICTIM]


def ask_twice(adversary, victim, before_second=lambda: None):
    """Ask everybody with the victim among the survivors, then without it; keep the first replies' secrets."""
    everybody = set(adversary.plan.cohort)
    for name in adversary.plan.cohort:
        assert adversary.unmask(name, everybody)
    first = adversary.open()
    before_second()
    adversary.replies.clear()
    answered = [adversary.unmask(n, everybody - {victim}) for n in adversary.plan.cohort if n != victim]
    second = adversary.open()
    second.self_seeds |= first.self_seeds
    second.mask_seeds |= first.mask_seeds
    return second, sum(answered)


def test_a_second_unmask_request_is_refused_and_opens_nothing(attack):
    adversary, victim = uploaded(attack)
    known, answered = ask_twice(adversary, victim)
    assert answered == 0
    assert all("a second, different unmask request" in why for why in adversary.refused.values())
    assert adversary.position(victim) in known.self_seeds
    assert not adversary.recovered(victim, known)


def test_control_clients_that_answer_twice_open_the_vector(attack, monkeypatch):
    monkeypatch.setattr(ClientSession, "unmasked", lambda self, request, reply: self)
    adversary, victim = uploaded(attack)
    known, answered = ask_twice(adversary, victim)
    assert answered == 9
    assert adversary.recovered(victim, known)


def roll_back(adversary, count):
    """Return a call that restores the first ``count`` honest others to what they stored after the upload."""
    names = [name for name in adversary.plan.cohort if name != adversary.plan.cohort[VICTIM]][:count]
    stored = {name: adversary.devices.clients[name].to_bytes() for name in names}

    def restore():
        for name, state in stored.items():
            source = adversary.devices.sources[name]
            adversary.devices.clients[name] = SecAggClient.from_bytes(state, source)

    return restore


@pytest.mark.parametrize("count", [1, 4])
def test_as_many_rolled_back_clients_as_colluders_are_stood_open_nothing(attack, count):
    adversary, victim = uploaded(attack)  # k = 9, t = 7: stands 4
    known, answered = ask_twice(adversary, victim, roll_back(adversary, count))
    assert answered == count
    assert not adversary.recovered(victim, known)


def test_control_if_everybody_is_rolled_back_the_vector_is_open(attack):
    adversary, victim = uploaded(attack)
    known, answered = ask_twice(adversary, victim, roll_back(adversary, 9))
    assert answered == 9
    assert adversary.recovered(victim, known)


def test_the_same_request_again_gets_the_same_bytes(attack):
    adversary, victim = uploaded(attack)
    request = adversary.unmask_request(victim, adversary.plan.cohort)
    client = adversary.devices.client(victim)
    assert client.unmask(request) == client.unmask(request)


def test_one_request_cannot_call_a_member_both_a_survivor_and_a_drop_out(attack):
    adversary, _victim = uploaded(attack)
    request = adversary.unmask_request(adversary.plan.cohort[0], adversary.plan.cohort)
    survivors = decode(request, UnmaskRequest).message.survivors
    doubled = Subset(survivors.size, (*survivors.positions, VICTIM))
    with pytest.raises(ProtocolError, match="positions must ascend"):
        adversary.sign(
            UnmaskRequest(**adversary.to("x"), plan_hash=bytes(32), survivors=doubled, confirmations=())
        )
    fields = UnmaskRequest.__dataclass_fields__.keys() - UploadRequest.__dataclass_fields__.keys()
    assert fields == {"plan_hash", "survivors", "confirmations"}, "drop-outs are what survivors leave over"
    for name in adversary.plan.cohort:
        assert adversary.unmask(name, adversary.plan.cohort)
        kinds = [owner for owner, _, _ in adversary._opened_entries(name, adversary.replies[name])]
        assert len(kinds) == len(set(kinds)), "two shares of one member"


@pytest.mark.parametrize(
    ("survivors", "why"),
    [
        (lambda names, me: [name for name in names if name != me], "is not among them"),
        (lambda names, me: [me, *[name for name in names if name != me][:4]], "members survived, at least"),
    ],
)
def test_a_client_does_not_help_to_drop_itself_or_nearly_everybody(attack, survivors, why):
    adversary, victim = uploaded(attack)
    assert not adversary.unmask(victim, survivors(adversary.plan.cohort, victim))
    assert why in adversary.refused[victim]
