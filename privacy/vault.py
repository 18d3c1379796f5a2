"""Local data at rest: named entries, each encrypted and authenticated, that can be deleted.

::

    vault/
    ├── vault.json       format, the vault's id, who guards its key, and the data keys, wrapped
    ├── vault.key        only where the key is guarded by a file (see privacy.vault_keys)
    └── NAME.sealed      one entry: magic, number of its data key, salt, nonce, ciphertext and tag

Every write of an entry uses a key of its own, HKDF-SHA256 (RFC 5869) of the data key and a fresh 16-byte salt,
for one AES-256-GCM encryption (NIST SP 800-38D); so no number of writes brings two nonces under one key. The
plaintext is padded to whole blocks of 4 KiB.

Guarantees. They assume that AES-256-GCM and HKDF-SHA256 hold, and that the guard keeps the wrapping key secret.

V1. *Secrecy.* Whoever has the folder but not the wrapping key learns of an entry its name, its size to 4 KiB, and
    the time of its last write; nothing of its content. With a passphrase, each guess costs one Argon2id.
V2. *Integrity.* Bytes that differ in any way from what was last sealed under this name, in this vault, are never
    returned: a changed, cut, swapped or foreign file raises VaultError. The number of the data key, the salt, the
    vault's id and the entry's name are authenticated with the content.
    A vault that is opened with a passphrase is never another one, with another guard, put in its place.
V3. *Whole or absent.* A crash or ``kill -9`` at any instant leaves the entry as it was before or as it is after a
    write (mien.files.write_atomic: a new file, flushed, renamed); a rotation that was cut short is finished the
    next time the vault is opened, and every entry can be read in between.
V4. *Deletion.* After ``delete`` returned, the entry's name is not in the folder, durably. After ``destroy``
    returned, neither are the wrapped keys, and the guard has forgotten the wrapping key. After ``delete`` and then
    ``rotate``, no data key of this vault opens the deleted bytes.

Not promised. An older copy of a sealed entry that is put back in its place is accepted until the key is rotated
(rollback). Deleted bytes may survive on flash memory, in snapshots and in backups; such a copy of an entry *and* of
the ``vault.json`` of its time opens as long as the wrapping key, or the passphrase, is known. Who controls the
account while the vault is open reads what its owner reads. Python cannot wipe keys from memory.
"""

from __future__ import annotations

import fcntl
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mien.errors import VaultError
from mien.files import sync_directory, write_atomic
from privacy.randomness import RandomSource, SystemSource
from privacy.vault_header import ID_BYTES, Header, read_header, unwrapped, wrapped_under
from privacy.vault_keys import KEY_BYTES, Guard, KeyFileGuard, KeyringGuard, PassphraseGuard, keyring_works

GuardKind = Literal["auto", "passphrase", "keyring", "file"]

_HEADER, _KEY_FILE, _LOCK, _SUFFIX = "vault.json", "vault.key", ".vault.lock", ".sealed"
_MAGIC = b"MIENVLT\x01"
_SALT, _NONCE, _TAG, _PADDING = 16, 12, 16, 4096
_PREFIX = len(_MAGIC) + 4 + _SALT + _NONCE
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_PATIENCE = 10.0  # seconds to wait for another process that is writing


class Vault:
    """An open vault. Make or open one with :meth:`open`; several processes may have the same one open."""

    def __init__(self, folder: Path, header: Header, guard: Guard, source: RandomSource) -> None:
        self.folder, self._guard, self._source = folder, guard, source
        self._wrapping = guard.wrapping_key()
        self._header, self._keys = header, unwrapped(header, self._wrapping)
        self._depth = 0

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        guard: GuardKind = "auto",
        passphrase: str | None = None,
        key_file: Path | None = None,
        source: RandomSource | None = None,
    ) -> Vault:
        """Open the vault in ``folder``, or make one there.

        A new vault's key is guarded as ``guard`` says; "auto" takes the passphrase where one is given, else the
        system's keyring where there is one, else a key file (``key_file``, by default inside the folder). An
        existing vault says itself who guards its key. A rotation that was cut short is finished.

        Raises VaultError where the key is wrong or missing, the header is damaged, or another process holds
        the vault for more than ten seconds.
        """
        random = source or SystemSource()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _alone(folder):
            place = folder / _HEADER
            if place.exists():
                header = read_header(place)
                keeper = _existing_guard(header, folder, passphrase, key_file)
            else:
                header, keeper = _create(folder, guard, passphrase, key_file, random)
            vault = cls(folder, header, keeper, random)
        for leftover in folder.glob(f".*{_SUFFIX}.*"):  # of a write that was killed
            leftover.unlink(missing_ok=True)
        if len(header.keys) > 1:
            vault._finish_rotation()
        return vault

    @staticmethod
    def exists(folder: Path) -> bool:
        """Say whether there is a vault in ``folder``."""
        return (folder / _HEADER).exists()

    @staticmethod
    def guard_of(folder: Path) -> str | None:
        """Return who guards the key of the vault in ``folder``, without opening it; None where there is none."""
        place = folder / _HEADER
        return str(read_header(place).guard.get("kind")) if Vault.exists(folder) else None

    @property
    def guard(self) -> str:
        """Who guards the key: ``passphrase``, ``keyring`` or ``file``."""
        return self._guard.kind

    def names(self) -> tuple[str, ...]:
        """Return the names of the entries, sorted."""
        return tuple(sorted(path.name.removesuffix(_SUFFIX) for path in self.folder.glob(f"[!.]*{_SUFFIX}")))

    def read(self, name: str) -> bytes:
        """Return an entry's content. Raises VaultError where there is none, or where it is not what was sealed."""
        place = self._place(name)
        try:
            sealed = place.read_bytes()
        except FileNotFoundError:
            raise VaultError(
                f"The vault {self.folder} has no entry {name!r}: expected one of "
                f"{', '.join(self.names()) or '(it is empty)'}."
            ) from None
        return self._opened(name, sealed)

    def write(self, name: str, content: bytes) -> None:
        """Seal ``content`` under ``name``, replacing what was there. On return it is on the disk (V3)."""
        place = self._place(name)
        with self.exclusive():
            write_atomic(place, self._sealed(name, content), mode=0o600)

    def delete(self, name: str) -> None:
        """Remove an entry (V4). An entry that is not there is no error."""
        place = self._place(name)
        with self.exclusive():
            place.unlink(missing_ok=True)
            sync_directory(self.folder)

    def rotate(self, *, passphrase: str | None = None) -> None:
        """Seal everything under a fresh data key and drop the old one.

        With ``passphrase`` the vault is from now on guarded by this one, whatever guarded it before.
        """
        with self.exclusive():
            old = self._guard
            if passphrase is not None:
                self._guard = PassphraseGuard.new(passphrase, self._source)
                self._wrapping = self._guard.wrapping_key()
            fresh = self._header.current + 1
            self._keys[fresh] = self._source.bytes(KEY_BYTES)
            self._store_header()
            if old is not self._guard:
                old.forget()
            self._finish_rotation()

    def destroy(self) -> None:
        """Delete the keys, then every entry (V4). The vault cannot be used afterwards."""
        with self.exclusive():
            self._guard.forget()
            (self.folder / _HEADER).unlink(missing_ok=True)
            sync_directory(self.folder)  # from here on the entries are noise
            for path in [*self.folder.glob(f"*{_SUFFIX}"), *self.folder.glob(f".*{_SUFFIX}.*")]:
                path.unlink()
            sync_directory(self.folder)
            self._keys.clear()
            self._wrapping = b""

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other processes from writing while the block runs, for what reads and then writes."""
        if self._depth == 0:
            with _alone(self.folder):
                self._refresh()
                self._depth += 1
                try:
                    yield
                finally:
                    self._depth -= 1
        else:
            yield

    def _place(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise VaultError(
                f"{name[:80]!r} cannot name an entry of a vault: expected 1 to 64 of a–z, 0–9, dot, dash and "
                "underscore, the first a letter or digit. Choose such a name."
            )
        return self.folder / f"{name}{_SUFFIX}"

    def _refresh(self) -> None:
        """Take over what another process did to the keys."""
        place = self.folder / _HEADER
        if not place.exists():
            raise VaultError(
                f"The vault {self.folder} was destroyed: expected {_HEADER} in it. Make a new one."
            )
        header = read_header(place)
        if header != self._header:
            if header.guard != self._header.guard:
                raise VaultError(
                    f"The key of the vault {self.folder} has another guard than when it was opened: the passphrase "
                    "was changed. Open the vault again."
                )
            self._header, self._keys = header, unwrapped(header, self._wrapping)

    def _store_header(self) -> None:
        self._header = wrapped_under(
            self._header.vault, self._guard.public(), self._keys, self._wrapping, self._source
        )
        write_atomic(self.folder / _HEADER, self._header.to_bytes(), mode=0o600)

    def _finish_rotation(self) -> None:
        """Seal every entry under the newest key, then drop the others."""
        with self.exclusive():
            newest = self._header.current
            for name in self.names():
                place = self._place(name)
                sealed = place.read_bytes()
                if _key_number(sealed) != newest:
                    write_atomic(place, self._sealed(name, self._opened(name, sealed)), mode=0o600)
            self._keys = {newest: self._keys[newest]}
            self._store_header()

    def _sealed(self, name: str, content: bytes) -> bytes:
        number = self._header.current
        salt, nonce = self._source.bytes(_SALT), self._source.bytes(_NONCE)
        prefix = _MAGIC + number.to_bytes(4, "big") + salt + nonce
        padded = len(content).to_bytes(8, "big") + content
        padded += bytes(-len(padded) % _PADDING)
        return prefix + self._cipher(number, salt).encrypt(nonce, padded, self._about(name, prefix))

    def _opened(self, name: str, sealed: bytes) -> bytes:
        where = f"The entry {name!r} of the vault {self.folder}"
        if len(sealed) < _PREFIX + _TAG + _PADDING or not sealed.startswith(_MAGIC):
            raise VaultError(
                f"{where} is cut short or is no sealed entry: expected at least {_PREFIX + _TAG + _PADDING} bytes "
                f"that begin with {_MAGIC[:7].decode()}, found {len(sealed)}. Restore it from a copy, or delete it."
            )
        number, prefix = _key_number(sealed), sealed[:_PREFIX]
        if number not in self._keys:
            self._refresh()
        if number not in self._keys:
            raise VaultError(
                f"{where} was sealed under data key {number}, which the vault no longer has: expected "
                f"{', '.join(map(str, self._keys))}. It is an old copy from before a rotation; delete it."
            )
        salt, nonce = prefix[-_NONCE - _SALT : -_NONCE], prefix[-_NONCE:]
        try:
            padded = self._cipher(number, salt).decrypt(nonce, sealed[_PREFIX:], self._about(name, prefix))
        except InvalidTag:
            raise VaultError(
                f"{where} is not what was sealed there: expected bytes that its key authenticates. It was altered, "
                "cut short, or put there from elsewhere. Restore it from a copy, or delete it."
            ) from None
        return padded[8 : 8 + int.from_bytes(padded[:8], "big")]

    def _cipher(self, number: int, salt: bytes) -> AESGCM:
        info = b"mien vault entry " + bytes.fromhex(self._header.vault)
        derive = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=info)
        return AESGCM(derive.derive(self._keys[number]))

    def _about(self, name: str, prefix: bytes) -> bytes:
        return prefix + bytes.fromhex(self._header.vault) + name.encode("ascii")


def _create(
    folder: Path, kind: GuardKind, passphrase: str | None, key_file: Path | None, source: RandomSource
) -> tuple[Header, Guard]:
    strays = [path.name for path in folder.glob(f"[!.]*{_SUFFIX}")]
    if strays:
        raise VaultError(
            f"{folder} holds sealed entries ({', '.join(sorted(strays)[:3])}) but no {_HEADER}: expected both or "
            "neither. Restore the header from a copy; without it nothing can open them."
        )
    vault = source.bytes(ID_BYTES).hex()
    if kind == "auto":
        kind = "passphrase" if passphrase is not None else "keyring" if keyring_works() else "file"
    guard: Guard
    if kind == "passphrase":
        guard = PassphraseGuard.new(passphrase or "", source)
    elif kind == "keyring":
        guard = KeyringGuard.new(vault, source)
    else:
        guard = _new_key_file(key_file or folder / _KEY_FILE, inside=key_file is None, source=source)
    header = wrapped_under(vault, guard.public(), {1: source.bytes(KEY_BYTES)}, guard.wrapping_key(), source)
    write_atomic(folder / _HEADER, header.to_bytes(), mode=0o600)
    return header, guard


def _new_key_file(path: Path, *, inside: bool, source: RandomSource) -> KeyFileGuard:
    if inside:
        path.unlink(missing_ok=True)  # of a creation that was killed before the header was there
    return KeyFileGuard.new(path, source)


def _existing_guard(header: Header, folder: Path, passphrase: str | None, key_file: Path | None) -> Guard:
    kind = header.guard.get("kind")
    if passphrase is not None and kind in ("keyring", "file"):
        raise VaultError(
            f"The vault {folder} is guarded by a {kind}, not by a passphrase, and one was given: expected none. "
            "Open it without one; if it was guarded by one before, somebody put another vault in its place."
        )
    if kind == "passphrase":
        if passphrase is None:
            raise VaultError(
                f"The vault {folder} is guarded by a passphrase: expected one, got none. Give it."
            )
        return PassphraseGuard(passphrase, header.guard)
    if kind == "keyring":
        return KeyringGuard(header.vault)
    if kind == "file":
        return KeyFileGuard(key_file or folder / _KEY_FILE)
    raise VaultError(
        f"{folder / _HEADER} names an unknown guard {kind!r}: expected passphrase, keyring or file."
    )


def _key_number(sealed: bytes) -> int:
    return int.from_bytes(sealed[len(_MAGIC) : len(_MAGIC) + 4], "big")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the vault's lock; the system frees it when the process ends, however it ends."""
    with (folder / _LOCK).open("wb") as file:
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise VaultError(
                        f"The vault {folder} is in use by another process for {_PATIENCE:g} s: expected it to be "
                        "free. Wait for the other one to end, and try again."
                    ) from None
                time.sleep(0.01)
        yield
