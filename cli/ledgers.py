"""What `mien ledger show|verify|export` print."""

from __future__ import annotations

import json
import math
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mien.errors import LedgerError
from privacy.ledger.report import charge_rows, describe, export, meaning, verify


def show(console: Console, path: Path, every_charge: bool) -> None:
    """Print what a ledger has spent by purpose and, on request, every charge."""
    table = Table(
        "purpose", "charges", "ε spent", "ε, server", "budget", "left", "δ", "accountant",
        box=None, header_style="dim",
    )  # fmt: skip
    for row in describe(path):
        budget, left = (_number(value) for value in (row.budget, row.left))
        name = "all together" if row.purpose == "*" else row.purpose
        spent = _number(row.epsilon)
        server = _number(row.epsilon_server)
        table.add_row(name, str(row.charges), spent, server, budget, left, f"{row.delta:g}", row.accountant)
    console.print(table)
    told = meaning(path)
    households = ", ".join(f"{size}: {_number(value)}" for size, value in told.households.items())
    console.print(
        f"Of people whose photos are here, an attacker who errs on 1 % of the others finds at most "
        f"{told.bounds.tpr_at_fpr_1_percent:.1%} (μ = {_number(told.bounds.mu_gdp)}).\n"
        f"ε of a household by its size, δ = {told.delta:g}: {households}",
        highlight=False,
    )
    if every_charge:
        for charge in charge_rows(path):
            note = " (recovered from a torn line)" if charge.recovered else ""
            console.print(f"{charge.seq:>5}  round {charge.round}  {charge.event}{note}", highlight=False)


def check(console: Console, path: Path, anchor: Path | None) -> None:
    """Say that a ledger is whole, or raise LedgerError that lists every problem."""
    problems = verify(path, anchor)
    if problems:
        raise LedgerError(f"{path}: {len(problems)} problem(s):\n  " + "\n  ".join(problems))
    console.print(f"{path}: whole; every line follows from the one before it.")


def export_json(console: Console, path: Path) -> None:
    """Print a ledger as JSON."""
    console.print_json(json.dumps(export(path)))


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return "∞" if math.isinf(value) else f"{value:.3f}"
