"""The arithmetic of a second implementation of secure aggregation; see ``verify_secagg.py``.

Its own Shamir, HKDF (RFC 5869), key streams (AES-256-CTR where the product uses AES-256-GCM), tags and graph.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

P = 2**255 - 19
BLOCK = 2**18
held: list[str] = []
"""What was checked so far."""


def same(got: Any, expected: Any, what: str) -> None:
    """Count one check; raise ValueError where it fails."""
    held.append(what)
    if got != expected:
        raise ValueError(f"{what}: got {got!r}, the vectors say {expected!r}")


def lp(*parts: bytes | str | int) -> bytes:
    """Concatenate parts behind 32-bit little-endian lengths; integers are 8 bytes."""
    out = b""
    for part in parts:
        raw = (
            struct.pack("<Q", part)
            if isinstance(part, int)
            else part.encode()
            if isinstance(part, str)
            else part
        )
        out += struct.pack("<I", len(raw)) + raw
    return out


def digest(label: str, *parts: bytes | str | int) -> bytes:
    return hashlib.sha256(lp("mien secagg v1 " + label, *parts)).digest()


def mac(key: bytes, label: str, *parts: bytes | str | int) -> bytes:
    return hmac.new(key, lp("mien secagg v1 " + label, *parts), hashlib.sha256).digest()


def hkdf(secret: bytes, info: bytes) -> bytes:
    extracted = hmac.new(bytes(32), secret, hashlib.sha256).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()


def public(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def pair_key(
    label: str, private: bytes, other: bytes, session: tuple[str, int, bytes], names: tuple[str, str]
) -> bytes:
    secret = X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(other))
    low, high = sorted(names)
    return hkdf(secret, lp("mien secagg", label, 1, *session, low, high))


def self_key(seed: bytes, session: tuple[str, int, bytes], name: str) -> bytes:
    return hkdf(seed, lp("mien secagg", "self mask", 1, *session, name))


def mask_private(seed: bytes) -> bytes:
    return digest("mask private key", seed)


def verify(key: bytes, purpose: str, content: bytes, signature: bytes) -> None:
    """Check a signature; raises InvalidSignature."""
    Ed25519PublicKey.from_public_bytes(key).verify(signature, lp(purpose, content))
    held.append(purpose)


def ctr(key: bytes, start: bytes, size: int) -> bytes:
    return Cipher(algorithms.AES(key), modes.CTR(start)).encryptor().update(bytes(size))


def mask_words(key: bytes, length: int, bits: int) -> list[int]:
    """Return the key stream as words; block ``i`` counts up from ``i`` (12 bytes, little-endian) and 2."""
    size, stream = length * bits // 8, b""
    for number in range(-(-size // BLOCK)):
        counter = number.to_bytes(12, "little") + (2).to_bytes(4, "big")
        stream += ctr(key, counter, min(BLOCK, size - number * BLOCK))
    return [int.from_bytes(stream[at : at + bits // 8], "little") for at in range(0, size, bits // 8)]


def ghash_times(x: int, y: int) -> int:
    product = 0
    for bit in range(127, -1, -1):
        if y >> bit & 1:
            product ^= x
        x = x >> 1 ^ (0xE1 << 120 if x & 1 else 0)
    return product


def gmac(key: bytes, data: bytes) -> bytes:
    """Return the tag of AES-GCM with ``data`` as additional data, no text and a zero nonce (SP 800-38D)."""
    ecb = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    subkey = int.from_bytes(ecb.update(bytes(16)), "big")
    state = 0
    for at in range(0, len(data), 16):
        state = ghash_times(state ^ int.from_bytes(data[at : at + 16].ljust(16, b"\0"), "big"), subkey)
    state = ghash_times(state ^ (8 * len(data) << 64), subkey)
    return (state ^ int.from_bytes(ecb.update(bytes(15) + b"\x01"), "big")).to_bytes(16, "big")


def gcm_open(key: bytes, sealed: bytes, header: bytes) -> bytes:
    """Decrypt AES-256-GCM under a zero nonce; raises InvalidTag."""
    text, tag = sealed[:-16], sealed[-16:]
    opened = Cipher(algorithms.AES(key), modes.GCM(bytes(12), tag)).decryptor()
    opened.authenticate_additional_data(header)
    return opened.update(text) + opened.finalize()


def interpolate(shares: dict[int, bytes], at: int = 0) -> bytes:
    """Return the value at ``at`` of the polynomial through all ``shares``, by Neville's scheme."""
    xs = list(shares)
    values = [int.from_bytes(shares[x], "little") for x in xs]
    for step in range(1, len(xs)):
        for i in range(len(xs) - step):
            left, right = xs[i], xs[i + step]
            top = (at - right) * values[i] + (left - at) * values[i + 1]
            values[i] = top * pow(left - right, -1, P) % P
    return values[0].to_bytes(32, "little")


def subset(positions: list[int], size: int) -> bytes:
    bits = sum(1 << position for position in positions)
    return digest("subset", struct.pack("<I", size) + bits.to_bytes((size + 7) // 8, "little"))


def neighbourhoods(cohort: int, degree: int, plan_hash: bytes, roster: list[bytes]) -> list[list[int]]:
    """Return everybody's neighbours: all, or those at most degree/2 steps away on a hidden ring."""
    if degree == cohort - 1:
        return [[other for other in range(cohort) if other != one] for one in range(cohort)]
    text = plan_hash + digest("roster", b"".join(roster))
    seed = hashlib.scrypt(text, salt=b"mien secagg v1 graph", n=2**14, r=8, p=1, dklen=32)
    ring = sorted(range(cohort), key=lambda one: digest("place", seed, one))
    found: list[list[int]] = [[] for _ in range(cohort)]
    for i in range(cohort):
        for j in range(cohort):
            apart = min((i - j) % cohort, (j - i) % cohort)
            opposite = degree % 2 == 1 and 2 * apart == cohort
            if i != j and (apart <= degree // 2 or opposite):
                found[ring[i]].append(ring[j])
    return [sorted(one) for one in found]


def pad_of(token: bytes) -> tuple[int, bytes]:
    return int.from_bytes(digest("pad", token), "little"), digest("pad check", token)[:16]


def unpad(piece: bytes, token: bytes) -> bytes:
    """Return the share in a piece; the token must be the one it was padded with."""
    pad, check = pad_of(token)
    same(piece[32:], check, "check of a pad")
    return (int.from_bytes(piece[:32], "little") ^ pad).to_bytes(32, "little")


def open_reply(owner: str, view: bytes, threshold: int, shares: dict[int, bytes], sealed: bytes) -> bytes:
    """Return the payload of a reply; every set of shares must give the one key."""
    points = sorted(shares)
    key = interpolate({point: shares[point] for point in points[:threshold]})
    same(interpolate({point: shares[point] for point in points[-threshold:]}), key, "key of a reply")
    return gcm_open(mac(key, "payload", owner, view), sealed, lp(owner, view))
