"""A ledger for people: rows for a table, a list of problems, and one JSON document for an auditor.

These read without the lock, so that a running training does not stop a person from looking.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from mien.errors import LedgerError
from privacy.accounting.curve import REPORT_GRID
from privacy.accounting.epsilon import AttackBounds, attack_bounds, group_table, two_epsilons
from privacy.accounting.events import Event, to_json
from privacy.ledger.ledger import Ledger
from privacy.ledger.records import TOTAL, Charge
from privacy.ledger.storage import Anchor, LogContent, read_log


@dataclasses.dataclass(frozen=True)
class PurposeRow:
    """What one purpose has cost, for `mien ledger show`."""

    purpose: str
    charges: int
    epsilon: float
    """Spent so far at ``delta``, against whoever gets the models; infinite where a release had no noise."""
    epsilon_server: float
    """The same against the server, which sees who takes part: larger where clients were drawn in secret."""
    budget: float | None
    """ε allowed; None where the purpose has no budget any more."""
    delta: float
    accountant: str

    @property
    def left(self) -> float | None:
        """ε left, or None without a budget."""
        return None if self.budget is None else max(0.0, self.budget - self.epsilon)


@dataclasses.dataclass(frozen=True)
class ChargeRow:
    """One charge, for `mien ledger show --all`."""

    seq: int
    time: float
    purpose: str
    run: str
    round: int
    event: dict[str, Any]
    recovered: bool
    """True where it was read from a torn tail: paid for, though the work never began."""


def describe(ledger: Ledger | Path, *, delta: float = 1e-5, grid: float = REPORT_GRID) -> list[PurposeRow]:
    """Return one row a purpose, and one for all together (``*``), from an open ledger or from its file.

    ``delta`` counts for purposes without a budget of their own. Raises LedgerError for a damaged file.
    """
    charges, budgets = _read(ledger)
    by_purpose: dict[str, list[Event]] = {purpose: [] for purpose in budgets}
    by_purpose.setdefault(TOTAL, [])
    for row in charges:
        by_purpose.setdefault(row.purpose, []).append(row.event)
        by_purpose[TOTAL].append(row.event)
    rows = []
    for purpose in sorted(by_purpose, key=lambda name: (name == TOTAL, name)):
        limit, at = budgets.get(purpose, (None, delta))
        both = two_epsilons(by_purpose[purpose], at, grid=grid)
        statement = both.recipient
        rows.append(
            PurposeRow(
                purpose,
                len(by_purpose[purpose]),
                statement.epsilon,
                both.server.epsilon,
                limit,
                at,
                statement.accountant,
            )
        )
    return rows


@dataclasses.dataclass(frozen=True)
class Meaning:
    """What all charges together mean for an attacker, and for a household."""

    bounds: AttackBounds
    delta: float
    households: dict[int, float]
    """ε of a household by its size, all of whose members are in this device's photos."""


def meaning(ledger: Ledger | Path, *, delta: float = 1e-5, grid: float = REPORT_GRID) -> Meaning:
    """Return :class:`Meaning` of all charges, at the δ of the strictest budget (``delta`` without one)."""
    charges, budgets = _read(ledger)
    events = [charge.event for charge in charges]
    at = min((limit[1] for limit in budgets.values()), default=delta)
    households = group_table(events, at, grid=grid)
    return Meaning(
        attack_bounds(events, grid=grid), at, {size: each.epsilon for size, each in households.items()}
    )


def charge_rows(path: Path) -> list[ChargeRow]:
    """Return every charge in a ledger's file, oldest first. Raises LedgerError for a damaged file."""
    return [
        ChargeRow(
            record.seq,
            record.time,
            charge.purpose,
            charge.run,
            charge.round,
            to_json(charge.event),
            record.kind == "recovered",
        )
        for record in read_log(path).records
        for charge in record.charges()
    ]


def verify(path: Path, anchor: Path | None = None) -> list[str]:
    """Return the problems of a ledger's file, none for a sound one. A torn tail is reported, not a problem to fear.

    ``anchor`` defaults to the file beside the ledger, as in :meth:`Ledger.open`.
    """
    anchor = anchor or path.with_name(path.name + ".anchor")
    try:
        content = read_log(path)
        for record in content.records:
            record.charges()
        remembered = Anchor.read(anchor)
        if remembered is None:
            return [f"ledger {path}: its anchor {anchor} is missing, so a rollback cannot be ruled out"]
        remembered.check(path, content.records)
    except LedgerError as error:
        return [str(error)]
    if content.torn:
        count = len(content.torn)
        return [f"ledger {path}: the last {count} bytes are a charge cut short; the next opening closes them"]
    return []


def export(path: Path) -> dict[str, Any]:
    """Return the whole ledger as plain data: every record, and what each purpose has cost."""
    content = read_log(path)
    rows = describe(path)
    first = content.records[0]
    return {
        "format": "mien ledger export",
        "version": 1,
        "device": first.body["device"],
        "dataset": first.body["dataset"],
        "head": content.records[-1].hash,
        "torn_bytes": len(content.torn),
        "records": [
            {"seq": r.seq, "prev": r.prev, "time": r.time, r.kind: r.body, "hash": r.hash}
            for r in content.records
        ],
        "spent": [
            {
                **dataclasses.asdict(row),
                "epsilon": _plain(row.epsilon),
                "epsilon_server": _plain(row.epsilon_server),
                "budget": _plain(row.budget),
            }
            for row in rows
        ],
    }


def _read(ledger: Ledger | Path) -> tuple[list[Charge], dict[str, tuple[float, float]]]:
    if isinstance(ledger, Ledger):
        charges = [charge for entry in ledger.entries() for charge in entry.charges]
        return charges, {name: (b.epsilon, b.delta) for name, b in ledger.budgets.items()}
    content = read_log(ledger)
    charges = [charge for record in content.records for charge in record.charges()]
    return charges, _last_budgets(content)


def _last_budgets(content: LogContent) -> dict[str, tuple[float, float]]:
    stated: dict[str, Any] = {}
    for record in content.records:
        if record.kind in ("open", "budgets"):
            stated = record.body["budgets"] if record.kind == "open" else record.body
    return {name: (float(value["epsilon"]), value["delta"]) for name, value in stated.items()}


def _plain(value: float | None) -> float | str | None:
    return "inf" if value == float("inf") else value
