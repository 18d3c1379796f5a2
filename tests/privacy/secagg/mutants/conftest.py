"""Whatever arrives: a typed error, or the same meaning in the same bytes; never a crash, a hang or a wrong sum.

Mutations are flipped bits, cuts, extensions, doubled, moved and foreign slices, lying lengths, other kinds of
message, and whole fields from elsewhere. Half of them are signed again by the true sender, so that they pass
for the work of a malicious one and reach the checks behind the signature.
"""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from mien.errors import ProtocolError
from privacy.secagg.client import SecAggClient
from privacy.secagg.client_state import ClientState
from privacy.secagg.identity import Identity
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


@pytest.fixture
def staging(federation: Any) -> Callable[[str], Any]:
    """Return a maker of federations that have come to a phase."""
    return lambda phase: staged(federation, phase)


@pytest.fixture
def mutants() -> SimpleNamespace:
    """Return what makes mutants and times whoever receives them."""
    return SimpleNamespace(mutated=mutated, field_spliced=field_spliced, timed=timed)
