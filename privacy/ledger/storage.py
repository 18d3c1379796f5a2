"""The files under a ledger: an append-only log, its lock, and the anchor that remembers its head elsewhere.

Guarantees (assumption: ``fsync`` does what POSIX says; the disk does not lose what it acknowledged):

S1. When :meth:`Log.append` returns, the record is on the disk (a simulated ledger: in the system's cache, which a
    kill does not touch and a power cut does). A kill or a power cut before that leaves all of
    it, none of it, or any garbage *after* the last acknowledged record, and each of these is read back.
S2. Nothing is ever overwritten or truncated. A torn tail stays where it is and is closed by a ``recovered``
    record that names its length and hash; so the file is always a record of what was found.
S3. Damage anywhere else (a byte changed, a line removed, inserted or reordered) breaks the hash chain.
S4. A log that is shorter than its anchor, or that forks from it, was rolled back or copied, and is refused.
    The anchor is updated after the log and before the caller goes on, so the log may be ahead, never behind.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import time
from pathlib import Path

from mien.errors import LedgerError
from mien.files import canonical_json, write_atomic
from privacy.ledger.records import GENESIS, Record, parse_line


@dataclasses.dataclass(frozen=True)
class LogContent:
    """What was read: the records in order, and what a write that was cut short left behind the last one."""

    records: list[Record]
    torn: bytes
    """Unreadable bytes at the end."""
    unterminated: bool
    """True where the last record is whole but for its newline: it counts, and the newline is still due."""


def read_log(path: Path) -> LogContent:
    """Read and check a whole log. Raises LedgerError for damage that is not a torn tail."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise LedgerError(f"ledger {path}: the file does not exist") from None
    records: list[Record] = []
    position = 0  # of the first byte that no accepted record accounts for
    cursor = 0
    while cursor < len(data):
        end = data.find(b"\n", cursor)
        end = len(data) if end < 0 else end
        record = parse_line(data[cursor:end])
        if record is not None:
            _check_chain(path, records, record)
            _check_torn(path, record, data[position:cursor])
            records.append(record)
            position = end + 1
        cursor = end + 1
    if not records:
        raise LedgerError(f"ledger {path}: the first record is not readable; restore the file from a backup")
    return LogContent(records, data[position:], unterminated=position > len(data))


def _check_chain(path: Path, records: list[Record], record: Record) -> None:
    seq, prev = (0, GENESIS) if not records else (records[-1].seq + 1, records[-1].hash)
    if (record.seq, record.prev) != (seq, prev):
        raise LedgerError(
            f"ledger {path}: the chain is broken: expected record {seq} after {prev[:12]}, found record "
            f"{record.seq!r:.20} after {record.prev!r:.14}; a line was changed, removed or inserted. "
            "Restore the file from a backup; until then nothing can be charged"
        )
    if (record.kind == "open") != (not records):
        raise LedgerError(f"ledger {path}: record {seq} is of kind {record.kind!r}, which is out of place")


def _check_torn(path: Path, record: Record, skipped: bytes) -> None:
    """Accept unreadable bytes before ``record`` only if it is the ``recovered`` record that names them."""
    if record.kind == "recovered":
        torn = skipped[:-1]  # the newline that ended the torn tail was written with the record
        if skipped[-1:] == b"\n" and _torn_facts(torn).items() <= record.body.items():
            return
    elif not skipped:
        return
    raise LedgerError(
        f"ledger {path}: {len(skipped)} unreadable bytes before record {record.seq}; the file was damaged after "
        "it was written. Restore it from a backup; until then nothing can be charged"
    )


def _torn_facts(torn: bytes) -> dict[str, int | str]:
    return {"bytes": len(torn), "sha256": hashlib.sha256(torn).hexdigest()}


class Log:
    """The append-only file of one ledger, held by one process at a time."""

    def __init__(self, path: Path, *, wait: float, durable: bool = True) -> None:
        self.path = path
        self._durable = durable
        self._process = os.getpid()
        self._lock: int | None = _lock(path, wait)
        self._file: int | None = None
        self._broken = False

    def exists(self) -> bool:
        """Return whether the log was created."""
        return self.path.exists()

    def create(self, first: Record) -> None:
        """Create the file with its first record: whole or not at all."""
        _replace(self.path, first.to_line(), self._durable)

    def read(self) -> LogContent:
        """Read and check the whole file."""
        return read_log(self.path)

    def close_torn_tail(self, recovered: Record) -> None:
        """Append ``recovered`` behind a torn tail, which is made durable first so that its hash stays true."""
        descriptor = self._descriptor()
        if self._durable:
            _sync(descriptor)
        self._write(b"\n" + recovered.to_line())

    def terminate(self) -> None:
        """Write the newline that the last record lacks."""
        self._write(b"\n")

    def append(self, record: Record) -> None:
        """Append one record durably (S1). Raises LedgerError; the log must then be opened again."""
        self._write(record.to_line())

    def close(self) -> None:
        """Release the file and the lock. Idempotent."""
        for descriptor in (self._file, self._lock):
            if descriptor is not None:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        self._file = self._lock = None

    def _descriptor(self) -> int:
        if self._lock is None:
            raise LedgerError(f"ledger {self.path}: it was closed; open it again")
        if os.getpid() != self._process:
            raise LedgerError(f"ledger {self.path}: a forked process must open its own Ledger")
        if self._broken:
            raise LedgerError(f"ledger {self.path}: an earlier write failed; open the ledger again")
        if self._file is None:
            self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        return self._file

    def _write(self, data: bytes) -> None:
        descriptor = self._descriptor()
        self._broken = True  # until the bytes are known to be on the disk
        try:
            written = os.write(descriptor, data)
            while written < len(data):
                written += os.write(descriptor, data[written:])
            if self._durable:
                _sync(descriptor)
        except OSError as error:
            raise LedgerError(
                f"ledger {self.path}: the record could not be written ({error.strerror}); nothing may start. "
                "Free disk space or repair the disk, and open the ledger again"
            ) from error
        self._broken = False


@dataclasses.dataclass(frozen=True)
class Anchor:
    """The head of a ledger as remembered outside of it."""

    seq: int
    hash: str

    @classmethod
    def read(cls, path: Path) -> Anchor | None:
        """Return the anchor, or None where there is none. Raises LedgerError where it is damaged."""
        try:
            value = json.loads(path.read_bytes())
            anchor = cls(value["seq"], value["hash"])
            if not isinstance(anchor.seq, int) or not isinstance(anchor.hash, str):
                raise TypeError
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError):
            raise LedgerError(
                f"ledger anchor {path}: not readable; a ledger cannot be trusted without it"
            ) from None
        return anchor

    def write(self, path: Path, *, durable: bool = True) -> None:
        """Replace the anchor."""
        try:
            _replace(path, canonical_json({"hash": self.hash, "seq": self.seq}) + b"\n", durable)
        except OSError as error:
            raise LedgerError(
                f"ledger anchor {path}: could not be written ({error.strerror}); nothing may start"
            ) from error

    def check(self, path: Path, records: list[Record]) -> None:
        """Raise LedgerError unless ``records`` contain this head (S4)."""
        if self.seq >= len(records):
            raise LedgerError(
                f"ledger {path}: it ends at record {len(records) - 1}, but its anchor remembers record {self.seq}: "
                "the file was rolled back or cut. Restore the newest copy"
            )
        if records[self.seq].hash != self.hash:
            raise LedgerError(
                f"ledger {path}: record {self.seq} is not the one its anchor remembers: this is a copy that "
                "went its own way. Restore the file that belongs to this anchor"
            )


def _lock(path: Path, wait: float) -> int:
    """Take the ledger's lock within ``wait`` seconds, or raise LedgerError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock_path = path.with_name(path.name + ".lock")
    descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                raise LedgerError(
                    f"ledger {path}: another process is using it (waited {wait:g} s); let it finish and try again"
                ) from None
            time.sleep(0.01)
        else:
            return descriptor


def _sync(descriptor: int) -> None:
    full = getattr(fcntl, "F_FULLFSYNC", None)  # macOS: fsync alone stops at the drive's cache
    if full is not None:
        fcntl.fcntl(descriptor, full)
    else:
        os.fsync(descriptor)


def _replace(path: Path, content: bytes, durable: bool) -> None:
    """Replace a file, whole or not at all; durably, or for a simulation just visibly."""
    if durable:
        write_atomic(path, content, mode=0o600)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(path)


def torn_body(torn: bytes) -> dict[str, int | str]:
    """Return what a ``recovered`` record says about a torn tail."""
    return _torn_facts(torn)
