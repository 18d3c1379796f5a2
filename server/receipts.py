"""The coordinator as witness of its devices' ledgers: it keeps the hash of each device's newest charge and hands it
back, so that a device whose ledger was replaced by an older copy notices, and refuses.

W1. A receipt is a hash that tells nothing of a ledger (``privacy/ledger``), and the device takes it for nothing but
    a reason to refuse. So a coordinator that lies about receipts, or forgets them, gains nothing: it can only keep
    a device out, or leave it to what the device's own anchor notices.

Receipts are kept in the run folder by a device's identity key, and later runs in the same place find them again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from mien.errors import ProtocolError
from mien.files import write_atomic

_FILE = "receipts.json"
_RECEIPT = re.compile(rb"[0-9a-f]{64}")


class Receipts:
    """The newest receipt of each device, by its identity key."""

    def __init__(self, folder: Path, earlier: Iterable[Path] = ()) -> None:
        """Take up what ``folder`` holds, else what the run folders in ``earlier`` say, the newest last."""
        self._file = folder / _FILE
        self._by_key: dict[str, str] = {}
        for place in (*earlier, folder):
            file = place / _FILE
            if file.exists():
                self._by_key.update(_read(file))

    def of(self, identity_key: bytes) -> bytes | None:
        """Return what to hand back to a device, or None where nothing of it is known."""
        receipt = self._by_key.get(identity_key.hex())
        return None if receipt is None else receipt.encode()

    def take(self, identity_key: bytes, receipt: bytes) -> None:
        """Keep a device's newest receipt. Raises ProtocolError unless it is a SHA-256 in hexadecimal digits."""
        if not _RECEIPT.fullmatch(receipt):
            raise ProtocolError(f"receipt: expected 64 hexadecimal digits, got {len(receipt)} bytes")
        self._by_key[identity_key.hex()] = receipt.decode()

    def save(self) -> None:
        """Write them down, whole or not at all."""
        write_atomic(self._file, (json.dumps(self._by_key, indent=1, sort_keys=True) + "\n").encode())


def _read(file: Path) -> dict[str, str]:
    """Return a file's receipts; one that cannot be read is as good as none (W1)."""
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {key: value for key, value in content.items() if _RECEIPT.fullmatch(str(value).encode())}
