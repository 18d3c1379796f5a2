"""Who guards a vault's key: a passphrase, the system's keyring, or a file that only its owner can read.

A guard gives the wrapping key, 32 bytes, under which :mod:`privacy.vault` keeps its data keys.

=========== ================================================== ==========================================
guard       the wrapping key                                   what a thief of the disk needs
=========== ================================================== ==========================================
passphrase  Argon2id (RFC 9106) of the passphrase              the passphrase: each guess costs 64 MiB
keyring     random, kept by the system's keyring               the owner's login, where the keyring is locked by it
file        random, in a file of mode 0600                     nothing, if the file is on the stolen disk
=========== ================================================== ==========================================

A key file keeps other users of the machine out, and makes deletion quick. It protects from a stolen disk only
where the file is on another one. ``Guard.kind`` is shown wherever a vault is described, so nobody is told more.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from mien.errors import VaultError
from mien.files import write_atomic
from privacy.randomness import RandomSource

KEY_BYTES = 32
SALT_BYTES = 16
MEMORY_KIB, PASSES, LANES = 65536, 3, 4
"""RFC 9106's second recommended setting: 64 MiB, three passes, four lanes."""
_MOST_MEMORY_KIB, _MOST_PASSES, _MOST_LANES = 1 << 20, 64, 64
_SERVICE = "mien vault"


class Guard(Protocol):
    """What keeps a vault's wrapping key."""

    @property
    def kind(self) -> str:
        """``passphrase``, ``keyring`` or ``file``."""

    def public(self) -> dict[str, Any]:
        """Return what the vault's header has to say to find the key again; nothing in it is secret."""

    def wrapping_key(self) -> bytes:
        """Return the key, 32 bytes. Raises VaultError where it cannot be had."""

    def forget(self) -> None:
        """Remove the key from where this guard keeps it, if it keeps one."""


class PassphraseGuard:
    """The key is Argon2id of a passphrase; it is kept nowhere."""

    kind = "passphrase"

    def __init__(self, passphrase: str, settings: dict[str, Any]) -> None:
        if not passphrase:
            raise VaultError("The passphrase of a vault is empty: expected at least one character. Give one.")
        self._passphrase, self._settings = passphrase, _checked(settings)

    @classmethod
    def new(cls, passphrase: str, source: RandomSource) -> PassphraseGuard:
        """Return a guard with a fresh salt."""
        settings = {
            "kind": cls.kind,
            "kdf": "argon2id",
            "salt": source.bytes(SALT_BYTES).hex(),
            "memory_kib": MEMORY_KIB,
            "passes": PASSES,
            "lanes": LANES,
        }
        return cls(passphrase, settings)

    def public(self) -> dict[str, Any]:
        """Return the part of the header that finds the key again."""
        return dict(self._settings)

    def wrapping_key(self) -> bytes:
        """Return the key, 32 bytes. Raises VaultError where it cannot be had."""
        settings = self._settings
        return Argon2id(
            salt=bytes.fromhex(settings["salt"]),
            length=KEY_BYTES,
            iterations=settings["passes"],
            lanes=settings["lanes"],
            memory_cost=settings["memory_kib"],
        ).derive(self._passphrase.encode())

    def forget(self) -> None:
        """Nothing is kept, so there is nothing to forget."""


class KeyFileGuard:
    """The key is in a file of mode 0600."""

    kind = "file"

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def new(cls, path: Path, source: RandomSource) -> KeyFileGuard:
        """Write a fresh key to ``path``. Raises VaultError where there is one: it may guard another vault."""
        if path.exists():
            raise VaultError(
                f"{path} exists already and may be the key of another vault: expected no file there. "
                "Move it away if nothing needs it, or name another key file."
            )
        write_atomic(path, source.bytes(KEY_BYTES).hex().encode() + b"\n", mode=0o600)
        return cls(path)

    def public(self) -> dict[str, Any]:
        """Return the part of the header that finds the key again."""
        return {"kind": self.kind}

    def wrapping_key(self) -> bytes:
        """Return the key, 32 bytes. Raises VaultError where it cannot be had."""
        try:
            mode, content = self._path.stat().st_mode, self._path.read_bytes()
        except OSError as error:
            raise VaultError(
                f"The vault's key file {self._path} cannot be read: {error.strerror}. Bring it back; without it "
                "the vault cannot be opened."
            ) from None
        if mode & 0o077:
            raise VaultError(
                f"The vault's key file {self._path} has mode {mode & 0o777:o}: others can read it, expected 600. "
                f"Run `chmod 600 {self._path}`, and rotate the vault's key if somebody may have read it."
            )
        try:
            key = bytes.fromhex(content.decode("ascii").strip())
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            raise VaultError(
                f"The vault's key file {self._path} does not hold a key: expected {2 * KEY_BYTES} hexadecimal "
                f"digits, found {len(content)} bytes of something else. Restore it from a copy."
            )
        return key

    def forget(self) -> None:
        """Remove the key from where it is kept."""
        if self._path.exists():
            # Overwritten in place first: on a plain disk the old bytes are gone; flash may keep a copy.
            with self._path.open("r+b") as file:
                file.write(bytes(self._path.stat().st_size))
                file.flush()
            self._path.unlink()


class KeyringGuard:
    """The key is in the system's keyring (the optional package ``keyring``)."""

    kind = "keyring"

    def __init__(self, vault: str) -> None:
        self._vault = vault

    @classmethod
    def new(cls, vault: str, source: RandomSource) -> KeyringGuard:
        """Put a fresh key for the vault with this id into the keyring."""
        _keyring().set_password(_SERVICE, vault, source.bytes(KEY_BYTES).hex())
        return cls(vault)

    def public(self) -> dict[str, Any]:
        """Return the part of the header that finds the key again."""
        return {"kind": self.kind}

    def wrapping_key(self) -> bytes:
        """Return the key, 32 bytes. Raises VaultError where it cannot be had."""
        secret = _keyring().get_password(_SERVICE, self._vault)
        if secret is None or len(secret) != 2 * KEY_BYTES:
            raise VaultError(
                f"The system's keyring has no key for vault {self._vault[:8]}: expected one under {_SERVICE!r}. "
                "Log in as the user who made the vault, or unlock the keyring."
            )
        return bytes.fromhex(secret)

    def forget(self) -> None:
        """Remove the key from where it is kept."""
        keyring = _keyring()
        if keyring.get_password(_SERVICE, self._vault) is not None:
            keyring.delete_password(_SERVICE, self._vault)


def keyring_works() -> bool:
    """Say whether the package ``keyring`` is installed and the system has a keyring for it."""
    try:
        return bool(_keyring().get_keyring().priority >= 1)
    except VaultError:
        return False


def _keyring() -> Any:
    try:
        return importlib.import_module("keyring")
    except ImportError:
        raise VaultError(
            "The vault's key is in the system's keyring, and the package keyring is not installed: expected it. "
            "Run `pip install keyring`."
        ) from None


def _checked(settings: dict[str, Any]) -> dict[str, Any]:
    """Refuse settings that no vault was made with: a forged header must not eat the machine's memory."""
    limits = {"memory_kib": _MOST_MEMORY_KIB, "passes": _MOST_PASSES, "lanes": _MOST_LANES}
    fits = settings.get("kdf") == "argon2id" and all(
        isinstance(settings.get(name), int) and 1 <= settings[name] <= most for name, most in limits.items()
    )
    try:
        fits = fits and len(bytes.fromhex(settings["salt"])) == SALT_BYTES
        fits = fits and settings["memory_kib"] >= 8 * settings["lanes"]
    except (KeyError, TypeError, ValueError):
        fits = False
    if not fits:
        raise VaultError(
            "The vault's header has settings for its passphrase that this version does not allow: expected "
            "argon2id with a salt and at most 1 GiB. It was altered, or made by a newer version."
        )
    return settings
