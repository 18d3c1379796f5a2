"""The command `mien` and its exit codes: 0 done, 130 interrupted, else those of :mod:`mien.errors`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

from mien import __version__
from mien.errors import MienError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train face models on people's own devices without seeing a face, and get makeup advice on yours.",
)
_out, _err = Console(), Console(stderr=True)

Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="change a value of the config")
]
Source = Annotated[
    str | None, typer.Option("--data", metavar="KIND[=PATH]", help="embedded, celeba=PATH or folder=PATH")
]
Runs = Annotated[Path, typer.Option("--runs", metavar="DIR", help="where run folders are made")]


@app.command()
def simulate(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="a TOML file, or a shipped one such as demo")
    ],
    set_: Overrides = None,
    data: Source = None,
    runs: Runs = Path("runs"),
) -> None:
    """Train with many simulated clients on this machine; leaves a run folder with a report."""
    from cli.running import simulate_and_show  # heavy imports only where they are needed

    simulate_and_show(_out, config, set_ or [], data, runs)


@app.command()
def demo(runs: Runs = Path("runs")) -> None:
    """Run the whole of Mien once on synthetic faces: train, report, and advise one of them."""
    from cli.running import show_demo

    show_demo(_out, runs)


@app.command()
def look(
    photo: Annotated[
        list[Path], typer.Argument(metavar="PHOTO...", help="one photo, or several of one person")
    ],
    language: Annotated[Literal["en", "zh"], typer.Option("--language", "-l")] = "en",
    format_: Annotated[Literal["text", "json"], typer.Option("--format")] = "text",
    save: Annotated[Path | None, typer.Option("--save", help="where the annotated picture goes")] = None,
) -> None:
    """Measure a face and advise makeup, with where, how and why. Nothing leaves this machine."""
    from cli.looking import show_look

    show_look(_out, photo, language, format_, save)


@app.command()
def doctor() -> None:
    """Check this machine: versions, models, cores, disk; print what is missing and how to get it."""
    from cli.doctor import show_findings

    raise typer.Exit(show_findings(_out))


@app.command()
def report(run: Annotated[Path, typer.Argument(metavar="RUN", help="a run folder")]) -> None:
    """Write report.html and report.json of a run anew from what the run left behind."""
    from privacy.audit.report import write_report

    write_report(run)
    _out.print(f"Wrote {run / 'report.html'} and report.json")


@app.command()
def version() -> None:
    """Print the version."""
    _out.print(__version__)


def run() -> None:
    """Run the command line; the entry point of the installed command."""
    try:
        app()
    except MienError as error:
        _err.print(f"[bold red]mien:[/bold red] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _err.print("mien: interrupted")
        sys.exit(130)
