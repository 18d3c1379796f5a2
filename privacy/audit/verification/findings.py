"""What a verification finds: each fault with its kind, its place and an explanation; and the exit code for all."""

from __future__ import annotations

import dataclasses
from typing import Any, Final, Literal

from mien.errors import (
    AlteredError,
    AuditError,
    EgressError,
    FigureError,
    MissingRecordError,
    RoundError,
    SignatureError,
    SpendingError,
)

Kind = Literal["altered", "signature", "spending", "round", "egress", "figure", "missing"]

ERRORS: Final[dict[Kind, type[AuditError]]] = {
    "altered": AlteredError,
    "signature": SignatureError,
    "spending": SpendingError,
    "round": RoundError,
    "egress": EgressError,
    "figure": FigureError,
    "missing": MissingRecordError,
}
_MOST = 200
"""Faults that are kept: a destroyed file must not flood the reader."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """One fault, or one notice: something the reader should know that is no fault."""

    kind: Kind | Literal["notice"]
    file: str
    """Relative to the run folder."""
    message: str
    line: int | None = None
    """From 1."""
    offset: int | None = None
    """Byte at which the altered line or member begins, from 0."""
    field: str | None = None
    expected: str | None = None
    found: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain data without what is not known."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}

    def __str__(self) -> str:
        place = self.file
        if self.line is not None:
            place += f":{self.line}"
        if self.offset is not None:
            place += f" (byte {self.offset})"
        if self.field is not None:
            place += f" [{self.field}]"
        text = f"{place}: {self.message}"
        if self.expected is not None:
            text += f"; expected {self.expected}, found {self.found}"
        return text


@dataclasses.dataclass
class Check:
    """One thing that was checked: how many of it, or why it was not."""

    name: str
    count: int = 0
    skipped: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return dataclasses.asdict(self)


@dataclasses.dataclass
class Findings:
    """Collects faults, notices and the checks that were made."""

    faults: list[Finding] = dataclasses.field(default_factory=list)
    notices: list[Finding] = dataclasses.field(default_factory=list)
    checks: list[Check] = dataclasses.field(default_factory=list)

    def fault(
        self,
        kind: Kind,
        file: str,
        message: str,
        *,
        line: int | None = None,
        offset: int | None = None,
        field: str | None = None,
        expected: object = None,
        found: object = None,
    ) -> None:
        """Add a fault; ``expected`` and ``found`` are shortened."""
        if len(self.faults) < _MOST:
            known = (None, None) if expected is None and found is None else (_short(expected), _short(found))
            self.faults.append(Finding(kind, file, message, line, offset, field, *known))

    def notice(self, file: str, message: str) -> None:
        """Add something that is worth knowing and no fault."""
        self.notices.append(Finding("notice", file, message))

    def checked(self, name: str, count: int) -> None:
        """Note that ``count`` things were checked."""
        self.checks.append(Check(name, count))

    def skipped(self, name: str, why: str) -> None:
        """Note that something could not be checked, and why."""
        self.checks.append(Check(name, 0, why))

    def files_at_fault(self) -> set[str]:
        """Return the files that faults were found in."""
        return {fault.file for fault in self.faults}

    @property
    def exit_code(self) -> int:
        """0 without faults; the code of their kind; 70 for several kinds."""
        codes = {ERRORS[fault.kind].exit_code for fault in self.faults if fault.kind != "notice"}
        if not codes:
            return 0
        return codes.pop() if len(codes) == 1 else AuditError.exit_code

    def to_json(self) -> dict[str, Any]:
        """Return plain data for ``--format json``."""
        return {
            "schema": "mien-verification/1",
            "sound": not self.faults,
            "exit_code": self.exit_code,
            "faults": [fault.to_json() for fault in self.faults],
            "notices": [notice.to_json() for notice in self.notices],
            "checks": [check.to_json() for check in self.checks],
        }


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 120 else f"{text[:100]}… ({len(text)} characters)"
