"""Mutants of everything that is decoded: messages, states, documents, plans."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from mien.errors import MienError, ProtocolError
from privacy.plan import RoundPlan
from privacy.secagg.client import SecAggClient
from privacy.secagg.client_state import ClientState
from privacy.secagg.identity import Directory, DirectoryDocument, Identity, sign_directory
from privacy.secagg.messages import (
    SetupRequest,
    decode,
    encode,
)
from privacy.secagg.server import SecAggServer, ServerState


def records(staging: Any, targets: list[Any]) -> list[tuple[bytes, Callable[[bytes], bytes]]]:
    """Return encoded things, each with a function that decodes and encodes it again."""

    def message(kind: type) -> Callable[[bytes], bytes]:
        def again(data: bytes) -> bytes:
            signed = decode(data, kind)
            assert signed.content + signed.signature == data
            return signed.content[:6] + signed.message.to_bytes() + signed.signature

        return again

    devices = staging("unmask")
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
    mutants: Any, corpus: list[tuple[bytes, Callable[[bytes], bytes]]], count: int, seed: int
) -> Counter[str]:
    """Decode ``count`` mutants of each record."""
    rng, fared = random.Random(seed), Counter()
    others = [raw for raw, _ in corpus]
    for raw, again in corpus:
        assert again(raw) == raw
        for _ in range(count):
            mutant = mutants.mutated(raw, others, rng)
            try:
                encoded = mutants.timed(again, mutant)
            except MienError:
                fared["refused"] += 1
            else:
                assert encoded == mutant, "two encodings of one meaning"
                fared["accepted"] += 1
    return fared


def test_mutants_decode_to_an_error_or_to_themselves(mutants, staging, targets):
    fared = mutate_records(mutants, records(staging, targets), 1000, seed=3)
    assert sum(fared.values()) == 16_000
    assert fared["accepted"] > 100, "a flipped bit in a key is a key"


@pytest.mark.slow
def test_many_mutants_decode_to_an_error_or_to_themselves(mutants, staging, targets):
    fared = mutate_records(mutants, records(staging, targets), 6000, seed=4)
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
def test_other_spellings_and_extremes_of_a_plan_are_refused(mutants, staging, old, new):
    devices = staging("setup")
    name, raw = devices.names[0], devices.round.plan.to_bytes()
    assert old in raw
    message = decode(devices.round.setup_request(name), SetupRequest).message
    request = encode(dataclasses.replace(message, plan=raw.replace(old, new, 1)), devices.server.identity)
    before = devices.client(name).to_bytes()
    with pytest.raises(MienError):
        mutants.timed(devices.client(name).setup, request)
    assert devices.client(name).to_bytes() == before


def test_a_checkpoint_that_lists_a_member_twice_is_refused(staging):
    server = staging("upload").server
    state = ServerState.from_bytes(server.to_bytes())
    for bundles in (state.bundles[::-1], (*state.bundles, state.bundles[-1])):
        damaged = dataclasses.replace(state, bundles=bundles).to_bytes()
        with pytest.raises(ProtocolError, match="listed twice or out of order"):
            SecAggServer.from_bytes(damaged, server._source)
