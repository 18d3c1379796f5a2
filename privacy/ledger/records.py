"""The lines of a ledger: what they hold, how they are hashed, and how they are read back strictly.

One record is one line of canonical JSON ended by a newline::

    {"charge": {...}, "hash": h, "prev": p, "seq": n, "time": t}

``hash`` is the SHA-256 of the canonical line without the ``hash`` member; ``prev`` is the hash of the record
before (64 zeros for the first); ``seq`` counts from 0 without gaps; ``time`` is informative only and nothing
depends on it. Exactly one of these members says what happened:

``open``       version, device, dataset, budgets, simulated, nonce (16 random bytes: hashes cannot be guessed)
``charge``     purpose, run, round, plan_hash, event: written before the work that it pays for
``budgets``    the budgets from here on, because the person changed them
``recovered``  a torn tail was found: its bytes, its SHA-256, and the charges that could still be read in it
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from mien.errors import LedgerError, PrivacyError
from mien.files import canonical_json
from privacy.accounting.curve import MIN_DELTA
from privacy.accounting.events import Event, from_json, to_json

VERSION: Final = 1
GENESIS: Final = "0" * 64
TOTAL: Final = "*"
"""Key of the budget over all purposes together; no purpose can have this name."""
Kind: TypeAlias = Literal["open", "charge", "budgets", "recovered"]

_KINDS: Final[tuple[Kind, ...]] = ("open", "charge", "budgets", "recovered")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_CHARGE_START: Final = b'{"charge":'


@dataclasses.dataclass(frozen=True)
class Budget:
    """The most that a purpose may cost: ε at δ. Raises PrivacyError where it promises nothing."""

    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        if (
            isinstance(self.epsilon, bool)
            or not isinstance(self.epsilon, int | float)
            or not self.epsilon > 0
        ):
            raise PrivacyError(f"budget: epsilon must be a number above 0; got {self.epsilon!r}")
        if not isinstance(self.delta, float) or not MIN_DELTA <= self.delta < 1:
            raise PrivacyError(f"budget: delta must be from {MIN_DELTA:g} to below 1; got {self.delta!r}")

    def to_json(self) -> dict[str, float | str]:
        """Return plain data; an infinite ε (no limit) is the string ``"inf"``."""
        limit = "inf" if self.epsilon == float("inf") else float(self.epsilon)
        return {"delta": self.delta, "epsilon": limit}


@dataclasses.dataclass(frozen=True)
class Charge:
    """One event that a device pays for."""

    purpose: str
    run: str
    round: int
    plan_hash: str
    """SHA-256 of the round plan, 64 hexadecimal digits."""
    event: Event

    def __post_init__(self) -> None:
        for name in ("purpose", "run"):
            value = getattr(self, name)
            if not isinstance(value, str) or not _NAME.fullmatch(value):
                raise LedgerError(f"charge: '{name}' must match {_NAME.pattern}; got {value!r:.200}")
        if isinstance(self.round, bool) or not isinstance(self.round, int) or self.round < 0:
            raise LedgerError(
                f"charge: 'round' must be a whole number of at least 0; got {self.round!r:.200}"
            )
        if not isinstance(self.plan_hash, str) or not _HASH.fullmatch(self.plan_hash):
            raise LedgerError(
                f"charge: 'plan_hash' must be 64 hexadecimal digits; got {self.plan_hash!r:.200}"
            )

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "event": to_json(self.event),
            "plan_hash": self.plan_hash,
            "purpose": self.purpose,
            "round": self.round,
            "run": self.run,
        }

    @classmethod
    def from_json(cls, value: Any) -> Charge:
        """Read a charge strictly. Raises LedgerError."""
        names = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(value, dict) or set(value) != names:
            raise LedgerError(f"charge: expected the members {sorted(names)}; got {value!r:.200}")
        try:
            return cls(**{**value, "event": from_json(value["event"])})
        except PrivacyError as error:
            raise LedgerError(f"charge: {error}") from None


@dataclasses.dataclass(frozen=True)
class Record:
    """One line of a ledger. ``body`` is the plain data of its ``kind``."""

    seq: int
    prev: str
    time: float
    kind: Kind
    body: Any
    hash: str

    @classmethod
    def after(cls, last: Record | None, time: float, kind: Kind, body: Any) -> Record:
        """Return the record that follows ``last``, hashed."""
        seq, prev = (0, GENESIS) if last is None else (last.seq + 1, last.hash)
        return cls(seq, prev, time, kind, body, _digest(seq, prev, time, kind, body))

    def to_line(self) -> bytes:
        """Return the record's line, newline included."""
        fields = {
            "hash": self.hash,
            "prev": self.prev,
            "seq": self.seq,
            "time": self.time,
            self.kind: self.body,
        }
        return canonical_json(fields) + b"\n"

    def charges(self) -> list[Charge]:
        """Return the charges that this record counts, in order."""
        if self.kind == "charge":
            return [Charge.from_json(self.body)]
        if self.kind == "recovered":
            return [Charge.from_json(charge) for charge in self.body["charges"]]
        return []


def parse_line(line: bytes) -> Record | None:
    """Return the record of one line (without its newline), or None where it is not one with a right hash."""
    try:
        fields = json.loads(line)
        kind = next(kind for kind in _KINDS if kind in fields)
        record = Record(fields["seq"], fields["prev"], fields["time"], kind, fields[kind], fields["hash"])
        if record.to_line() == line + b"\n" and record.hash == _digest(
            record.seq, record.prev, record.time, kind, record.body
        ):
            return record
    except (ValueError, TypeError, KeyError, StopIteration, RecursionError):
        pass
    return None


def readable_charges(torn: bytes) -> list[Charge]:
    """Return the charges that can still be read in torn bytes: their body is whole, whatever follows it."""
    found = []
    for line in torn.split(b"\n"):
        if not line.startswith(_CHARGE_START):
            continue
        try:
            text = line[len(_CHARGE_START) :].decode("ascii")
            found.append(Charge.from_json(json.JSONDecoder().raw_decode(text)[0]))
        except (ValueError, RecursionError, LedgerError):
            continue
    return found


def budgets_to_json(budgets: Mapping[str, Budget]) -> dict[str, Any]:
    """Return the plain data of budgets by purpose."""
    return {purpose: budget.to_json() for purpose, budget in budgets.items()}


def check_budgets(budgets: Mapping[str, Budget]) -> None:
    """Raise LedgerError where a purpose has no lawful name or no budget."""
    for purpose, budget in budgets.items():
        if purpose != TOTAL and not _NAME.fullmatch(purpose):
            raise LedgerError(f"budgets: purpose {purpose!r:.200} must match {_NAME.pattern} or be '{TOTAL}'")
        if not isinstance(budget, Budget):
            raise LedgerError(
                f"budgets: purpose {purpose!r} needs a Budget(epsilon, delta); got {budget!r:.200}"
            )


def _digest(seq: int, prev: str, time: float, kind: str, body: Any) -> str:
    return hashlib.sha256(canonical_json({"prev": prev, "seq": seq, "time": time, kind: body})).hexdigest()
