"""The server plays old messages and old prekeys again, in the same run and in another."""

from __future__ import annotations

import dataclasses

import pytest

from mien.errors import MienError, ProtocolError

VICTIM = 2


def unmask_all(adversary, names, survivors):
    for name in names:
        assert adversary.unmask(name, survivors), adversary.refused[name]


def first_round(attack):
    """Run a round in which the victim survives: its self mask is open, its pairwise masks are not."""
    adversary = attack(8)
    names = adversary.plan.cohort
    server = adversary.devices.server
    bundles = dict(server._bundles) | {bundle.name: bundle for bundle in adversary.devices.round._bundles}
    prekeys = {name: adversary.devices.client(name)._state.prekeys for name in names}
    adversary.set_up()
    adversary.upload_all()
    unmask_all(adversary, names, names)
    return adversary, bundles, prekeys


def again_with_the_same_prekeys(adversary, bundles, **changes):
    """Begin another round over the bundles of the first; return an adversary for it."""
    devices = adversary.devices
    first = devices.round
    devices.server._bundles = dict(bundles)
    devices.server._progress.clear()
    other = type(adversary)(devices)
    devices.begin(vector_length=adversary.plan.secagg.vector_length, **changes)
    return other, first


ELSEWHERE = [{"run": "other"}, {"round": 2}]


@pytest.mark.parametrize("changes", ELSEWHERE, ids=["another run", "another round"])
def test_prekeys_are_not_used_for_a_second_session(attack, changes):
    adversary, bundles, _ = first_round(attack)
    known = adversary.open()
    other, first = again_with_the_same_prekeys(adversary, bundles, **changes)
    for name in other.plan.cohort:
        with pytest.raises(ProtocolError, match="does not hold this client's unused prekeys"):
            adversary.devices.client(name).setup(other.setup_request(name))
    adversary.devices.round = first
    assert adversary.position(adversary.plan.cohort[VICTIM]) in known.self_seeds
    assert not adversary.recovered(adversary.plan.cohort[VICTIM], known)


@pytest.mark.parametrize("changes", ELSEWHERE, ids=["another run", "another round"])
def test_control_prekeys_that_are_kept_open_the_first_round_in_the_second(attack, changes):
    adversary, bundles, prekeys = first_round(attack)
    known, victim = adversary.open(), adversary.plan.cohort[VICTIM]
    for name, kept in prekeys.items():  # the defence switched off: prekeys are not used up
        client = adversary.devices.client(name)
        client._state = dataclasses.replace(client._state, prekeys=kept)
    other, first = again_with_the_same_prekeys(adversary, bundles, **changes)
    other.set_up()
    others = [name for name in other.plan.cohort if name != victim]
    for name in others:
        other.upload(name, other.plan.cohort)
    unmask_all(other, others, others)  # now the victim is called dropped, truly
    known.mask_seeds |= other.open().mask_seeds
    adversary.devices.round = first
    assert adversary.recovered(victim, known)


def test_every_old_message_is_refused_in_later_rounds_and_changes_nothing(attack):
    adversary = attack(6, min_survivors=4)
    devices, names = adversary.devices, adversary.plan.cohort
    recorded = {name: [adversary.setup_request(name)] for name in names}
    adversary.set_up()
    for name in names:
        recorded[name].append(adversary.upload_request(name, names))
    adversary.upload_all()
    for name in names:
        recorded[name].append(adversary.unmask_request(name, names))
    unmask_all(adversary, names, names)
    for number in (2, 3):
        devices.run(round=number)
        for name in names:
            client, vector = devices.client(name), adversary.vector(name)
            before = client.to_bytes()
            setup, upload, unmask = recorded[name]
            for call in (
                lambda c=client, r=setup: c.setup(r),
                lambda c=client, r=upload, v=vector: c.upload(r, v),
            ):
                with pytest.raises(MienError):
                    call()
            if number == 3:  # two sessions are kept; until then the same request gets the same answer
                with pytest.raises(ProtocolError, match="is no session of this client"):
                    client.unmask(unmask)
            assert client.to_bytes() == before


def test_a_request_of_one_session_is_refused_in_another_of_the_same_time(attack):
    adversary = attack(6)
    devices, names = adversary.devices, adversary.plan.cohort
    adversary.set_up()
    stale = {name: adversary.upload_request(name, names) for name in names}
    devices.begin(run="other", vector_length=2048)
    devices.set_up()
    for name in names:
        message = adversary.upload_request(name, names)
        crossed = dataclasses.replace(_decoded(message), session=_decoded(stale[name]).session)
        with pytest.raises(ProtocolError):
            devices.client(name).upload(adversary.sign(crossed), adversary.vector(name))


def _decoded(raw):
    from privacy.secagg.messages import UploadRequest, decode

    return decode(raw, UploadRequest).message


def test_a_bundle_whose_mask_seed_was_opened_is_worth_one_neighbour_not_the_vector(attack):
    """The neighbours cannot know that a bundle is spent; its owner is then no more than a drop-out."""
    adversary = attack(10, min_survivors=7)
    devices, names = adversary.devices, adversary.plan.cohort
    spent = next(bundle for bundle in devices.round._bundles if bundle.name == names[9])
    adversary.set_up()
    for name in names[:9]:
        adversary.upload(name, names)
    unmask_all(adversary, names[:9], names[:9])
    opened = adversary.open().mask_seeds
    assert set(opened) == {9}

    devices.server._bundles[names[9]] = spent
    other = type(adversary)(devices)
    devices.begin(round=2, min_survivors=7, vector_length=2048)
    other.set_up(lost=[names[9]])
    assert names[9] not in devices.round._setups
    for name in names[:9]:
        other.upload(name, names[:9])
    unmask_all(other, names[:9], names[:9])
    known = other.open()
    known.mask_seeds |= opened
    assert not other.recovered(names[VICTIM], known)
    assert other.determined_sums(known) == [frozenset(names[:9])]
