"""`mien audit`: check a run folder, write its report anew, export it, attack it, test this build."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

audit_app = typer.Typer(
    no_args_is_help=True, help="What a run promised, spent, and withstands: check it, show it, attack it."
)
_out = Console()

Run = Annotated[Path, typer.Argument(metavar="RUN", help="a run folder")]


@audit_app.command("report")
def audit_report(run: Run) -> None:
    """Write report.json and report.html of a run anew, from what the run left behind and what attacks found."""
    from privacy.audit.report import write_report

    write_report(run)
    _out.print(f"Wrote {run / 'report.html'} and report.json", soft_wrap=True)
