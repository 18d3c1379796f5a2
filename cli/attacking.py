"""What `mien audit selftest` and `mien audit attack` show."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from mien.errors import RefutedError
from privacy.audit.attacks.registry import Attack, Outcome, attacks, perform_all
from privacy.audit.conformance.build import Build
from privacy.audit.conformance.check import Check, error_bound
from privacy.audit.conformance.faults import FAULTS, planted
from privacy.audit.conformance.selftest import as_result, run_checks
from privacy.audit.evidence import write_result

FAILED = RefutedError.exit_code
"""Exit code where a check failed or a claim was refuted."""


def show_selftest(console: Console, plant: str | None, run: Path | None) -> int:
    """Run the conformance checks, with a planted fault on request, and print their table."""
    build = planted(plant) if plant else Build()
    if plant:
        console.print(f"Planted: [bold]{plant}[/bold], {FAULTS[plant].what}")
    began, checks = time.monotonic(), []
    for check in run_checks(build):
        checks.append(check)
        if console.is_terminal:
            console.print(f"[dim]{escape(check.name)}[/dim]", end="\r")
    console.print(_table(checks))
    failed = [check.name for check in checks if not check.passed]
    console.print(
        f"{len(checks) - len(failed)} of {len(checks)} checks passed in {time.monotonic() - began:.0f} s. "
        f"A correct build fails any with a probability below {error_bound(checks):.0e}."
    )
    if run is not None and plant is None:
        console.print(
            f"Wrote {write_result(run, as_result(checks, time.monotonic() - began))}", soft_wrap=True
        )
    if plant:
        missed = [name for name in FAULTS[plant].found_by if name not in failed]
        console.print(
            f"[red]Missed by {', '.join(missed)}[/red]" if missed else
            f"Found by {', '.join(FAULTS[plant].found_by)}, as it has to be."
        )  # fmt: skip
    return FAILED if failed else 0


def show_faults(console: Console) -> None:
    """Print what ``--plant`` knows."""
    table = Table("fault", "what is wrong", "found by", box=None, header_style="dim")
    for name, fault in FAULTS.items():
        table.add_row(name, fault.what, "; ".join(fault.found_by))
    console.print(table)


def show_attacks(console: Console, run: Path, only: tuple[str, ...]) -> int:
    """Attack a run with progress, print what came of it, and return the exit code."""
    outcomes: list[Outcome] = []
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks = {one.name: bar.add_task(one.name, total=1.0, visible=False) for one in attacks()}

        def advance(one: Attack, done: float) -> None:
            bar.update(tasks[one.name], completed=done, visible=True)

        for outcome in perform_all(run, only, advance):
            bar.update(tasks[outcome.attack.name], completed=1.0, visible=False)
            outcomes.append(outcome)
            console.print(_line(outcome), highlight=False)
    refuted = [one.attack.name for one in outcomes if one.result is not None and one.result.passed is False]
    if refuted:
        console.print(f"[red bold]Failed: {', '.join(refuted)}[/red bold]")
    console.print(f"Results are in {run / 'audit'}; `mien audit report {run}` shows them.", soft_wrap=True)
    return FAILED if refuted else 0


def _line(outcome: Outcome) -> str:
    name = f"{outcome.attack.name:<22}"
    if outcome.result is None:
        return f"[dim]–  {name} left out: {escape(outcome.reason)}[/dim]"
    mark = {True: "[green]✓[/green]", False: "[red]✗[/red]", None: "·"}[outcome.result.passed]
    return f"{mark}  {name} {outcome.result.seconds:5.0f} s  {escape(outcome.result.headline)}"


def _table(checks: list[Check]) -> Table:
    table = Table("", "check", "found", "would have caught", box=None, header_style="dim")
    table.columns[1].no_wrap = True
    for check in checks:
        mark = "[green]✓[/green]" if check.passed else "[red]✗[/red]"
        found = check.found if check.passed else f"{check.found}; expected {check.expected}"
        cells = (escape(text) for text in (check.name, found, check.catches))
        table.add_row(mark, *cells, style="" if check.passed else "bold")
    return table
