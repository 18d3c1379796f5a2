from __future__ import annotations

import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.errors import PolicyError, ProtocolError
from privacy.secagg import messages
from privacy.secagg.codec import Subset


@pytest.fixture(scope="module")
def wire(request):
    """Return one real message of every kind, with the key that signed it."""
    devices = request.getfixturevalue("module_federation")(6)
    name = devices.names[0]
    server = devices.server.identity.public_key
    mine = devices.identities[name].public_key
    found: dict[type, tuple[bytes, bytes]] = {messages.Enrolment: (devices.clients[name].enrol("run"), mine)}
    devices.server.enrol(found[messages.Enrolment][0])
    current = devices.begin(min_survivors=4)
    found[messages.SetupRequest] = (current.setup_requests()[name], server)
    found[messages.SetupReply] = (devices.clients[name].setup(found[messages.SetupRequest][0]), mine)
    devices.set_up([devices.names[5]])
    uploads = current.upload_requests("00" * 32)
    found[messages.UploadRequest] = (uploads[name], server)
    for one in uploads:
        header, masked = devices.clients[one].upload(uploads[one], devices.vector(one))
        current.receive_upload(header, masked)
        if one == name:
            found[messages.UploadHeader] = (header, mine)
    unmasks = current.unmask_requests()
    found[messages.UnmaskRequest] = (unmasks[name], server)
    found[messages.UnmaskReply] = (devices.clients[name].unmask(unmasks[name]), mine)
    refusal = devices.clients[name].refuse(unmasks[name], PolicyError("too few"))
    found[messages.Refusal] = (refusal, mine)
    return found


KINDS = list(messages.KINDS.values())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_survives_the_wire(wire, kind, signer):
    raw, key = wire[kind]
    signed = messages.decode(raw, kind)
    message = signed.check(key)
    assert messages.kind_of(raw) is kind
    assert kind.from_bytes(message.to_bytes()) == message
    assert messages.decode(messages.encode(message, signer), kind).message == message
    assert message.to_bytes() == raw[6:-64]
    assert len(raw) <= kind.LIMIT


@pytest.mark.parametrize("kind", KINDS)
def test_another_kind_version_or_magic_is_refused(wire, kind):
    raw, _ = wire[kind]
    other = messages.Refusal if kind is not messages.Refusal else messages.Enrolment
    with pytest.raises(ProtocolError, match=f"expected {other.__name__}, got {kind.__name__}"):
        messages.decode(raw[: other.LIMIT], other)
    with pytest.raises(ProtocolError, match="protocol version 2; this program speaks 1"):
        messages.decode(raw[:4] + b"\x02" + raw[5:], kind)
    with pytest.raises(ProtocolError, match="does not begin with MIEN"):
        messages.decode(b"X" + raw[1:], kind)
    with pytest.raises(ProtocolError, match="unknown kind 99"):
        messages.decode(raw[:5] + b"\x63" + raw[6:], kind)
    with pytest.raises(ProtocolError, match="unknown kind"):
        messages.kind_of(raw[:5] + b"\x63" + raw[6:])
    with pytest.raises(ProtocolError, match="not a message"):
        messages.kind_of(b"MIEN")
    with pytest.raises(ProtocolError, match="above the limit"):
        messages.decode(raw + bytes(kind.LIMIT), kind)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_altered_message_never_verifies(wire, kind, data):
    raw, key = wire[kind]
    altered = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 3))):
        altered[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    if data.draw(st.booleans()):
        altered = altered[: data.draw(st.integers(0, len(raw)))]
    if bytes(altered) == raw:
        return
    with pytest.raises(ProtocolError):
        messages.decode(bytes(altered), kind).check(key)


def test_signatures_bind_sender_and_content(wire, signer):
    raw, key = wire[messages.UploadHeader]
    message = messages.decode(raw, messages.UploadHeader).check(key)
    forged = messages.encode(message, signer)
    with pytest.raises(ProtocolError, match="does not verify"):
        messages.decode(forged, messages.UploadHeader).check(key)


def test_a_message_beyond_its_limit_is_not_sent(wire, signer):
    raw, key = wire[messages.Enrolment]
    message = messages.decode(raw, messages.Enrolment).check(key)
    with pytest.raises(ProtocolError, match="is not a name"):
        messages.encode(dataclasses.replace(message, run="r" * 65), signer)
    reply = messages.decode(wire[messages.UnmaskReply][0], messages.UnmaskReply).message
    with pytest.raises(ProtocolError, match="above the limit"):
        messages.encode(dataclasses.replace(reply, sealed=bytes(9 << 20)), signer)


def test_hashes_of_sets_differ_with_size_and_members():
    hashes = {
        messages.subset_hash(Subset(size, members))
        for size, members in ((3, ()), (4, ()), (3, (0,)), (3, (1,)), (3, (0, 1)), (9, (8,)))
    }
    assert len(hashes) == 6
