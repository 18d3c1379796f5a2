"""What a member deals to its neighbours in set-up, and gives back in unmasking.

Guarantee D1. A share is read only by the neighbour it was dealt to (AES-256-GCM under the pair's channel key,
bound to session, dealer and holder), and a share that is not the one that was dealt is recognised by the
server from a 128-bit commitment that the dealer signed, so a member that gives wrong shares is named. Shares
are uniform 255-bit values, so their commitments tell nothing (SHA-256 as a random oracle).
"""

from __future__ import annotations

import dataclasses
import enum
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mien.errors import ProtocolError
from privacy.secagg import shamir
from privacy.secagg.codec import Subset, joined
from privacy.secagg.keys import prf, sha256
from privacy.secagg.messages import Deal, subset_hash

CONFIRMATION = "mien secagg v1 confirmation"
"""What a member signs when it uploads: see :func:`confirmation_content`."""
_NONCE = bytes(12)  # the key below seals one message


class Kind(enum.IntEnum):
    """Which secret of a neighbour a share opens."""

    NONE = 0
    SELF = 1
    """The seed of its self mask: it survived."""
    MASK = 2
    """The seed of its mask key: it dropped out after set-up."""


@dataclasses.dataclass(frozen=True)
class Shares:
    """One holder's shares of one dealer's two secrets."""

    self_share: bytes
    mask_share: bytes


def share_check(session: bytes, kind: Kind, dealer: str, holder: str, share: bytes) -> bytes:
    """Return the 16-byte commitment to a share."""
    return sha256("share", session, int(kind), dealer, holder, share)[:16]


def self_commitment(session: bytes, dealer: str, self_seed: bytes) -> bytes:
    """Return the commitment to a self-mask seed. (The mask seed is committed to by the mask key.)"""
    return sha256("self mask", session, dealer, self_seed)


def deal(session: bytes, dealer: str, holder: str, channel_key: bytes, shares: Shares) -> Deal:
    """Seal ``shares`` for ``holder``."""
    key = prf(channel_key, "share", dealer, holder)
    sealed = AESGCM(key).encrypt(
        _NONCE, shares.self_share + shares.mask_share, joined(session, dealer, holder)
    )
    return Deal(
        sealed=sealed,
        self_check=share_check(session, Kind.SELF, dealer, holder, shares.self_share),
        mask_check=share_check(session, Kind.MASK, dealer, holder, shares.mask_share),
    )


def open_deal(session: bytes, dealer: str, holder: str, channel_key: bytes, dealt: Deal) -> Shares | None:
    """Return the shares in a deal, or None where it does not open or breaks its own commitments."""
    key = prf(channel_key, "share", dealer, holder)
    try:
        raw = AESGCM(key).decrypt(_NONCE, dealt.sealed, joined(session, dealer, holder))
    except InvalidTag:
        return None
    shares = Shares(raw[: shamir.SIZE], raw[shamir.SIZE :])
    fits = hmac.compare_digest(
        share_check(session, Kind.SELF, dealer, holder, shares.self_share)
        + share_check(session, Kind.MASK, dealer, holder, shares.mask_share),
        dealt.self_check + dealt.mask_check,
    )
    return shares if fits else None


def confirmation_content(session: bytes, name: str, plan_hash: bytes, completed: Subset) -> bytes:
    """Return what ``name`` signs when it uploads: that it masked under this plan with these members."""
    return joined(session, name, plan_hash, subset_hash(completed))


def encode_payload(entries: list[tuple[Kind, bytes]]) -> bytes:
    """Return one kind byte and one share for each neighbour that completed set-up."""
    return b"".join(bytes([kind]) + share for kind, share in entries)


def decode_payload(data: bytes, count: int) -> list[tuple[Kind, bytes]]:
    """Return the ``count`` entries of a payload. Raises ProtocolError unless it is canonical."""
    size = 1 + shamir.SIZE
    if len(data) != count * size:
        raise ProtocolError(f"unmask payload: expected {count * size} bytes, got {len(data)}")
    entries = []
    for start in range(0, len(data), size):
        raw, share = data[start], data[start + 1 : start + size]
        if raw > Kind.MASK or (raw == Kind.NONE and any(share)):
            raise ProtocolError(
                f"unmask payload: entry {start // size} is of unknown kind {raw} or not empty"
            )
        entries.append((Kind(raw), share))
    return entries
