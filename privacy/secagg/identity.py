"""Who is who: long-lived Ed25519 identities, and the directory of them that a client keeps and pins.

Guarantees:

I1. A client never takes part with a member whose name it has seen under another identity key, nor with two
    names under one key, whoever presents them. Assumption: Ed25519 signatures are unforgeable (RFC 8032).
I2. Under a *provisioned* directory (signed by an operator whose key the device was built with) a client never
    takes part in a cohort with a name that the operator did not admit, so the server can add no member.
    Under a *first-use* directory it can: an unknown name is pinned when it first appears. The server may then
    invent members until the honest ones are a minority of a neighbourhood (a Sybil attack); what protects
    then is only the policy's fraction of members that must already be known (``max_new_members``).

A lost or replaced device has a new identity key, so under first use it needs a new name.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Annotated

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mien.errors import ProtocolError
from privacy.plan import MAX_COHORT
from privacy.randomness import RandomSource
from privacy.secagg.codec import Fixed, Many, Named, Nested, Number, Record, joined

COORDINATOR = "coordinator"
"""The name under which the server sends; no client may bear it."""


class Identity:
    """An Ed25519 key pair that names a device or a server for its whole life."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._key = Ed25519PrivateKey.from_private_bytes(secret)
        self.public_key = self._key.public_key().public_bytes_raw()
        """32 bytes."""

    @classmethod
    def generate(cls, source: RandomSource) -> Identity:
        """Return a new identity from 32 secret bytes of ``source``."""
        return cls(source.bytes(32))

    def to_bytes(self) -> bytes:
        """Return the 32 secret bytes; keep them encrypted."""
        return self._secret

    @classmethod
    def from_bytes(cls, data: bytes) -> Identity:
        """Return the identity of 32 secret bytes. Raises ProtocolError for another length."""
        if len(data) != 32:
            raise ProtocolError(f"identity: expected 32 secret bytes, got {len(data)}")
        return cls(data)

    def sign(self, purpose: str, content: bytes) -> bytes:
        """Return the 64-byte signature of ``content`` for one ``purpose``; purposes cannot be confused."""
        return self._key.sign(joined(purpose, content))


def verify(public_key: bytes, purpose: str, content: bytes, signature: bytes, who: str) -> None:
    """Raise ProtocolError unless ``signature`` is that of ``content`` for ``purpose`` under ``public_key``."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, joined(purpose, content))
    except (InvalidSignature, ValueError):
        raise ProtocolError(
            f"{purpose} of {who!r}: the signature does not verify; it was altered or forged, refuse it"
        ) from None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Member(Record):
    """One entry of a directory: a name, its identity key, and the newest prekey sequence seen from it."""

    name: Annotated[str, Named()]
    identity_key: Annotated[bytes, Fixed(32)]
    sequence: Annotated[int, Number(8)] = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class DirectoryDocument(Record):
    """The operator's signed list of every member that may take part."""

    version: Annotated[int, Number(8)]
    members: Annotated[tuple[Member, ...], Many(Nested(Member), MAX_COHORT)]
    signature: Annotated[bytes, Fixed(64)]

    @property
    def content(self) -> bytes:
        """What the operator signs."""
        return joined(self.version, *(member.to_bytes() for member in self.members))


_PURPOSE = "mien secagg v1 directory"


def sign_directory(members: dict[str, bytes], operator: Identity, version: int = 1) -> bytes:
    """Return the operator's signed directory of ``members`` (name to 32-byte identity key)."""
    entries = tuple(Member(name=name, identity_key=members[name]) for name in sorted(members))
    draft = DirectoryDocument(version=version, members=entries, signature=bytes(64))
    return dataclasses.replace(draft, signature=operator.sign(_PURPOSE, draft.content)).to_bytes()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Directory(Record):
    """What a client knows about the others. Immutable; :meth:`seen` returns the next one."""

    version: Annotated[int, Number(8)] = 0
    """The version of the operator's document, from 1; 0 is a first-use directory, to which anybody is added."""
    members: Annotated[tuple[Member, ...], Many(Nested(Member), MAX_COHORT)] = ()

    def __post_init__(self) -> None:
        names = [member.name for member in self.members]
        if names != sorted(set(names)):
            raise ProtocolError("directory: names must be sorted and free of repetition")
        if len({member.identity_key for member in self.members}) != len(self.members):
            raise ProtocolError("directory: two names bear one identity key; remove one of them")
        if COORDINATOR in names:
            raise ProtocolError(f"directory: the name {COORDINATOR!r} is reserved for the server")

    @functools.cached_property
    def _by_name(self) -> dict[str, Member]:
        return {member.name: member for member in self.members}

    @classmethod
    def first_use(cls) -> Directory:
        """Return an empty directory that pins every member when it first appears."""
        return cls()

    @classmethod
    def provisioned(cls, document: bytes, operator_key: bytes) -> Directory:
        """Return the directory of an operator's signed document. Raises ProtocolError if it is not."""
        signed = DirectoryDocument.from_bytes(document)
        verify(operator_key, _PURPOSE, signed.content, signed.signature, "operator")
        if signed.version < 1:
            raise ProtocolError("directory: versions of the operator's document begin at 1")
        return cls(version=signed.version, members=signed.members)

    def succeeded_by(self, newer: Directory) -> Directory:
        """Return ``newer`` with the prekey sequences that were seen so far.

        The operator may add, remove and replace members. Raises ProtocolError for an older document.
        """
        if newer.version < self.version:
            raise ProtocolError(f"directory: version {newer.version} is older than {self.version}; refuse it")
        return dataclasses.replace(newer, members=tuple(self._carried(member) for member in newer.members))

    def _carried(self, member: Member) -> Member:
        known = self.get(member.name)
        same = known is not None and known.identity_key == member.identity_key
        return known if known is not None and same else member

    def get(self, name: str) -> Member | None:
        """Return the entry of ``name``, or None."""
        return self._by_name.get(name)

    def new_names(self, names: tuple[str, ...]) -> list[str]:
        """Return those of ``names`` that are not in the directory."""
        return [name for name in names if name not in self._by_name]

    def seen(self, members: list[Member]) -> Directory:
        """Return the directory after ``members`` appeared together; raises ProtocolError by guarantee I1."""
        updated = dict(self._by_name)
        for member in members:
            known = updated.get(member.name)
            if known is None and self.version:
                raise ProtocolError(f"member {member.name!r} is not in the provisioned directory; refuse it")
            if known is not None and known.identity_key != member.identity_key:
                raise ProtocolError(
                    f"member {member.name!r}: identity key {member.identity_key.hex()[:16]}… is not the pinned "
                    f"{known.identity_key.hex()[:16]}…; the server may be swapping keys"
                )
            if known is not None and member.sequence < known.sequence:
                raise ProtocolError(
                    f"member {member.name!r}: prekeys {member.sequence} are older than {known.sequence}, replayed"
                )
            updated[member.name] = member
        return Directory(version=self.version, members=tuple(updated[name] for name in sorted(updated)))
