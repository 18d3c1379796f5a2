"""The head of a vault, ``vault.json``: who guards its key, and the data keys wrapped under that key.

A data key is wrapped by AES-256-GCM; what the header says of the vault, its guard and the key's number is
authenticated with it, so a header that was altered does not open.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mien.errors import VaultError
from mien.files import canonical_json
from privacy.randomness import RandomSource

FORMAT, VERSION = "mien vault", 1
ID_BYTES, NONCE_BYTES = 16, 12


@dataclass(frozen=True)
class Header:
    """The content of ``vault.json``; the last of ``keys`` (number → nonce and wrapped key) seals new entries."""

    vault: str
    guard: dict[str, Any]
    keys: dict[int, bytes]

    @property
    def current(self) -> int:
        """The number of the key that seals new entries."""
        return max(self.keys)

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        keys = {str(number): wrapped.hex() for number, wrapped in self.keys.items()}
        content = {
            "format": FORMAT,
            "version": VERSION,
            "vault": self.vault,
            "guard": self.guard,
            "keys": keys,
        }
        return canonical_json(content) + b"\n"


def read_header(place: Path) -> Header:
    """Read a header. Raises VaultError where it is damaged or of another version."""
    try:
        content = json.loads(place.read_bytes())
        if content["format"] != FORMAT or content["version"] != VERSION:
            raise VaultError(
                f"{place} is {content['format']!r} version {content['version']!r}: expected {FORMAT!r} version "
                f"{VERSION}. Use the version of Mien that made it."
            )
        keys = {int(number): bytes.fromhex(wrapped) for number, wrapped in content["keys"].items()}
        if not keys or not 1 <= min(keys) <= max(keys) < 1 << 32 or not isinstance(content["guard"], dict):
            raise ValueError("no keys")
        if len(bytes.fromhex(content["vault"])) != 16:
            raise ValueError("no id")
        return Header(content["vault"], content["guard"], keys)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise VaultError(
            f"{place} is damaged: expected the header of a vault as JSON. Restore it from a copy; without it the "
            "entries cannot be opened."
        ) from None


def wrapped_under(
    vault: str, guard: dict[str, Any], keys: dict[int, bytes], wrapping: bytes, source: RandomSource
) -> Header:
    """Wrap the data keys, each under a fresh nonce."""
    sealed = {}
    for number, key in keys.items():
        nonce = source.bytes(NONCE_BYTES)
        sealed[number] = nonce + AESGCM(wrapping).encrypt(nonce, key, _about_key(vault, guard, number))
    return Header(vault, guard, sealed)


def unwrapped(header: Header, wrapping: bytes) -> dict[int, bytes]:
    """Return the data keys by number. Raises VaultError where ``wrapping`` is not the key that wrapped them."""
    try:
        return {
            number: AESGCM(wrapping).decrypt(
                wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], _about_key(header.vault, header.guard, number)
            )
            for number, wrapped in header.keys.items()
        }
    except (InvalidTag, ValueError):
        what = "passphrase is wrong" if header.guard.get("kind") == "passphrase" else "key is another vault's"
        raise VaultError(
            f"The vault cannot be opened: the {what}, or its header was altered; expected a key that opens it. "
            "Try again with the right one, or restore the header from a copy."
        ) from None


def _about_key(vault: str, guard: dict[str, Any], number: int) -> bytes:
    return canonical_json([FORMAT, VERSION, vault, guard, number])
