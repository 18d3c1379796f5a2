"""Members that do not follow the protocol: the sum stays exact or the round aborts, and who cheated is named."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mien.errors import ProtocolError, RoundAbortedError
from privacy.secagg import dealing, messages, shamir
from privacy.secagg.client import SecAggClient
from privacy.secagg.client_state import ClientState

CHEAT = "device-0003"


def resigned(devices, raw: bytes, kind: type[messages.Message], **changes) -> bytes:
    """Return the cheat's own message, changed and signed by the cheat."""
    message = messages.decode(raw, kind).message
    return messages.encode(dataclasses.replace(message, **changes), devices.identities[CHEAT])


def run_with(devices, setup=None, unmask=None):
    """Run a round in which the cheat's set-up or unmask reply passes through a function."""
    current = devices.begin(min_survivors=5)
    for name, request in current.setup_requests().items():
        reply = devices.clients[name].setup(request)
        current.receive_setup(setup(reply) if setup and name == CHEAT else reply)
    devices.upload()
    for name, request in current.unmask_requests().items():
        reply = devices.clients[name].unmask(request)
        current.receive_unmask(unmask(reply) if unmask and name == CHEAT else reply)
    return current.result()


def test_wrong_shares_are_passed_over_and_their_giver_is_named(federation):
    devices = federation(8)
    devices.begin(min_survivors=5)
    devices.set_up()
    devices.upload([devices.names[7]])
    state = ClientState.from_bytes(devices.clients[CHEAT].to_bytes())
    session = state.sessions[0]
    peers = tuple(
        dataclasses.replace(peer, self_share=bytes(32), mask_share=bytes(32)) for peer in session.peers
    )
    state = state.with_session(dataclasses.replace(session, peers=peers))
    devices.clients[CHEAT] = SecAggClient.from_bytes(state.to_bytes(), devices.sources[CHEAT])
    result = devices.unmask()
    np.testing.assert_array_equal(result.sum, devices.total)
    assert list(result.excluded) == [CHEAT]
    assert "gave a wrong share of" in result.excluded[CHEAT]


def test_a_share_of_the_wrong_kind_is_passed_over(federation):
    devices = federation(8)
    devices.begin(min_survivors=5)
    devices.set_up()
    devices.upload([devices.names[7]])
    state = ClientState.from_bytes(devices.clients[CHEAT].to_bytes())
    session = state.sessions[0]
    peers = tuple(
        dataclasses.replace(peer, self_share=peer.mask_share, mask_share=peer.self_share)
        for peer in session.peers
    )
    state = state.with_session(dataclasses.replace(session, peers=peers))
    devices.clients[CHEAT] = SecAggClient.from_bytes(state.to_bytes(), devices.sources[CHEAT])
    result = devices.unmask()
    np.testing.assert_array_equal(result.sum, devices.total)
    assert list(result.excluded) == [CHEAT]


def test_deals_that_do_not_open_hurt_nobody_while_few(federation):
    devices = federation(8)

    def spoil(reply: bytes) -> bytes:
        deals = messages.decode(reply, messages.SetupReply).message.deals
        bad = dataclasses.replace(deals[0], sealed=bytes(80))
        lying = dataclasses.replace(deals[1], self_check=bytes(16))
        return resigned(devices, reply, messages.SetupReply, deals=(bad, lying, *deals[2:]))

    result = run_with(devices, setup=spoil)
    np.testing.assert_array_equal(result.sum, devices.total)
    assert result.excluded == {}


def test_deals_that_open_nowhere_abort_the_round(federation):
    devices = federation(8)

    def spoil(reply: bytes) -> bytes:
        deals = messages.decode(reply, messages.SetupReply).message.deals
        bad = tuple(dataclasses.replace(deal, sealed=bytes(80)) for deal in deals)
        return resigned(devices, reply, messages.SetupReply, deals=bad)

    with pytest.raises(RoundAbortedError, match=f"0 neighbours gave a good share of '{CHEAT}'"):
        run_with(devices, setup=spoil)
    np.testing.assert_array_equal(devices.run(round=2).sum, devices.total)


def test_shares_of_another_secret_than_committed_name_their_dealer(federation):
    devices = federation(8)

    def spoil(reply: bytes) -> bytes:
        return resigned(devices, reply, messages.SetupReply, self_commitment=bytes(32))

    with pytest.raises(RoundAbortedError, match=f"'{CHEAT}' dealt shares that do not open"):
        run_with(devices, setup=spoil)


def test_consistent_but_unrelated_shares_name_their_dealer(federation):
    """Shares that fit their commitments one by one, but lie on no polynomial of the threshold's degree."""
    devices = federation(8)
    source = devices.source("cheat")

    def spoil(reply: bytes) -> bytes:
        message = messages.decode(reply, messages.SetupReply).message
        session = ClientState.from_bytes(devices.clients[CHEAT].to_bytes()).sessions[0]
        deals = tuple(
            dealing.deal(
                message.session,
                CHEAT,
                peer.name,
                peer.channel_key,
                dealing.Shares(shamir.random_element(source), shamir.random_element(source)),
            )
            for peer in session.peers
        )
        return resigned(devices, reply, messages.SetupReply, deals=deals)

    with pytest.raises(RoundAbortedError, match=f"{CHEAT}: dealt shares that do not open"):
        run_with(devices, setup=spoil)


def test_wrong_tokens_and_pieces_cost_at_most_a_reply(federation):
    devices = federation(8)

    def wrong_tokens(reply: bytes) -> bytes:
        tokens = messages.decode(reply, messages.UnmaskReply).message.tokens
        return resigned(devices, reply, messages.UnmaskReply, tokens=tuple(bytes(32) for _ in tokens))

    result = run_with(devices, unmask=wrong_tokens)
    np.testing.assert_array_equal(result.sum, devices.total)

    devices = federation(8)

    def wrong_payload(reply: bytes) -> bytes:
        sealed = messages.decode(reply, messages.UnmaskReply).message.sealed
        return resigned(devices, reply, messages.UnmaskReply, sealed=bytes(len(sealed)))

    result = run_with(devices, unmask=wrong_payload)
    np.testing.assert_array_equal(result.sum, devices.total)
    assert "its key opens nothing" in result.excluded[CHEAT]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"plan_hash": bytes(32)}, "for another plan or another cohort"),
        ({"completed_hash": bytes(32)}, "for another plan or another cohort"),
        ({"confirmation": bytes(64)}, "does not verify"),
        ({"tag": bytes(16)}, "the vector was altered on its way"),
        ({"length": 41}, "41 words of 32 bits announced"),
        ({"bits": 64}, "40 words of 64 bits announced"),
        ({"session": bytes(32)}, "of another session"),
        ({"round": 2}, "of another session"),
        ({"run": "other"}, "of another session"),
        ({"recipient": "device-0001"}, "of another session"),
        ({"sender": "device-0001"}, "does not verify"),
        ({"sender": "nobody"}, "'nobody' is no member of the cohort"),
    ],
)
def test_a_wrong_header_is_refused_and_the_right_one_still_taken(federation, changes, reason):
    devices = federation(6)
    devices.begin(min_survivors=4)
    devices.set_up()
    devices.upload([CHEAT])
    current = devices.round
    request = current._upload_request(3)
    vector = devices.vector(CHEAT)
    devices.total += vector
    header, masked = devices.clients[CHEAT].upload(request, vector)
    with pytest.raises(ProtocolError, match=reason):
        current.receive_upload(resigned(devices, header, messages.UploadHeader, **changes), masked)
    current.receive_upload(header, masked)
    with pytest.raises(ProtocolError, match="received already"):
        current.receive_upload(header, masked)
    np.testing.assert_array_equal(devices.unmask().sum, devices.total)


def test_wrong_vectors_are_refused(federation):
    devices = federation(6)
    devices.begin(min_survivors=4)
    devices.set_up()
    devices.upload([CHEAT])
    header, masked = devices.clients[CHEAT].upload(devices.round._upload_request(3), devices.vector(CHEAT))
    for bad in (masked[:-1], masked.astype(np.uint64), masked.view(np.int32), masked[None], b"", bytes(159)):
        with pytest.raises(ProtocolError, match=f"upload of '{CHEAT}'"):
            devices.round.receive_upload(header, bad)
    with pytest.raises(ProtocolError, match="altered on its way"):
        devices.round.receive_upload(header, bytes(160))
    assert devices.round.receive_upload(header, masked.tobytes()) == CHEAT


@pytest.mark.parametrize("what", ["deals", "bundle", "owner", "view", "pieces", "tokens"])
def test_replies_of_the_wrong_shape_are_refused(federation, what):
    devices = federation(6)
    current = devices.begin(min_survivors=4)
    if what in ("deals", "bundle", "owner"):
        reply = devices.clients[CHEAT].setup(current.setup_requests()[CHEAT])
        message = messages.decode(reply, messages.SetupReply).message
        used, foreign = current._bundles[3], current._bundles[2]
        changes, reason = {
            "deals": ({"deals": message.deals[:-1]}, "4 deals, expected 5"),
            "bundle": ({"next_bundle": used}, "not newer than 1"),
            "owner": ({"next_bundle": foreign}, "the next prekeys are not its own"),
        }[what]
        with pytest.raises(ProtocolError, match=reason):
            current.receive_setup(resigned(devices, reply, messages.SetupReply, **changes))
        assert current.receive_setup(reply) == CHEAT
        return
    devices.set_up()
    devices.upload()
    reply = devices.clients[CHEAT].unmask(current.unmask_requests()[CHEAT])
    message = messages.decode(reply, messages.UnmaskReply).message
    changes, reason = {
        "view": ({"view": bytes(32)}, "for another plan or other survivors"),
        "pieces": ({"pieces": message.pieces[:-1]}, "4 pieces and 5 tokens, expected 5"),
        "tokens": ({"tokens": message.tokens[:-1]}, "5 pieces and 4 tokens, expected 5"),
    }[what]
    with pytest.raises(ProtocolError, match=reason):
        current.receive_unmask(resigned(devices, reply, messages.UnmaskReply, **changes))
    assert current.receive_unmask(reply) == CHEAT


def test_enrolments_are_checked(federation, signer):
    devices = federation(5)
    server, client = devices.server, devices.clients[CHEAT]
    first, second = client.enrol("run"), client.enrol("run")
    assert server.enrol(second) == server.enrol(second) == CHEAT
    with pytest.raises(ProtocolError, match="not newer than 3"):
        server.enrol(first)
    forged = messages.decode(client.enrol("run"), messages.Enrolment).message
    with pytest.raises(ProtocolError, match="does not verify"):
        server.enrol(messages.encode(forged, signer))
    other = dataclasses.replace(forged, sender="device-0001")
    with pytest.raises(ProtocolError, match="it was sent by 'device-0001'"):
        server.enrol(messages.encode(other, devices.identities[CHEAT]))
    thief = SecAggClient.create(CHEAT, signer, None, devices.policy, devices.source("thief"))
    with pytest.raises(ProtocolError, match="does not verify"):
        server.enrol(thief.enrol("run"))
    twin = SecAggClient.create("twin", devices.identities[CHEAT], None, devices.policy, devices.source("t"))
    with pytest.raises(ProtocolError, match="two names bear one identity key"):
        server.enrol(twin.enrol("run"))
    assert "twin" not in server.ready
