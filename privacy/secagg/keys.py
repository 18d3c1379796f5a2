"""Ephemeral X25519 prekeys, and every key that is derived from them.

A client publishes a *bundle* of two X25519 public keys, signed by its identity, when it enrols and again with
every set-up reply: the *channel* key encrypts shares between two members, the *mask* key agrees their
pairwise mask. They are two pairs, as in Bonawitz et al. 2017, because the mask key of a member that dropped
out is opened by its neighbours, and that must not open the channel.

Guarantees:

K1. A bundle serves one session. Its channel secret is forgotten in the set-up call that uses it, its mask
    secret too (only shares of it exist afterwards), so a device that is stolen later cannot open an earlier
    round (forward secrecy). Assumption: the caller overwrites the stored state after each call.
K2. Every derived key is bound to the protocol version, run, round, session (plan and all bundles of the
    cohort) and the sorted pair, by HKDF-SHA256 (RFC 5869). Two members derive the same key only if they were
    shown the same session. Assumption: gap Diffie-Hellman on Curve25519 (RFC 7748), HKDF as a random oracle.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mien.errors import ProtocolError
from privacy.randomness import RandomSource
from privacy.secagg import shamir
from privacy.secagg.codec import Fixed, Named, Nested, Number, Record, joined
from privacy.secagg.identity import COORDINATOR, Identity, verify

PROTOCOL_VERSION = 1
_BUNDLE = "mien secagg v1 prekeys"


def sha256(label: str, *parts: bytes | str | int) -> bytes:
    """Return the SHA-256 of an unambiguous encoding of ``label`` and ``parts``."""
    return hashlib.sha256(joined("mien secagg v1 " + label, *parts)).digest()


def prf(key: bytes, label: str, *parts: bytes | str | int) -> bytes:
    """Return 32 bytes of HMAC-SHA256 under ``key``; different labels give independent outputs."""
    return hmac.digest(key, joined("mien secagg v1 " + label, *parts), "sha256")


def derive(secret: bytes, *info: bytes | str | int) -> bytes:
    """Return 32 bytes of HKDF-SHA256 of a shared ``secret``, bound to ``info``."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=joined(*info)).derive(secret)


def public_of(private: bytes) -> bytes:
    """Return the X25519 public key of 32 private bytes."""
    return load(private).public_key().public_bytes_raw()


def load(private: bytes) -> X25519PrivateKey:
    """Return the key object of 32 private bytes; costs as much as an agreement, so load once for many."""
    return X25519PrivateKey.from_private_bytes(private)


def agree(private: bytes | X25519PrivateKey, public: bytes, who: str) -> bytes:
    """Return the raw X25519 secret. Raises ProtocolError for a public key of small order."""
    key = load(private) if isinstance(private, bytes) else private
    try:
        return key.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise ProtocolError(f"X25519 key of {who!r} is of small order; it was forged, refuse it") from None


def mask_private(mask_seed: bytes) -> bytes:
    """Return the X25519 private key of a mask seed.

    The seed, a field element, is what is shared and opened: not every private key is one.
    """
    return sha256("mask private key", mask_seed)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bundle(Record):
    """The public half of prekeys, signed by the identity that it names."""

    name: Annotated[str, Named()]
    identity_key: Annotated[bytes, Fixed(32)]
    sequence: Annotated[int, Number(8)]
    channel_key: Annotated[bytes, Fixed(32)]
    mask_key: Annotated[bytes, Fixed(32)]
    signature: Annotated[bytes, Fixed(64)]

    @property
    def content(self) -> bytes:
        """What the identity signs."""
        return self.to_bytes()[:-64]

    @property
    def hash(self) -> bytes:
        """32 bytes that stand for the bundle in a cohort's roster."""
        return sha256("bundle", self.to_bytes())

    def check(self) -> None:
        """Raise ProtocolError unless the bundle is signed by the identity key it carries."""
        verify(self.identity_key, _BUNDLE, self.content, self.signature, self.name)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prekeys(Record):
    """A bundle with its private half."""

    channel_private: Annotated[bytes, Fixed(32)]
    mask_seed: Annotated[bytes, Fixed(32)]
    bundle: Annotated[Bundle, Nested(Bundle)]

    @classmethod
    def generate(cls, name: str, identity: Identity, sequence: int, source: RandomSource) -> Prekeys:
        """Return fresh prekeys, the ``sequence``-th of this identity."""
        channel_private, mask_seed = source.bytes(32), shamir.random_element(source)
        draft = Bundle(
            name=name,
            identity_key=identity.public_key,
            sequence=sequence,
            channel_key=public_of(channel_private),
            mask_key=public_of(mask_private(mask_seed)),
            signature=bytes(64),
        )
        bundle = dataclasses.replace(draft, signature=identity.sign(_BUNDLE, draft.content))
        return cls(channel_private=channel_private, mask_seed=mask_seed, bundle=bundle)


@dataclasses.dataclass(frozen=True)
class Session:
    """What every derived key of one session is bound to."""

    run: str
    round: int
    id: bytes
    """32 bytes, see :func:`session_id`."""

    def pair_key(
        self, label: str, private: bytes | X25519PrivateKey, public: bytes, mine: str, other: str
    ) -> bytes:
        """Return the 32-byte key that ``mine`` and ``other`` share for the purpose ``label``."""
        low, high = sorted((mine, other))
        secret = agree(private, public, other)
        return derive(
            secret, "mien secagg", label, PROTOCOL_VERSION, self.run, self.round, self.id, low, high
        )

    def channel_key(self, private: bytes | X25519PrivateKey, public: bytes, mine: str, other: str) -> bytes:
        """Return the key under which two members send each other shares and agreement tokens."""
        return self.pair_key("channel", private, public, mine, other)

    def mask_key(self, private: bytes | X25519PrivateKey, public: bytes, mine: str, other: str) -> bytes:
        """Return the key of the mask that two members add and subtract."""
        return self.pair_key("pairwise mask", private, public, mine, other)

    def upload_key(self, private: bytes | X25519PrivateKey, public: bytes, client: str) -> bytes:
        """Return the key that authenticates a client's vector to the server."""
        return self.pair_key("upload", private, public, client, COORDINATOR)

    def self_mask_key(self, self_seed: bytes, name: str) -> bytes:
        """Return the key of a member's own mask."""
        return derive(
            self_seed, "mien secagg", "self mask", PROTOCOL_VERSION, self.run, self.round, self.id, name
        )


def roster_hash(roster: tuple[bytes, ...]) -> bytes:
    """Return 32 bytes that stand for every member's bundle, given their hashes in cohort order."""
    return sha256("roster", b"".join(roster))


def session_id(
    plan_session_hash: bytes, roster: tuple[bytes, ...], server_key: bytes, run_key: bytes
) -> bytes:
    """Return the 32 bytes that name a session: its plan without the model, all bundles, and the server's keys."""
    return sha256("session", plan_session_hash, roster_hash(roster), server_key, run_key)
