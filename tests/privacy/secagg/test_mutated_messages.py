"""Whatever arrives: a typed error, or the same meaning in the same bytes; never a crash, a hang or a wrong sum.

Mutations are flipped bits, cuts, extensions, doubled, moved and foreign slices, lying lengths, other kinds of
message, and whole fields from elsewhere. Half of them are signed again by the true sender, so that they pass
for the work of a malicious one and reach the checks behind the signature.
"""

from __future__ import annotations

import dataclasses
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mien.errors import MienError, ProtocolError, RoundAbortedError
from privacy.plan import RoundPlan
from privacy.secagg.client import SecAggClient
from privacy.secagg.client_state import ClientState
from privacy.secagg.identity import Directory, DirectoryDocument, Identity, sign_directory
from privacy.secagg.messages import (
    KINDS,
    Enrolment,
    Refusal,
    SetupReply,
    SetupRequest,
    UnmaskReply,
    UnmaskRequest,
    UploadHeader,
    UploadRequest,
    decode,
    encode,
    kind_of,
)
from privacy.secagg.server import SecAggServer, ServerState

PURPOSE = "mien secagg v1 message"
MODEL = "ab" * 32
SLOWEST = 1.0  # CPU seconds
LENGTHS = [
    0,
    1,
    2,
    31,
    32,
    63,
    255,
    256,
    65535,
    99_999,
    100_000,
    100_001,
    1 << 24,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
]


def mutated(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Return ``data`` after one to three mutations."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        data = rng.choice(MUTATIONS)(bytearray(data), others, rng)
    return data


def _flip(data: bytearray, others: list[bytes], rng: random.Random) -> bytes:
    for _ in range(rng.choice([1, 1, 2, 8]) if data else 0):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _cut(data: bytearray, others: list[bytes], rng: random.Random) -> bytes:
    return bytes(data[: rng.randrange(len(data) + 1)])


def _extend(data: bytearray, others: list[bytes], rng: random.Random) -> bytes:
    return bytes(data) + rng.randbytes(rng.choice([1, 4, 64, 1000]))


def _slice(data: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.choice([1, 4, 16, 32, 48, 64, 112, 200]))


def _double(data: bytearray, others: list[bytes], rng: random.Random) -> bytes:
    start, end = _slice(data, rng)
    return bytes(data[:end] + data[start:])


def _remove(data: bytearray, others: list[bytes], rng: random.Random) -> bytes:
    start, end = _slice(data, rng)
    return bytes(data[:start] + data[end:])


def _move(data: bytearray, others: list[bytes], rng: random.Random) -> bytes:
    start, end = _slice(data, rng)
    piece, rest = data[start:end], data[:start] + data[end:]
    at = rng.randrange(len(rest) + 1)
    return bytes(rest[:at] + piece + rest[at:])


def _splice(data: bytearray, others: list[bytes], rng: random.Random) -> bytes:
    other = rng.choice(others)
    start, end = _slice(other, rng)
    at = min(start, len(data)) if rng.random() < 0.5 else rng.randrange(len(data) + 1)
    data[at : at + end - start] = other[start:end]
    return bytes(data)


def _length(data: bytearray, others: list[bytes], rng: random.Random) -> bytes:
    """Overwrite four bytes, by preference ones that look like a length, with a length that lies."""
    looks = [
        at for at in range(len(data) - 3) if data[at + 2] == data[at + 3] == 0 and (data[at] or data[at + 1])
    ]
    at = rng.choice(looks) if looks and rng.random() < 0.7 else rng.randrange(max(1, len(data) - 3))
    true = int.from_bytes(data[at : at + 4], "little")
    lie = rng.choice([*LENGTHS, true + 1, max(0, true - 1), true * 2, len(data)]) & 0xFFFFFFFF
    data[at : at + 4] = lie.to_bytes(4, "little")
    return bytes(data)


def _kind(data: bytearray, others: list[bytes], rng: random.Random) -> bytes:
    if len(data) > 5:
        data[rng.choice([0, 4, 5, 5, 5])] = rng.choice([*KINDS, 0, 9, 255])
    return bytes(data)


def _swap(data: bytearray, others: list[bytes], rng: random.Random) -> bytes:
    other = rng.choice(others)
    return bytes(data[:6]) + other[6:] if rng.random() < 0.5 else other


MUTATIONS: list[Callable[[bytearray, list[bytes], random.Random], bytes]] = [
    _flip, _flip, _cut, _extend, _double, _remove, _move, _splice, _splice, _length, _length, _kind, _swap,
]  # fmt: skip


def field_spliced(raw: bytes, others: list[bytes], sender: Identity, rng: random.Random) -> bytes:
    """Return a well-formed message with one field from another message, cut short, doubled, or at its extreme."""
    kind = kind_of(raw)
    message = decode(raw, kind).message
    field = rng.choice(dataclasses.fields(message)).name
    value = getattr(message, field)
    donors = [decode(one, kind_of(one)).message for one in others]
    values = [getattr(one, field) for one in donors if hasattr(one, field)]
    if isinstance(value, tuple):
        values += [value[:-1], value + value[:1], value[::-1], (), value[1:] + value[:1]]
    elif isinstance(value, int):
        values += [0, 1, value + 1, 255]
    elif isinstance(value, bytes):
        values += [bytes(len(value)), b"\xff" * len(value), value[::-1]]
    elif dataclasses.is_dataclass(value) and hasattr(value, "positions"):
        some = tuple(sorted(rng.sample(range(value.size), rng.randrange(value.size + 1))))
        values += [
            dataclasses.replace(value, positions=some),
            dataclasses.replace(value, size=value.size + 8),
        ]
    values = [one for one in values if one != value] or [value]
    try:
        return encode(dataclasses.replace(message, **{field: rng.choice(values)}), sender)
    except ProtocolError:
        return raw[:-1]


@dataclasses.dataclass
class Target:
    """One message at the door it is meant for."""

    kind: type
    raw: bytes
    sender: Identity
    call: Callable[[bytes], Any]
    state: Callable[[], Any]
    """Whatever must be the same after an error."""
    restore: Callable[[], None]


def staged(federation: Any, phase: str) -> Any:
    """Return a federation of five that has come to ``phase``."""
    devices = federation(5)
    devices.begin(min_survivors=4)
    if phase != "setup":
        devices.set_up()
        devices.requests = devices.round.upload_requests(MODEL)
    if phase == "unmask":
        for name, request in devices.requests.items():
            devices.round.receive_upload(*devices.client(name).upload(request, devices.vector(name)))
        devices.requests = devices.round.unmask_requests()
    return devices


def client_target(devices: Any, name: str, kind: type, raw: bytes, method: str) -> Target:
    """Return the target of a request to a client."""
    client, stored = devices.client(name), devices.client(name).to_bytes()
    vector = devices.vector(name)

    def call(data: bytes) -> Any:
        return client.upload(data, vector.copy()) if method == "upload" else getattr(client, method)(data)

    def restore() -> None:
        client._state = ClientState.from_bytes(stored)

    return Target(kind, raw, devices.server.identity, call, client.to_bytes, restore)


def server_target(devices: Any, name: str, kind: type, raw: bytes, call: Callable[[bytes], Any]) -> Target:
    """Return the target of an answer to the server."""
    server, current = devices.server, devices.round
    kept = (dict(current._setups), dict(current._headers), dict(current._replies), current._total.copy())
    members = (server._directory, dict(server._bundles), dict(current.refusals))

    def state() -> Any:
        seen = (current._setups, current._headers, current._replies, current._total.tobytes())
        return [*map(repr, seen), server.to_bytes(), current.phase, repr(current.refusals)]

    def restore() -> None:
        current._setups, current._headers, current._replies = map(dict, kept[:3])
        current._total[:] = kept[3]
        server._directory, server._bundles = members[0], dict(members[1])
        current.refusals = dict(members[2])

    return Target(kind, raw, devices.identities[name], call, state, restore)


@pytest.fixture
def targets(federation: Any) -> list[Target]:
    """Return every kind of message, each with the receiver in the state that waits for it."""
    found = []
    devices = staged(federation, "setup")
    name = devices.names[1]
    request = devices.round.setup_request(name)
    found.append(client_target(devices, name, SetupRequest, request, "setup"))
    reply = SecAggClient.from_bytes(devices.client(name).to_bytes(), devices.source("other")).setup(request)
    found.append(server_target(devices, name, SetupReply, reply, devices.round.receive_setup))
    refusal = devices.client(name).refuse(request, ProtocolError("because"))
    found.append(server_target(devices, name, Refusal, refusal, devices.round.receive_refusal))
    fresh = SecAggClient.from_bytes(devices.client(name).to_bytes(), devices.source("more"))
    found.append(server_target(devices, name, Enrolment, fresh.enrol("run"), devices.server.enrol))

    devices = staged(federation, "upload")
    request = devices.requests[name]
    found.append(client_target(devices, name, UploadRequest, request, "upload"))
    found.append(client_target(devices, name, UploadRequest, request, "plan_of"))
    twin = SecAggClient.from_bytes(devices.client(name).to_bytes(), devices.source("twin"))
    header, masked = twin.upload(request, devices.vector(name))
    receive = devices.round.receive_upload
    found.append(server_target(devices, name, UploadHeader, header, lambda data: receive(data, masked)))

    devices = staged(federation, "unmask")
    request = devices.requests[name]
    found.append(client_target(devices, name, UnmaskRequest, request, "unmask"))
    reply = SecAggClient.from_bytes(devices.client(name).to_bytes(), devices.source("twin")).unmask(request)
    found.append(server_target(devices, name, UnmaskReply, reply, devices.round.receive_unmask))
    return found


def timed(call: Callable[[bytes], Any], data: bytes) -> Any:
    start = time.thread_time()
    try:
        return call(data)
    finally:
        assert time.thread_time() - start < SLOWEST, f"{len(data)} bytes took too long"


def mutate_entries(targets: list[Target], count: int, seed: int) -> Counter[str]:
    """Send ``count`` mutants to each receiver; return how they fared."""
    rng, fared = random.Random(seed), Counter()
    others = [target.raw for target in targets]
    for target in targets:
        before = target.state()
        for number in range(count):
            resigned = number % 2 == 0
            if rng.random() < 0.3:
                mutant = field_spliced(target.raw, others, target.sender, rng)
            else:
                mutant = mutated(target.raw[:-64] if resigned else target.raw, others, rng)
                if resigned:
                    mutant += target.sender.sign(PURPOSE, mutant)
            if mutant == target.raw:
                fared["unchanged"] += 1
                continue
            try:
                timed(target.call, mutant)
            except MienError:
                fared["refused"] += 1
                if number % 50 == 0:
                    assert target.state() == before, f"{target.kind.__name__}: an error changed the state"
                continue
            message = decode(mutant, target.kind).message
            assert encode(message, target.sender) == mutant, "accepted, but not canonical"
            fared[f"accepted {target.kind.__name__}"] += 1
            assert resigned or mutant[-64:] != target.raw[-64:], "accepted without the sender's signature"
            target.restore()
            assert target.state() == before
        assert target.state() == before, f"{target.kind.__name__}: an error changed the state"
        timed(target.call, target.raw)  # the true message is still welcome
        target.restore()
    return fared


def test_mutants_at_every_door_are_refused_or_mean_what_they_say(targets):
    fared = mutate_entries(targets, 550, seed=1)
    assert fared["refused"] > 3500
    assert not {"accepted SetupRequest", "accepted UploadHeader"} & set(fared), fared


@pytest.mark.slow
def test_many_mutants_at_every_door_are_refused_or_mean_what_they_say(targets):
    fared = mutate_entries(targets, 6000, seed=2)
    assert sum(fared.values()) == 54_000
    assert not {"accepted SetupRequest", "accepted UploadHeader"} & set(fared), fared


def records(federation: Any, targets: list[Target]) -> list[tuple[bytes, Callable[[bytes], bytes]]]:
    """Return encoded things, each with a function that decodes and encodes it again."""

    def message(kind: type) -> Callable[[bytes], bytes]:
        def again(data: bytes) -> bytes:
            signed = decode(data, kind)
            assert signed.content + signed.signature == data
            return signed.content[:6] + signed.message.to_bytes() + signed.signature

        return again

    devices = staged(federation, "unmask")
    operator = Identity.generate(devices.source("operator"))
    document = sign_directory({name: one.public_key for name, one in devices.identities.items()}, operator)
    source = devices.source("again")
    plan, other = devices.round.plan, devices.names[1]
    return [
        *((target.raw, message(target.kind)) for target in targets),
        (devices.client(devices.names[0]).to_bytes(), lambda data: ClientState.from_bytes(data).to_bytes()),
        (devices.client(other).to_bytes(), lambda data: SecAggClient.from_bytes(data, source).to_bytes()),
        (devices.server.to_bytes(), lambda data: ServerState.from_bytes(data).to_bytes()),
        (devices.server.to_bytes(), lambda data: SecAggServer.from_bytes(data, source).to_bytes()),
        (document, lambda data: DirectoryDocument.from_bytes(data).to_bytes()),
        (devices.client(devices.names[0]).directory.to_bytes(), lambda data: Directory.from_bytes(data).to_bytes()),
        (plan.to_bytes(), lambda data: RoundPlan.from_bytes(data).to_bytes()),
    ]  # fmt: skip


def mutate_records(
    corpus: list[tuple[bytes, Callable[[bytes], bytes]]], count: int, seed: int
) -> Counter[str]:
    """Decode ``count`` mutants of each record."""
    rng, fared = random.Random(seed), Counter()
    others = [raw for raw, _ in corpus]
    for raw, again in corpus:
        assert again(raw) == raw
        for _ in range(count):
            mutant = mutated(raw, others, rng)
            try:
                encoded = timed(again, mutant)
            except MienError:
                fared["refused"] += 1
            else:
                assert encoded == mutant, "two encodings of one meaning"
                fared["accepted"] += 1
    return fared


def test_mutants_decode_to_an_error_or_to_themselves(federation, targets):
    fared = mutate_records(records(federation, targets), 1000, seed=3)
    assert sum(fared.values()) == 16_000
    assert fared["accepted"] > 100, "a flipped bit in a key is a key"


@pytest.mark.slow
def test_many_mutants_decode_to_an_error_or_to_themselves(federation, targets):
    fared = mutate_records(records(federation, targets), 6000, seed=4)
    assert sum(fared.values()) == 96_000


PLANS = [
    (b'"round":1', b'"round":1.0'),
    (b'"round":1', b'"round":01'),
    (b'"round":1', b'"round":1,"round":1'),
    (b'"round":1', b'"round":1 '),
    (b'"round":1', b'"round":"1"'),
    (b'"round":1', b'"round":true'),
    (b'"round":1', b'"round":' + b"9" * 5000),
    (b'"round":1', b'"round":-1'),
    (b'"clipping_norm":1.0', b'"clipping_norm":1e400'),
    (b'"clipping_norm":1.0', b'"clipping_norm":1e308'),
    (b'"clipping_norm":1.0', b'"clipping_norm":NaN'),
    (b'"clipping_norm":1.0', b'"clipping_norm":Infinity'),
    (b'"clipping_norm":1.0', b'"clipping_norm":5e-324'),
    (b'"clipping_norm":1.0', b'"clipping_norm":1.00'),
    (b'"purpose":"test"', b'"purpose":"te\\u0073t"'),
    (b'"purpose":"test"', b'"purpose":"\xff"'),
    (b'"purpose":"test"', b'"purpose":"\\ud800"'),
    (b'"purpose":"test"', b'"purpose":"test\\n"'),
    (b'"purpose":"test"', b'"purpose":' + b"[" * 20_000),
    (b'"scale":4096', b'"scale":1099511627776'),
    (b'"vector_length":40', b'"vector_length":1073741824'),
    (b'"cohort":[', b'"cohort":[null,'),
    (b"{", b"\xef\xbb\xbf{"),
]


@pytest.mark.parametrize(("old", "new"), PLANS, ids=range(len(PLANS)))
def test_other_spellings_and_extremes_of_a_plan_are_refused(federation, old, new):
    devices = staged(federation, "setup")
    name, raw = devices.names[0], devices.round.plan.to_bytes()
    assert old in raw
    message = decode(devices.round.setup_request(name), SetupRequest).message
    request = encode(dataclasses.replace(message, plan=raw.replace(old, new, 1)), devices.server.identity)
    before = devices.client(name).to_bytes()
    with pytest.raises(MienError):
        timed(devices.client(name).setup, request)
    assert devices.client(name).to_bytes() == before


def test_a_checkpoint_that_lists_a_member_twice_is_refused(federation):
    server = staged(federation, "upload").server
    state = ServerState.from_bytes(server.to_bytes())
    for bundles in (state.bundles[::-1], (*state.bundles, state.bundles[-1])):
        damaged = dataclasses.replace(state, bundles=bundles).to_bytes()
        with pytest.raises(ProtocolError, match="listed twice or out of order"):
            SecAggServer.from_bytes(damaged, server._source)


def whole_round(federation: Any, seed: int) -> str:
    """Run a round in which some messages are mutated on their way; return what became of it."""
    rng = random.Random(seed)
    devices = federation(6, seed=seed)
    devices.begin(min_survivors=3, vector_length=5)
    seen = [devices.round.setup_request(name) for name in devices.names]
    vectors: dict[str, Any] = {}

    def travels(raw: bytes, sender: Identity, receive: Callable[[bytes], Any]) -> Any:
        """Deliver ``raw``, sometimes a mutant first; the true one follows where the mutant was refused."""
        seen.append(raw)
        if rng.random() < 0.15:
            mutant = field_spliced(raw, seen, sender, rng)
            if rng.random() < 0.5:
                mutant = mutated(raw[:-64], seen, rng)
                mutant += sender.sign(PURPOSE, mutant)
            try:
                return timed(receive, mutant)
            except MienError:
                pass
        return receive(raw)

    def exchange(requests: dict[str, bytes], answer: Callable[..., Any], take: Callable[..., Any]) -> None:
        for name, request in requests.items():
            try:
                got = travels(request, devices.server.identity, lambda data, n=name: answer(n, data))
                rest = got[1:] if isinstance(got, tuple) else ()
                raw = got[0] if isinstance(got, tuple) else got
                travels(raw, devices.identities[name], lambda data, r=rest: take(data, *r))
            except MienError:
                continue  # refused for good: lost like any drop-out

    def upload(name: str, data: bytes) -> Any:
        vectors[name] = devices.vector(name)
        return devices.client(name).upload(data, vectors[name].copy())

    current = devices.round
    try:
        exchange(current.setup_requests(), lambda n, d: devices.client(n).setup(d), current.receive_setup)
        exchange(current.upload_requests(MODEL), upload, current.receive_upload)
        exchange(current.unmask_requests(), lambda n, d: devices.client(n).unmask(d), current.receive_unmask)
        result = current.result()
    except RoundAbortedError:
        return "aborted"
    expected = sum((vectors[name].astype(np.int64) for name in result.survivors), np.zeros(5, np.int64))
    np.testing.assert_array_equal(result.sum, expected)
    return "exact"


def test_mutants_in_whole_rounds_never_give_a_wrong_sum(federation):
    fared = Counter(whole_round(federation, seed) for seed in range(40))
    assert fared["exact"] > 5
    assert fared["aborted"] > 0


@pytest.mark.slow
def test_mutants_in_many_whole_rounds_never_give_a_wrong_sum(federation):
    fared = Counter(whole_round(federation, seed) for seed in range(1000, 1800))
    assert fared["exact"] > 100
