"""`mien audit`: check a run folder, write its report anew, export it, attack it, test this build."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

audit_app = typer.Typer(
    no_args_is_help=True, help="What a run promised, spent, and withstands: check it, show it, attack it."
)
_out = Console()

Run = Annotated[Path, typer.Argument(metavar="RUN", help="a run folder")]
Language = Annotated[Literal["en", "zh"], typer.Option("--language", "-l", help="which language it opens in")]


@audit_app.command("verify")
def audit_verify(
    run: Run,
    key: Annotated[
        str | None, typer.Option(metavar="HEX", help="the coordinator's public key, learned on another way")
    ] = None,
    format_: Annotated[Literal["text", "json"], typer.Option("--format")] = "text",
) -> None:
    """Recompute everything a run states, trusting nothing; the exit code says what kind of fault there is."""
    from cli.verifying import show_verification

    raise typer.Exit(show_verification(_out, run, key, format_))


@audit_app.command("report")
def audit_report(
    run: Run,
    pdf: Annotated[bool, typer.Option("--pdf", help="also print it to report.pdf, by Chromium")] = False,
    language: Language = "en",
) -> None:
    """Write report.json and report.html of a run anew, from what the run left behind and what attacks found."""
    from privacy.audit.report import write_report

    report = write_report(run)
    _out.print(f"Wrote {run / 'report.html'} and report.json", soft_wrap=True)
    if pdf:
        from cli.verifying import print_report

        pages = print_report(run, report, language)
        _out.print(f"Wrote {run / 'report.pdf'}, {pages} pages", soft_wrap=True)


@audit_app.command("export")
def audit_export(
    run: Run,
    format_: Annotated[
        Literal["opendp"], typer.Option("--format", help="opendp: deployments registry")
    ] = "opendp",
) -> None:
    """Print a run's report as an entry for a registry of deployments of differential privacy."""
    from privacy.audit.registry import registry_entry
    from privacy.audit.report import write_report

    if format_ == "opendp":
        typer.echo(registry_entry(write_report(run)), nl=False)


@audit_app.command("selftest")
def audit_selftest(
    plant: Annotated[
        str | None, typer.Option(metavar="FAULT", help="plant a fault and see it found; 'list' lists them")
    ] = None,
    run: Annotated[
        Path | None, typer.Option(metavar="RUN", help="also keep the result for this run's report")
    ] = None,
) -> None:
    """Check the real optimizer, noise, masks and books of this build; exit code 78 where one fails."""
    from cli.attacking import show_faults, show_selftest

    if plant == "list":
        show_faults(_out)
        return
    raise typer.Exit(show_selftest(_out, plant, run))


@audit_app.command("attack")
def audit_attack(
    run: Run,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="only this attack; may be repeated")
    ] = None,
) -> None:
    """Attack a run with every attack there is, and keep what was found; exit code 78 where a claim is refuted."""
    from cli.attacking import show_attacks

    raise typer.Exit(show_attacks(_out, run, tuple(only or ())))
