"""What clients signed, parsed anew from the documented wire format (docs/secure-aggregation.md), and checked.

An enrolment brings a client's identity key, signed by itself. The header of a masked vector binds the client to
the plan and the session. Parsed here without :mod:`privacy.secagg`, whose fault could otherwise hide.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
from typing import Any

from privacy.audit.verification.chain import signed_by

_MESSAGE = b"mien secagg v1 message"
_PREKEYS = b"mien secagg v1 prekeys"
_CONFIRMATION = b"mien secagg v1 confirmation"
_COORDINATOR = "coordinator"


class WireFault(Exception):  # noqa: N818 - a finding in the making, never an error of this program
    """The content is not what a client can have signed; the text says why."""


@dataclasses.dataclass(frozen=True)
class Enrolled:
    """A client's name and identity key, as it signed them."""

    name: str
    key: bytes


@dataclasses.dataclass(frozen=True)
class Header:
    """What a client signed of its masked vector."""

    run: str
    round: int
    session: bytes
    sender: str
    plan_hash: bytes
    completed_hash: bytes
    length: int
    bits: int


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def take(self, size: int) -> bytes:
        piece = self._data[self.at : self.at + size]
        if len(piece) != size:
            raise WireFault(f"cut short at byte {self.at}")
        self.at += size
        return piece

    def name(self) -> str:
        return self.take(self.take(1)[0]).decode("ascii", "replace")

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")


def content_of(part: dict[str, Any]) -> bytes:
    """Return the content that a transcript line keeps whole, if it has the size and hash stated beside it."""
    try:
        data = base64.b64decode(part["content"], validate=True)
    except (KeyError, TypeError, binascii.Error):
        raise WireFault("its content is missing or not base64") from None
    if base64.b64encode(data).decode() != part["content"]:
        raise WireFault("its content is not canonical base64")
    if len(data) != part.get("bytes") or hashlib.sha256(data).hexdigest() != part.get("sha256"):
        raise WireFault("its content has not the size and hash that are stated beside it")
    return data


def read_enrolment(data: bytes, run: str) -> Enrolled:
    """Return who enrolled; both signatures are checked under the key that the enrolment brings."""
    cursor, (stated, number, _, sender) = _begin(data, 1)
    start = cursor.at
    name, key = cursor.name(), cursor.take(32)
    cursor.take(8 + 32 + 32)
    content, signature = data[start : cursor.at], cursor.take(64)
    _end(data, cursor, key)
    if not signed_by(key, _PREKEYS, content, signature):
        raise WireFault("the client's signature of its keys does not verify")
    if (stated, number, sender) != (run, 0, name):
        raise WireFault(f"it is an enrolment of {sender!r} to run {stated!r}, not to this one")
    return Enrolled(name, key)


def read_header(data: bytes, key: bytes) -> Header:
    """Return what the client signed; both of its signatures are checked under ``key``."""
    cursor, (run, number, session, sender) = _begin(data, 5)
    plan_hash, completed = cursor.take(32), cursor.take(32)
    length, bits = cursor.number(8), cursor.number(1)
    cursor.take(16)
    confirmation = cursor.take(64)
    _end(data, cursor, key)
    content = b"".join(
        len(part).to_bytes(4, "little") + part for part in (session, sender.encode(), plan_hash, completed)
    )
    if not signed_by(key, _CONFIRMATION, content, confirmation):
        raise WireFault("the client's confirmation of plan and cohort does not verify")
    return Header(run, number, session, sender, plan_hash, completed, length, bits)


def _begin(data: bytes, kind: int) -> tuple[_Cursor, tuple[str, int, bytes, str]]:
    cursor = _Cursor(data)
    if cursor.take(6) != b"MIEN" + bytes([1, kind]):
        raise WireFault("it is not the message that it should be")
    run, number, session = cursor.name(), cursor.number(4), cursor.take(32)
    sender, recipient = cursor.name(), cursor.name()
    if recipient != _COORDINATOR:
        raise WireFault(f"it is addressed to {recipient!r}")
    return cursor, (run, number, session, sender)


def _end(data: bytes, cursor: _Cursor, key: bytes) -> None:
    content, signature = data[: cursor.at], cursor.take(64)
    if cursor.at != len(data):
        raise WireFault(f"{len(data) - cursor.at} bytes too many")
    if not signed_by(key, _MESSAGE, content, signature):
        raise WireFault("the client's signature does not verify")


def session_of(plan_without_model: bytes, roster: bytes, server_key: bytes, run_key: bytes) -> bytes:
    """Return the hash that names a session."""
    parts = (
        b"mien secagg v1 session", hashlib.sha256(plan_without_model).digest(), roster, server_key, run_key,
    )  # fmt: skip
    return hashlib.sha256(b"".join(len(part).to_bytes(4, "little") + part for part in parts)).digest()
