from __future__ import annotations

import dataclasses
import itertools

import pytest

from mien.errors import ProtocolError
from privacy.randomness import TestOnlySource
from privacy.secagg.identity import Identity
from privacy.secagg.keys import Bundle, Prekeys, Session, agree, mask_private, public_of, session_id

SOURCE = TestOnlySource(1)
IDENTITY = Identity.generate(SOURCE)


def prekeys(name: str = "a", sequence: int = 1) -> Prekeys:
    return Prekeys.generate(name, IDENTITY, sequence, SOURCE)


def test_a_bundle_is_signed_with_all_it_says():
    one = prekeys()
    one.bundle.check()
    assert Bundle.from_bytes(one.bundle.to_bytes()) == one.bundle
    assert one.bundle.mask_key == public_of(mask_private(one.mask_seed))
    other = prekeys("b", 2).bundle
    for field in ("name", "sequence", "channel_key", "mask_key", "identity_key", "signature"):
        value = getattr(other, field) if field != "identity_key" else Identity.generate(SOURCE).public_key
        forged = dataclasses.replace(one.bundle, **{field: value})
        with pytest.raises(ProtocolError, match="does not verify"):
            forged.check()
        assert forged.hash != one.bundle.hash


def test_both_sides_derive_the_same_key_and_nobody_else_does():
    alice, bob = prekeys("a"), prekeys("b")
    session = Session("run", 1, b"s" * 32)
    ours = session.channel_key(alice.channel_private, bob.bundle.channel_key, "a", "b")
    assert ours == session.channel_key(bob.channel_private, alice.bundle.channel_key, "b", "a")
    variants = [
        Session("run2", 1, b"s" * 32).channel_key(alice.channel_private, bob.bundle.channel_key, "a", "b"),
        Session("run", 2, b"s" * 32).channel_key(alice.channel_private, bob.bundle.channel_key, "a", "b"),
        Session("run", 1, b"t" * 32).channel_key(alice.channel_private, bob.bundle.channel_key, "a", "b"),
        session.channel_key(alice.channel_private, bob.bundle.channel_key, "a", "c"),
        session.mask_key(alice.channel_private, bob.bundle.channel_key, "a", "b"),
        session.upload_key(alice.channel_private, bob.bundle.channel_key, "a"),
        session.self_mask_key(ours, "a"),
        session.self_mask_key(ours, "b"),
    ]
    assert len({ours, *variants}) == 1 + len(variants)


def test_keys_of_small_order_are_refused():
    private = SOURCE.bytes(32)
    for point in (bytes(32), b"\x01" + bytes(31)):
        with pytest.raises(ProtocolError, match="small order"):
            agree(private, point, "mallory")


def test_a_session_is_named_by_plan_roster_and_server_keys():
    base = [b"p" * 32, (b"a" * 32, b"b" * 32), b"s" * 32, b"r" * 32]
    ids = {session_id(*base)}
    for index, value in enumerate([b"q" * 32, (b"b" * 32, b"a" * 32), b"t" * 32, b"x" * 32]):
        changed = list(base)
        changed[index] = value
        ids.add(session_id(*changed))
    assert len(ids) == 5
    for left, right in itertools.combinations([(b"a" * 32,), (b"a" * 32, b"a" * 32)], 2):
        assert session_id(base[0], left, base[2], base[3]) != session_id(base[0], right, base[2], base[3])
