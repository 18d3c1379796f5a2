from __future__ import annotations

import pytest

from mien.errors import ProtocolError
from privacy.randomness import TestOnlySource
from privacy.secagg.identity import COORDINATOR, Directory, Identity, Member, sign_directory, verify

SOURCE = TestOnlySource(1)
A, B, OPERATOR = (Identity.generate(SOURCE) for _ in range(3))


def member(name: str, identity: Identity, sequence: int = 1) -> Member:
    return Member(name=name, identity_key=identity.public_key, sequence=sequence)


def test_an_identity_survives_storage_and_signs_for_one_purpose():
    again = Identity.from_bytes(A.to_bytes())
    assert again.public_key == A.public_key
    signature = again.sign("purpose", b"content")
    verify(A.public_key, "purpose", b"content", signature, "a")
    for key, purpose, content in (
        (B.public_key, "purpose", b"content"),
        (A.public_key, "purpos", b"econtent"),
        (A.public_key, "purpose", b"contenu"),
        (b"\xff" * 32, "purpose", b"content"),
    ):
        with pytest.raises(ProtocolError, match="does not verify"):
            verify(key, purpose, content, signature, "a")
    with pytest.raises(ProtocolError, match="expected 32 secret bytes"):
        Identity.from_bytes(b"short")


def test_first_use_pins_and_refuses_changes():
    seen = Directory.first_use().seen([member("a", A, 3)])
    assert seen.get("a") == member("a", A, 3)
    assert seen.seen([member("a", A, 4)]).get("a").sequence == 4
    with pytest.raises(ProtocolError, match="the server may be swapping keys"):
        seen.seen([member("a", B, 4)])
    with pytest.raises(ProtocolError, match="prekeys 2 are older than 3, replayed"):
        seen.seen([member("a", A, 2)])
    with pytest.raises(ProtocolError, match="two names bear one identity key"):
        seen.seen([member("b", A)])
    with pytest.raises(ProtocolError, match="reserved for the server"):
        seen.seen([member(COORDINATOR, B)])
    assert seen.get("b") is None
    assert Directory.from_bytes(seen.to_bytes()) == seen


def test_a_provisioned_directory_admits_nobody():
    document = sign_directory({"b": B.public_key, "a": A.public_key}, OPERATOR)
    directory = Directory.provisioned(document, OPERATOR.public_key)
    assert directory.new_names(("a", "b", "c")) == ["c"]
    assert directory.seen([member("a", A, 9)]).get("a").sequence == 9
    with pytest.raises(ProtocolError, match="not in the provisioned directory"):
        directory.seen([member("c", Identity.generate(SOURCE))])
    with pytest.raises(ProtocolError, match="does not verify"):
        Directory.provisioned(document, A.public_key)
    altered = bytearray(document)
    altered[-70] ^= 1
    with pytest.raises(ProtocolError):
        Directory.provisioned(bytes(altered), OPERATOR.public_key)


def test_a_newer_directory_keeps_what_was_seen_and_an_older_one_is_refused():
    first = Directory.provisioned(sign_directory({"a": A.public_key}, OPERATOR, 1), OPERATOR.public_key)
    first = first.seen([member("a", A, 7)])
    members = {"a": A.public_key, "b": B.public_key}
    second = first.succeeded_by(
        Directory.provisioned(sign_directory(members, OPERATOR, 2), OPERATOR.public_key)
    )
    assert second.get("a").sequence == 7
    assert second.get("b").sequence == 0
    with pytest.raises(ProtocolError, match="version 1 is older than 2"):
        second.succeeded_by(first)
    with pytest.raises(ProtocolError, match="begin at 1"):
        Directory.provisioned(sign_directory(members, OPERATOR, 0), OPERATOR.public_key)


def test_a_directory_document_must_be_sorted_and_without_repetition():
    with pytest.raises(ProtocolError, match="sorted and free of repetition"):
        Directory(members=(member("b", B), member("a", A)))
    with pytest.raises(ProtocolError, match="sorted and free of repetition"):
        Directory(members=(member("a", A), member("a", B)))
