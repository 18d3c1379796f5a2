"""Every message of the protocol: typed, versioned, canonical, limited in size, bound to its session, signed.

| message          | direction         | in answer to    |
|------------------|-------------------|-----------------|
| Enrolment        | client to server  | once per device |
| SetupRequest     | server to client  |                 |
| SetupReply       | client to server  | SetupRequest    |
| UploadRequest    | server to client  |                 |
| UploadHeader     | client to server  | UploadRequest; the masked vector travels next to it |
| UnmaskRequest    | server to client  |                 |
| UnmaskReply      | client to server  | UnmaskRequest   |
| Refusal          | client to server  | any request     |

On the wire: ``MIEN``, protocol version, kind, the fields in order, and 64 bytes of Ed25519 signature over all
of it. Wherever a message lists things per neighbour it does so in ascending cohort position, so no name is
sent twice.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Annotated, ClassVar, Generic, TypeVar

from mien.errors import ProtocolError
from privacy.plan import MAX_COHORT
from privacy.secagg.codec import (
    Bitmap,
    Blob,
    Fixed,
    Many,
    Named,
    Nested,
    Number,
    Reader,
    Record,
    Subset,
    Text,
)
from privacy.secagg.identity import Identity, verify
from privacy.secagg.keys import PROTOCOL_VERSION, Bundle, sha256

_MAGIC = b"MIEN"
_PURPOSE = "mien secagg v1 message"
_SIGNATURE = 64
_MIB = 1 << 20

NO_SESSION = bytes(32)
"""The session of messages that belong to none: an enrolment, or the refusal of what could not be read."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Message(Record):
    """What every message is bound to."""

    KIND: ClassVar[int]
    LIMIT: ClassVar[int]
    """Most bytes of an encoded message of this kind, signature included."""

    run: Annotated[str, Named()]
    round: Annotated[int, Number(4)]
    session: Annotated[bytes, Fixed(32)]
    """Stands for the plan without its model, every member's bundle and the server's keys."""
    sender: Annotated[str, Named()]
    recipient: Annotated[str, Named()]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Enrolment(Message):
    """A device's first message: its identity key inside its first bundle. Round 0, no session."""

    KIND = 1
    LIMIT = 1024
    bundle: Annotated[Bundle, Nested(Bundle)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SetupRequest(Message):
    """The server asks a member to deal shares to its neighbours."""

    KIND = 2
    LIMIT = 64 * _MIB
    server_key: Annotated[bytes, Fixed(32)]
    run_key: Annotated[bytes, Fixed(32)]
    """The server's X25519 key for the tags of the vectors of this round."""
    plan: Annotated[bytes, Blob(16 * _MIB)]
    """Canonical plan without its model."""
    roster: Annotated[tuple[bytes, ...], Many(Fixed(32))]
    """The hash of every member's bundle, in cohort order; the neighbour graph follows from it."""
    bundles: Annotated[tuple[Bundle, ...], Many(Nested(Bundle))]
    """The neighbours' bundles."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Deal(Record):
    """One member's shares for one neighbour, and short commitments to them for the server."""

    sealed: Annotated[bytes, Fixed(80)]
    """AES-256-GCM of the share of the self-mask seed and the share of the mask seed."""
    self_check: Annotated[bytes, Fixed(16)]
    mask_check: Annotated[bytes, Fixed(16)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SetupReply(Message):
    """A member's shares for its neighbours, and the bundle for its next session."""

    KIND = 3
    LIMIT = 16 * _MIB
    self_commitment: Annotated[bytes, Fixed(32)]
    deals: Annotated[tuple[Deal, ...], Many(Nested(Deal))]
    next_bundle: Annotated[Bundle, Nested(Bundle)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class UploadRequest(Message):
    """The whole plan, who completed set-up, and what those neighbours dealt to the recipient."""

    KIND = 4
    LIMIT = 64 * _MIB
    plan: Annotated[bytes, Blob(16 * _MIB)]
    completed: Annotated[Subset, Bitmap()]
    deals: Annotated[tuple[Deal, ...], Many(Nested(Deal))]


@dataclasses.dataclass(frozen=True, kw_only=True)
class UploadHeader(Message):
    """What vouches for a masked vector. The vector itself is raw little-endian words."""

    KIND = 5
    LIMIT = 1024
    plan_hash: Annotated[bytes, Fixed(32)]
    completed_hash: Annotated[bytes, Fixed(32)]
    length: Annotated[int, Number(8)]
    bits: Annotated[int, Number(1)]
    tag: Annotated[bytes, Fixed(16)]
    confirmation: Annotated[bytes, Fixed(64)]
    """Signature over session, plan and completed set, which the neighbours will ask to see."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class UnmaskRequest(Message):
    """Who uploaded, and the confirmations of the recipient's surviving neighbours."""

    KIND = 6
    LIMIT = 16 * _MIB
    plan_hash: Annotated[bytes, Fixed(32)]
    survivors: Annotated[Subset, Bitmap()]
    confirmations: Annotated[tuple[bytes, ...], Many(Fixed(64))]


@dataclasses.dataclass(frozen=True, kw_only=True)
class UnmaskReply(Message):
    """A member's shares, sealed until enough neighbours were shown the same survivors."""

    KIND = 7
    LIMIT = 32 * _MIB
    plan_hash: Annotated[bytes, Fixed(32)]
    view: Annotated[bytes, Fixed(32)]
    pieces: Annotated[tuple[bytes, ...], Many(Fixed(48))]
    """For each surviving neighbour: a padded share of the reply's own key, and the check of the pad."""
    tokens: Annotated[tuple[bytes, ...], Many(Fixed(32))]
    """For each surviving neighbour: the pad of this member's piece of *its* key."""
    sealed: Annotated[bytes, Blob(8 * _MIB)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Refusal(Message):
    """Why a client did not do what it was asked to."""

    KIND = 8
    LIMIT = 4096
    code: Annotated[int, Number(2)]
    """The exit code of the error, see :mod:`mien.errors`: 43 policy, 44 protocol, 41 budget, ..."""
    request: Annotated[bytes, Fixed(32)]
    """SHA-256 of the request."""
    text: Annotated[str, Text(2000)]


KINDS: dict[int, type[Message]] = {
    kind.KIND: kind
    for kind in (
        Enrolment,
        SetupRequest,
        SetupReply,
        UploadRequest,
        UploadHeader,
        UnmaskRequest,
        UnmaskReply,
        Refusal,
    )
}
_M = TypeVar("_M", bound=Message)


@dataclasses.dataclass(frozen=True)
class Signed(Generic[_M]):
    """A decoded message whose signature is still to be checked."""

    message: _M
    content: bytes
    signature: bytes

    def check(self, public_key: bytes) -> _M:
        """Return the message; raises ProtocolError unless its sender, by ``public_key``, signed it."""
        verify(public_key, _PURPOSE, self.content, self.signature, self.message.sender)
        return self.message


def encode(message: Message, identity: Identity) -> bytes:
    """Return ``message`` on the wire, signed by ``identity``. Raises ProtocolError beyond its limits."""
    content = _MAGIC + bytes([PROTOCOL_VERSION, message.KIND]) + message.to_bytes()
    if len(content) + _SIGNATURE > message.LIMIT:
        raise ProtocolError(
            f"{type(message).__name__}: {len(content)} bytes are above the limit of {message.LIMIT}; use a smaller "
            f"cohort (at most {MAX_COHORT} members) or fewer neighbours"
        )
    return content + identity.sign(_PURPOSE, content)


def decode(data: bytes, expected: type[_M]) -> Signed[_M]:
    """Decode one message of the ``expected`` kind. Raises ProtocolError for anything else.

    The signature is *not* checked yet: the caller finds the sender's key first and calls ``.check(key)``.
    """
    name = expected.__name__
    if len(data) > expected.LIMIT:
        raise ProtocolError(f"{name}: {len(data)} bytes are above the limit of {expected.LIMIT}")
    reader = Reader(data)
    if reader.take(4, name) != _MAGIC:
        raise ProtocolError(
            f"{name}: does not begin with {_MAGIC.decode()}; it is no message of this protocol"
        )
    version, kind = reader.number(1, name), reader.number(1, name)
    if version != PROTOCOL_VERSION:
        raise ProtocolError(f"{name}: protocol version {version}; this program speaks {PROTOCOL_VERSION}")
    if kind != expected.KIND:
        got = KINDS[kind].__name__ if kind in KINDS else f"unknown kind {kind}"
        raise ProtocolError(f"expected {name}, got {got}")
    message = expected.read(reader)
    signature = reader.take(_SIGNATURE, name)
    reader.finish(name)
    return Signed(message, data[:-_SIGNATURE], signature)


def kind_of(data: bytes) -> type[Message]:
    """Return the kind of message that ``data`` claims to be. Raises ProtocolError if it is none."""
    kind = KINDS.get(data[5]) if len(data) > 5 and data[:4] == _MAGIC else None
    if kind is None:
        raise ProtocolError("not a message of this protocol, or of an unknown kind")
    return kind


@functools.lru_cache(maxsize=64)
def subset_hash(subset: Subset) -> bytes:
    """Return 32 bytes that stand for a set of members."""
    return sha256("subset", Bitmap().write(subset, "subset"))
