"""What `mien audit verify` and `mien audit report --pdf` print."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.printing import print_page
from mien.errors import ConfigError
from privacy.audit.evidence import read_results
from privacy.audit.page import render
from privacy.audit.seal import sign_paper, unsealed
from privacy.audit.verification.findings import Findings
from privacy.audit.verification.run import verify

_SHOWN = 20


def show_verification(console: Console, run: Path, key: str | None, form: str) -> int:
    """Verify a run folder, print what was found, and return the exit code."""
    if key is not None and (len(key) != 64 or any(digit not in "0123456789abcdef" for digit in key)):
        raise ConfigError(f"--key {key}: expected 64 lower-case hexadecimal digits")
    findings = verify(run, key=key)
    if form == "json":
        print(json.dumps(findings.to_json(), indent=1, ensure_ascii=False))
    else:
        _show(console, run, findings)
    return findings.exit_code


def print_report(run: Path, report: Mapping[str, Any], language: str) -> int:
    """Print a sealed report to ``report.pdf`` and sign that; return how many pages it has."""
    page = render(unsealed(report), read_results(run), language=language)
    pages = print_page(page, run / "report.pdf")
    sign_paper(run, report)
    return pages


def _show(console: Console, run: Path, findings: Findings) -> None:
    table = Table(box=None, header_style="dim", padding=(0, 1))
    table.add_column("checked")
    table.add_column("how many", justify="right")
    for check in findings.checks:
        table.add_row(
            check.name, str(check.count) if check.skipped is None else f"[yellow]{check.skipped}[/yellow]"
        )
    console.print(table)
    for notice in findings.notices:
        console.print(f"[dim]note[/dim]  {escape(str(notice))}", soft_wrap=True, highlight=False)
    for fault in findings.faults[:_SHOWN]:
        console.print(
            f"[bold red]{fault.kind}[/bold red]  {escape(str(fault))}", soft_wrap=True, highlight=False
        )
    more = len(findings.faults) - _SHOWN
    if more > 0:
        console.print(f"… and {more} more; --format json lists all")
    if findings.faults:
        console.print(
            f"\n[bold red]Not sound[/bold red]: {len(findings.faults)} faults in {escape(str(run))}"
        )
    else:
        said = f"\n[bold green]Sound[/bold green]: every figure follows from the record of {escape(str(run))}"
        console.print(said, soft_wrap=True)
