"""What every benchmark shares: its options, its table, its JSON, and the check of its goals."""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclasses.dataclass(frozen=True)
class Row:
    """One measured figure; ``met`` is None where there is no goal."""

    name: str
    value: float
    unit: str
    goal: str = ""
    met: bool | None = None
    note: str = ""


def at_most(name: str, value: float, unit: str, limit: float, note: str = "") -> Row:
    """Return a row whose goal is an upper bound."""
    return Row(name, value, unit, f"≤ {limit:g}", value <= limit, note)


def at_least(name: str, value: float, unit: str, limit: float, note: str = "") -> Row:
    """Return a row whose goal is a lower bound."""
    return Row(name, value, unit, f"≥ {limit:g}", value >= limit, note)


def main(title: str, measure: Callable[[bool], list[Row]]) -> None:
    """Run ``measure(quick)``, print its rows, and obey ``--quick``, ``--json FILE`` and ``--check``."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--quick", action="store_true", help="smaller sizes; ends within five minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to FILE")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a goal is missed")
    options = parser.parse_args()

    rows = measure(options.quick)
    table = Table("measured", "value", "unit", "goal", "", "note", title=title)
    for row in rows:
        mark = {True: "met", False: "MISSED", None: ""}[row.met]
        table.add_row(row.name, f"{row.value:.4g}", row.unit, row.goal, mark, row.note)
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(table)
    if options.json:
        machine = {"python": platform.python_version(), "machine": platform.machine()}
        content = {"title": title, "machine": machine, "rows": [dataclasses.asdict(row) for row in rows]}
        options.json.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.check and any(row.met is False for row in rows):
        sys.exit(1)
