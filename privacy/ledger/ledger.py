"""A device's durable record of what its data has paid for, and the gate that refuses to pay more.

Guarantees (assumptions: those of :mod:`privacy.ledger.storage`, and that the caller charges before it works):

L1. When :meth:`Ledger.charge` returns, the event is on the disk. If the process dies at any instant, every
    charge that had returned is counted when the ledger is opened again, and the ledger opens.
L2. The events charged to a purpose never cost more than its budget, whatever a server asks, how often it
    repeats itself, and after any number of crashes and restarts. With a budget for ``*`` the same holds for
    all purposes together, since they pay with the same people's data.
L3. ε is computed from the events each time; no running total is stored, so a wrong total cannot persist.
L4. A ledger that was cut, edited, rolled back, or copied to another device or dataset is refused; a rollback
    of ledger *and* anchor is found by :meth:`Ledger.confirm`, with a receipt that someone else kept.

A crash wastes budget, never privacy. The same round asked again is charged again: a device cannot prove that
its first answer never left, so an idempotent charge would let a server collect two noisy answers for one.
"""

from __future__ import annotations

import dataclasses
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from mien.errors import BudgetExceededError, LedgerError
from privacy.accounting.composition import Composition, Neighbouring
from privacy.accounting.curve import ONLINE_GRID, REPORT_GRID, PrivacyCurve
from privacy.accounting.epsilon import PrivacyStatement, epsilon
from privacy.accounting.events import Event, to_json
from privacy.ledger.records import (
    TOTAL,
    VERSION,
    Budget,
    Charge,
    Kind,
    Record,
    budgets_to_json,
    check_budgets,
    readable_charges,
)
from privacy.ledger.storage import Anchor, Log, torn_body


@dataclasses.dataclass(frozen=True)
class Receipt:
    """Proof of one durable charge. ``hash`` tells an outsider nothing, and lets :meth:`Ledger.confirm` work."""

    seq: int
    hash: str
    charge: Charge
    spent: float
    """ε of the purpose at its budget's δ, this charge included."""
    budget: Budget


@dataclasses.dataclass(frozen=True)
class Entry:
    """One record for people to read."""

    seq: int
    time: float
    kind: Kind
    charges: tuple[Charge, ...]
    body: Any
    hash: str


class Ledger:
    """One device's ledger for one dataset. Use :meth:`open`, and close it or use it in a ``with`` block.

    Counts a person's presence (add-or-remove). Not for several threads at once; a second process is kept out
    by a lock, a forked child by its process id.
    """

    def __init__(self, log: Log, anchor_path: Path, clock: Callable[[], float], simulated: bool) -> None:
        self._simulated = simulated
        self._log = log
        self._anchor_path = anchor_path
        self._clock = clock
        self._records: list[Record] = []
        self._charges: dict[str, list[Event]] = {}
        self._compositions: dict[str, Composition] = {}
        self._budgets: dict[str, Budget] = {}

    neighbouring: ClassVar[Neighbouring] = "add_or_remove"

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        device: str,
        dataset: str,
        budgets: Mapping[str, Budget],
        anchor: Path | None = None,
        accept_missing_anchor: bool = False,
        simulated: bool = False,
        wait: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> Ledger:
        """Open the ledger at ``path``, or create it.

        ``dataset`` names the collection of people that is protected, and stays the same while photos come and
        go; ``device`` names this device. ``budgets`` hold from now on:
        a change is recorded as an event of its own. ``anchor`` is a small file that remembers the ledger's
        head; put it in another directory than ``path``, and not into the same backup. Default: beside it.
        ``accept_missing_anchor`` trusts the file as it is where the anchor was lost: a decision for a person.
        ``simulated`` saves the three syncs of a charge for thousands of devices on one machine: such a ledger
        survives kills but not power cuts, says so in its first record, and never opens as a real one.

        Raises LedgerError where the ledger is in use for longer than ``wait`` seconds, damaged, rolled back,
        or bound to another device or dataset.
        """
        check_budgets(budgets)
        log = Log(path, wait=wait, durable=not simulated)
        try:
            ledger = cls(log, anchor or path.with_name(path.name + ".anchor"), clock, simulated)
            ledger._load(device, dataset, budgets, accept_missing_anchor)
        except BaseException:
            log.close()
            raise
        return ledger

    # -- paying --------------------------------------------------------------------------------------------

    def charge(self, purpose: str, run: str, round: int, plan_hash: str, event: Event) -> Receipt:  # noqa: A002
        """Pay for ``event`` durably, *before* the work is done. Nothing is written where this raises.

        Raises BudgetExceededError where ``purpose`` has no budget or the event does not fit into it, and
        LedgerError where the record cannot be written (then nothing may start).
        """
        charge = Charge(purpose, run, round, plan_hash, event)
        spent = self.affordable(purpose, event)
        self._append("charge", charge.to_json())
        last = self._records[-1]
        return Receipt(last.seq, last.hash, charge, spent, self._budgets[purpose])

    def affordable(self, purpose: str, event: Event) -> float:
        """Return ε of ``purpose`` once ``event`` is paid, or raise BudgetExceededError. Writes nothing."""
        if purpose not in self._budgets:
            known = ", ".join(sorted(self._budgets)) or "none"
            raise BudgetExceededError(
                f"ledger: purpose {purpose!r} has no budget (purposes with one: {known}). "
                "Give it a budget in the device's settings to take part, or decline the round"
            )
        after = self._epsilon_with(purpose, event)
        self._refuse_if_above(purpose, event, after)
        if TOTAL in self._budgets:
            self._refuse_if_above(TOTAL, event, self._epsilon_with(TOTAL, event))
        return after

    def _epsilon_with(self, purpose: str, event: Event) -> float:
        composition = self._compositions.get(purpose, Composition()).copy()
        composition.add(event)
        return PrivacyCurve(composition, self.neighbouring, ONLINE_GRID).epsilon(self._budgets[purpose].delta)

    def _refuse_if_above(self, purpose: str, event: Event, after: float) -> None:
        budget = self._budgets[purpose]
        if after <= budget.epsilon:
            return
        spent = self.spent(purpose, grid=ONLINE_GRID).epsilon
        name = "all purposes together" if purpose == TOTAL else f"purpose {purpose!r}"
        raise BudgetExceededError(
            f"ledger: {name}: the budget is epsilon {budget.epsilon:.4g} at delta {budget.delta:g}; "
            f"spent {spent:.4g} in {len(self._charges.get(purpose, []))} charges, "
            f"left {max(0.0, budget.epsilon - spent):.4g}; "
            f"asked {to_json(event)}, which would make it {after:.4g}. "
            "Decline the round, ask for more noise or fewer steps, or raise this budget in the device's settings"
        )

    # -- asking --------------------------------------------------------------------------------------------

    def spent(
        self, purpose: str, *, delta: float | None = None, grid: float = REPORT_GRID
    ) -> PrivacyStatement:
        """Return what ``purpose`` (or ``*`` for all) has cost so far, recomputed from its events.

        ``delta`` defaults to the budget's. Raises LedgerError where neither is known.
        """
        if delta is None and purpose not in self._budgets:
            raise LedgerError(f"ledger: purpose {purpose!r} has no budget, so say at which delta to count")
        at = self._budgets[purpose].delta if delta is None else delta
        return epsilon(self.events(purpose), at, neighbouring=self.neighbouring, grid=grid)

    def events(self, purpose: str = TOTAL) -> list[Event]:
        """Return the events charged to ``purpose``, or to all purposes, in order."""
        return list(self._charges.get(purpose, []))

    def entries(self) -> list[Entry]:
        """Return every record, oldest first."""
        return [Entry(r.seq, r.time, r.kind, tuple(r.charges()), r.body, r.hash) for r in self._records]

    @property
    def budgets(self) -> Mapping[str, Budget]:
        """The budgets in force."""
        return dict(self._budgets)

    @property
    def purposes(self) -> list[str]:
        """Purposes with a budget or a charge, sorted."""
        return sorted((set(self._budgets) | set(self._charges)) - {TOTAL})

    @property
    def head(self) -> str:
        """Hash of the last record."""
        return self._records[-1].hash

    def confirm(self, receipt_hash: str) -> None:
        """Check that a receipt which someone else kept is in this ledger: it was not rolled back (L4).

        A coordinator that returns the hash of the device's last receipt with the next round serves as witness.
        It cannot do harm: a wrong hash only makes the device refuse. Raises LedgerError.
        """
        if not any(record.hash == receipt_hash for record in self._records):
            raise LedgerError(
                f"ledger of {self._records[0].body['device']}: the witnessed receipt {receipt_hash[:12]!r} is not "
                f"in its {len(self._records)} records: the ledger and its anchor were rolled back, or the witness "
                "confuses devices. Restore the newest copy; until then this device takes part in nothing"
            )

    def close(self) -> None:
        """Release the lock. Idempotent."""
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- opening -------------------------------------------------------------------------------------------

    def _load(
        self, device: str, dataset: str, budgets: Mapping[str, Budget], accept_missing_anchor: bool
    ) -> None:
        anchor = Anchor.read(self._anchor_path)
        if not self._log.exists():
            self._create(device, dataset, budgets, anchor)
            return
        content = self._log.read()
        self._check_binding(content.records[0], device, dataset)
        if anchor is not None:
            anchor.check(self._log.path, content.records)
        elif len(content.records) > 1 and not accept_missing_anchor:
            raise LedgerError(
                f"ledger {self._log.path}: its anchor {self._anchor_path} is missing, so a rollback cannot be "
                "ruled out. Restore the anchor, or accept the file as it is with accept_missing_anchor"
            )
        for record in content.records:
            self._take(record)
        if content.unterminated:
            self._log.terminate()
        head = Anchor(self._records[-1].seq, self._records[-1].hash)
        if content.torn:
            found = [charge.to_json() for charge in readable_charges(content.torn)]
            record = self._next("recovered", {**torn_body(content.torn), "charges": found})
            self._log.close_torn_tail(record)
            self._finish(record)
        elif anchor != head:
            head.write(self._anchor_path, durable=not self._simulated)
        if budgets_to_json(self._budgets) != budgets_to_json(budgets):
            self._append("budgets", budgets_to_json(budgets))

    def _create(
        self, device: str, dataset: str, budgets: Mapping[str, Budget], anchor: Anchor | None
    ) -> None:
        if anchor is not None:
            raise LedgerError(
                f"ledger {self._log.path}: the file is missing, but its anchor {self._anchor_path} remembers "
                f"{anchor.seq + 1} records: it was deleted. Restore it"
            )
        body = {
            "budgets": budgets_to_json(budgets),
            "dataset": dataset,
            "device": device,
            "nonce": secrets.token_hex(16),
            "simulated": self._simulated,
            "version": VERSION,
        }
        record = self._next("open", body)
        self._log.create(record)
        self._finish(record)

    def _check_binding(self, first: Record, device: str, dataset: str) -> None:
        body = first.body
        if body.get("version") != VERSION:
            raise LedgerError(
                f"ledger {self._log.path}: written as version {body.get('version')!r:.20}, "
                f"this program reads {VERSION}"
            )
        mine = {"device": device, "dataset": dataset, "simulated": self._simulated}
        for name, expected in mine.items():
            if body.get(name) != expected:
                raise LedgerError(
                    f"ledger {self._log.path}: its {name} is {body.get(name)!s:.80}, not {expected!s:.80}; "
                    "a ledger cannot be moved to another device or dataset, or from a simulation to real people"
                )

    def _next(self, kind: Kind, body: Any) -> Record:
        return Record.after(self._records[-1] if self._records else None, self._clock(), kind, body)

    def _append(self, kind: Kind, body: Any) -> None:
        record = self._next(kind, body)
        self._log.append(record)
        self._finish(record)

    def _finish(self, record: Record) -> None:
        """Count a record that is on the disk, and move the anchor to it."""
        self._take(record)
        Anchor(record.seq, record.hash).write(self._anchor_path, durable=not self._simulated)

    def _take(self, record: Record) -> None:
        self._records.append(record)
        if record.kind in ("open", "budgets"):
            stated = record.body["budgets"] if record.kind == "open" else record.body
            self._budgets = {purpose: _budget(value) for purpose, value in stated.items()}
        self._count(record.charges())

    def _count(self, charges: Iterable[Charge]) -> None:
        for charge in charges:
            for purpose in (charge.purpose, TOTAL):
                self._charges.setdefault(purpose, []).append(charge.event)
                self._compositions.setdefault(purpose, Composition()).add(charge.event)


def _budget(value: Any) -> Budget:
    return Budget(float(value["epsilon"]), value["delta"])
