"""The server takes the place of a member's neighbours: with keys of its own, or with inventions of its own."""

from __future__ import annotations

import dataclasses

import pytest

from mien.errors import PolicyError, ProtocolError
from privacy.secagg.client import SecAggClient
from privacy.secagg.identity import Directory, Identity, sign_directory
from privacy.secagg.keys import Bundle
from privacy.secagg.policy import SecAggPolicy
from privacy.secagg.round import SecAggRound

VICTIM = "device-0000"


def puppet(adversary, name):
    """Return a client that the server runs itself under ``name``, with prekeys of its own making."""
    devices = adversary.devices
    source = devices.sources.setdefault(name, devices.source(f"puppet {name}"))
    client = SecAggClient.create(
        name, Identity.generate(source), devices.server.identity.public_key, devices.policy, source
    )
    client.enrol("run")
    devices.clients[name] = client
    return client


def surround(adversary, plan, *, keep_identities):
    """Replace every member but the victim by a puppet, and begin a round of ``plan`` with them."""
    devices = adversary.devices
    genuine = devices.clients[VICTIM]
    bundles = []
    for name in plan.cohort:
        if name == VICTIM:
            bundles.append(genuine._state.prekeys[0].bundle)
            continue
        client = puppet(adversary, name)
        (prekeys,) = client._state.prekeys
        if keep_identities:  # the real member's identity key over the server's prekeys
            forged = dataclasses.replace(prekeys.bundle, identity_key=devices.identities[name].public_key)
            prekeys = dataclasses.replace(prekeys, bundle=forged)
            client._state = dataclasses.replace(client._state, prekeys=(prekeys,))
        bundles.append(prekeys.bundle)
    devices.plan = plan
    devices.round = SecAggRound(
        devices.server.identity, plan, tuple(bundles), lambda bundle: None, devices.server_source
    )
    adversary.colluders = frozenset(plan.cohort) - {VICTIM}


def strike(adversary):
    """Let the victim set up and upload among the puppets."""
    devices = adversary.devices
    for name in adversary.plan.cohort:
        if name != VICTIM:
            adversary.mask_seeds_of_colluders[name] = devices.clients[name]._state.prekeys[0].mask_seed
    adversary.take_setup(VICTIM, devices.clients[VICTIM].setup(adversary.setup_request(VICTIM)))
    with pytest.MonkeyPatch.context() as patch:  # the puppets do not care who is who
        patch.setattr(Bundle, "check", lambda self: None)
        patch.setattr(Directory, "seen", lambda self, members: self)
        patch.setattr(type(devices.policy), "check", lambda self, plan: None)
        for name in sorted(adversary.colluders):
            adversary.take_setup(name, devices.clients[name].setup(adversary.setup_request(name)))
            adversary.sessions[name] = adversary.session_of(name)
    adversary.upload(VICTIM, adversary.plan.cohort)


def test_prekeys_that_a_member_did_not_sign_are_refused(attack):
    adversary = attack(8)
    surround(adversary, adversary.plan, keep_identities=True)
    before = adversary.devices.clients[VICTIM].to_bytes()
    with pytest.raises(ProtocolError, match="does not verify"):
        strike(adversary)
    assert VICTIM not in adversary.uploads
    assert adversary.devices.clients[VICTIM].to_bytes() == before


def test_control_without_the_signature_check_the_server_in_the_middle_has_the_vector(attack, monkeypatch):
    monkeypatch.setattr(Bundle, "check", lambda self: None)
    adversary = attack(8)
    surround(adversary, adversary.plan, keep_identities=True)
    strike(adversary)
    assert adversary.recovered(VICTIM)


def after_an_honest_round(attack):
    adversary = attack(8)
    adversary.set_up()
    adversary.upload_all()
    following = adversary.plan.model_copy(update={"round": 2})
    surround(adversary, following, keep_identities=False)
    adversary.uploads.clear()
    return adversary


def test_a_known_member_under_another_identity_is_refused(attack):
    adversary = after_an_honest_round(attack)
    with pytest.raises(ProtocolError, match="the server may be swapping keys"):
        strike(adversary)
    assert VICTIM not in adversary.uploads


def test_control_without_pinning_swapped_identities_open_the_vector(attack, monkeypatch):
    monkeypatch.setattr(Directory, "seen", lambda self, members: self)
    adversary = after_an_honest_round(attack)
    strike(adversary)
    assert adversary.recovered(VICTIM)


def sybils(attack, directory=None, **policy):
    """Surround the victim by seven members that never existed."""
    adversary = attack(8)
    devices = adversary.devices
    devices.policy = devices.policy.model_copy(update=policy)
    devices.clients[VICTIM] = devices.new_client(VICTIM, directory(devices) if directory else None)
    devices.clients[VICTIM].enrol("run")
    names = tuple(sorted([VICTIM, *(f"sybil-{index}" for index in range(7))]))
    plan = adversary.plan.model_copy(update={"cohort": names, "run": "other"})
    surround(adversary, plan.model_validate(plan.model_dump()), keep_identities=False)
    return adversary


def provisioned(devices):
    operator = Identity.generate(devices.source("operator"))
    members = {name: identity.public_key for name, identity in devices.identities.items()}
    return Directory.provisioned(sign_directory(members, operator), operator.public_key)


def test_sybils_are_not_in_a_provisioned_directory(attack):
    adversary = sybils(attack, provisioned)
    with pytest.raises(ProtocolError, match="is not in the provisioned directory"):
        strike(adversary)
    assert VICTIM not in adversary.uploads


def test_sybils_are_too_many_new_members_at_once(attack):
    adversary = sybils(attack, max_new_members=0.2)
    with pytest.raises(PolicyError, match="neighbours are unknown"):
        strike(adversary)
    assert VICTIM not in adversary.uploads


def test_control_a_first_use_directory_without_a_limit_lets_sybils_open_the_vector(attack):
    adversary = sybils(attack)
    strike(adversary)
    assert adversary.recovered(VICTIM)


def test_a_server_cannot_forge_the_directory_of_the_operator(attack):
    devices = attack(4).devices
    operator = Identity.generate(devices.source("operator"))
    forged = sign_directory({"sybil": bytes(32)}, devices.server.identity)
    with pytest.raises(ProtocolError, match="does not verify"):
        Directory.provisioned(forged, operator.public_key)


def test_known_limit_a_server_that_fills_a_cohort_with_admitted_colluders_opens_the_vector(attack):
    """The server chooses the cohort, so ``min_cohort`` must exceed the colluders that the directory may hold."""
    adversary = attack(8, colluders=range(1, 8), policy=SecAggPolicy())
    adversary.devices.clients[VICTIM].provision(provisioned(adversary.devices))
    adversary.set_up()
    adversary.upload(VICTIM, adversary.plan.cohort)
    assert adversary.recovered(VICTIM)


def test_a_larger_least_cohort_refuses_to_be_alone_among_them(attack):
    adversary = attack(8, colluders=range(1, 8), policy=SecAggPolicy(min_cohort=9))
    with pytest.raises(PolicyError, match="cohort of 8, at least 9 wanted"):
        adversary.devices.client(VICTIM).setup(adversary.setup_request(VICTIM))
