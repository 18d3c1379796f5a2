"""The transcript: what the coordinator promised, sent and received, as a hash chain in one JSONL file.

T1. Each line carries the SHA-256 of the line before it, so no line can be altered, removed or inserted without
    breaking every later link; only the cutting of the tail needs the head hash (kept in the run's report) to be
    seen.
T2. A line is on the disk before :meth:`Transcript.append` returns, so a round's result is never published ahead
    of its record.
T3. A line holds hashes and sizes of messages, never their content: the transcript tells nothing of a client
    beyond who took part and how many bytes travelled.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mien.errors import RunError
from mien.files import canonical_json

GENESIS = "0" * 64
_RESERVED = ("seq", "prev", "hash")


class Transcript:
    """An append-only chained log. One writer at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count, self._head = 0, GENESIS
        if path.exists():
            for line in read_transcript(path):
                self._count, self._head = line["seq"] + 1, line["hash"]
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")

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
        self._file.write(canonical_json({**body, "hash": self._head}) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._count += 1
        return self._head

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_transcript(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a transcript. Raises RunError at the first line that is not what was written."""
    previous = GENESIS
    for number, text in enumerate(path.read_bytes().splitlines()):
        try:
            line: dict[str, Any] = json.loads(text)
            body = {key: value for key, value in line.items() if key != "hash"}
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
