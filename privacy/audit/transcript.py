"""The transcript: what the coordinator promised, sent and received, as a signed hash chain in one JSONL file.

T1. Each line carries the SHA-256 of the line before it, so no line can be altered, removed or inserted without
    breaking every later link; only the cutting of the tail needs the head hash (kept in the run's report) to be
    seen.
T2. A line is on the disk before :meth:`Transcript.append` returns, so a round's result is never published ahead
    of its record.
T3. Of a message a line holds hashes and sizes, and the whole content of two kinds only: enrolments (public keys)
    and headers of masked vectors (hashes and a signature). So the transcript tells nothing of a client beyond who
    took part, how many bytes travelled, and what that client itself signed.
T4. Every line except ``received`` and ``asked`` is signed with the coordinator's Ed25519 key, the same that
    clients see and pin in secure aggregation. Whoever knows the key (a device that pinned it, the owner of the
    report) knows that its holder wrote all lines up to the last signed one, in this order. Assumption: Ed25519 is
    unforgeable (RFC 8032) and SHA-256 is collision resistant.
T5. A key is named in a ``key`` line that it signs itself. A process that resumes a run with another key writes
    such a line first, so a change of keys is seen and dated by its place. It proves that both holders had the
    chain, not that the first approved of the second: the first key died with its process.
T6. A header is signed by its client over the hash of the plan and over the session, and the session is a hash of
    the plan, all members' keys and the coordinator's key. So a coordinator that writes down another plan than it
    sent (more noise, other clients) must also forge the signature of every survivor. Assumption: those clients
    are real and honest (see I2 of :mod:`privacy.secagg.identity`); invented clients sign anything.

What no signature proves: that a figure measured by the coordinator alone (a loss, a duration) is true, and that
nothing was left out which no client signed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from mien.errors import RunError
from mien.files import canonical_json
from privacy.secagg.identity import Identity

GENESIS: Final = "0" * 64
SIGNATURE_PURPOSE: Final = "mien audit v1 transcript line"
UNSIGNED: Final = frozenset({"received", "asked"})
"""Kinds of lines that are covered by the next signed one; there are two for each client and round."""
_RESERVED = ("seq", "prev", "hash", "signature")


class Transcript:
    """An append-only chained log, signed where ``signer`` is given. One writer at a time."""

    def __init__(self, path: Path, signer: Identity | None = None) -> None:
        self._path, self._signer = path, signer
        self._count, self._head = 0, GENESIS
        key = None
        if path.exists():
            for line in read_transcript(path):
                self._count, self._head = line["seq"] + 1, line["hash"]
                key = line["key"] if line["kind"] == "key" else key
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        if signer is not None and key != signer.public_key.hex():
            self.append("key", key=signer.public_key.hex())

    @property
    def head(self) -> str:
        """The hash of the last line, 64 hexadecimal digits."""
        return self._head

    def append(self, kind: str, **fields: Any) -> str:
        """Write one line of the given kind and return its hash. Fields must be plain JSON data."""
        if not fields.keys().isdisjoint(_RESERVED):
            raise ValueError(f"a transcript line names its own {', '.join(_RESERVED)}")
        body = {"seq": self._count, "prev": self._head, "kind": kind, **fields}
        self._head = _hash(body)
        line = {**body, "hash": self._head}
        if self._signer is not None and kind not in UNSIGNED:
            line["signature"] = self._signer.sign(SIGNATURE_PURPOSE, bytes.fromhex(self._head)).hex()
        self._file.write(canonical_json(line) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._count += 1
        return self._head

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_transcript(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a transcript. Raises RunError at the first line that is not what was written.

    Checks the chain (T1), not the signatures: :mod:`privacy.audit.verify` does, by code of its own.
    """
    previous = GENESIS
    for number, text in enumerate(path.read_bytes().splitlines()):
        try:
            line: dict[str, Any] = json.loads(text)
            body = {key: value for key, value in line.items() if key not in ("hash", "signature")}
            whole = canonical_json(line) == text and line["hash"] == _hash(body)
        except (ValueError, KeyError, TypeError):
            raise RunError(
                f"{path}: line {number + 1} is not a transcript line; the file was altered"
            ) from None
        if not whole or line["seq"] != number or line["prev"] != previous:
            raise RunError(f"{path}: line {number + 1} breaks the hash chain; the file was altered there")
        previous = line["hash"]
        yield line


def _hash(body: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(body)).hexdigest()
