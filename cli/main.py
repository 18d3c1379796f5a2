"""The command `mien` and its exit codes: 0 done, 130 interrupted, else those of :mod:`mien.errors`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

from cli.auditing import audit_app
from cli.feedback import app as feedback_app
from cli.knowledge import app as kb_app
from mien import __version__
from mien.errors import MienError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train face models on people's own devices without seeing a face, and get makeup advice on yours.",
)
data_app = typer.Typer(no_args_is_help=True, help="Prepare, export or draw datasets.")
ledger_app = typer.Typer(no_args_is_help=True, help="What a device has spent of its privacy budget.")
app.add_typer(data_app, name="data")
app.add_typer(kb_app, name="kb")
app.add_typer(feedback_app, name="feedback")
app.add_typer(ledger_app, name="ledger")
app.add_typer(audit_app, name="audit")
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
    language: Annotated[
        Literal["en", "zh"] | None, typer.Option("--language", "-l", help="else that of the locale")
    ] = None,
    occasion: Annotated[str, typer.Option(help="what the look is for")] = "day",
    style: Annotated[str, typer.Option(help="natural, groomed, glam, ...")] = "natural",
    intent: Annotated[
        str, typer.Option(help="accent what is there; or balance, lengthen, ... if you choose")
    ] = "accent",
    skill: Annotated[str, typer.Option(help="how practised you are")] = "some",
    minutes: Annotated[float, typer.Option(help="how long you have")] = 20.0,
    season: Annotated[str | None, typer.Option(help="summer or winter")] = None,
    nose: Annotated[bool, typer.Option("--nose", help="advise the nose too; never done unasked")] = False,
    confirm: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="answer a question, or overrule the photo")
    ] = None,
    paper: Annotated[
        str | None, typer.Option(metavar="L,T,R,B", help="where white paper is in the first photo, 0 to 1")
    ] = None,
    knowledge: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="your own knowledge base; see mien kb")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN|FILE.onnx", help="a run, or its export; its model may only bring a question forward"
        ),
    ] = None,
    details: Annotated[
        bool, typer.Option("--details", help="every measure, and why not other cards")
    ] = False,
    format_: Annotated[Literal["text", "json"], typer.Option("--format")] = "text",
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE.html|FILE.pdf", help="one page to print")
    ] = None,
    save: Annotated[Path | None, typer.Option("--save", help="where the photo with the zones goes")] = None,
    no_picture: Annotated[bool, typer.Option("--no-picture", help="write no photo with the zones")] = False,
) -> None:
    """Measure a face and advise makeup, with where, how and why. Nothing leaves this machine."""
    from cli.looking import Output, language_of_locale, parse_confirmed, parse_paper, show_look
    from recommend.knowledge.load import use
    from recommend.preferences import Preferences

    if knowledge is not None:
        use(knowledge)
    wishes = Preferences(
        language or language_of_locale(), occasion, style, intent, skill, minutes, season, nose,
        parse_confirmed(confirm or []),
    )  # fmt: skip
    output = Output(format_, details, not no_picture, save, sheet)
    show_look(_out, photo, wishes, output, parse_paper(paper), model)


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")] = 8420,
    language: Annotated[Literal["en", "zh"], typer.Option("--language", "-l", help="en or zh")] = "en",
    browser: Annotated[bool, typer.Option(help="open the page")] = True,
    host: Annotated[str, typer.Option(hidden=True)] = "127.0.0.1",
) -> None:
    """Serve the adviser as a page on this machine, and only to this machine. Ctrl-C ends it."""
    from cli.serving import serve_page

    serve_page(_out, port, language, host, browser=browser)


@app.command()
def personalise(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="the folder of a run with clients.holdout > 0")],
    data: Source = None,
    steps: Annotated[int, typer.Option(help="steps of each client")] = 30,
    learning_rate: Annotated[float, typer.Option(help="of plain SGD")] = 0.05,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="parameters that move, such as output.*; else all"),
    ] = None,
) -> None:
    """Fine-tune a run's model for each simulated client, and measure it on photos that the client held out."""
    from cli.personalising import personalise_and_show
    from client.personalise import FineTuning

    tuning = FineTuning(steps, learning_rate, only=tuple(only or ()))
    personalise_and_show(_out, run, tuning, data)


@app.command()
def doctor() -> None:
    """Check this machine: versions, models, cores, disk; print what is missing and how to get it."""
    from cli.doctor import show_findings

    raise typer.Exit(show_findings(_out))


@app.command()
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="a run folder")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.onnx", help="the file to write")],
    int8: Annotated[bool, typer.Option("--int8", help="8-bit weights: a third of the size")] = False,
    card: Annotated[bool, typer.Option(help="measure the model and write its card beside it")] = True,
    data: Source = None,
) -> None:
    """Write a run's model as one ONNX file that checks what it is fed, with its model card."""
    from cli.exporting import export as export_run

    export_run(_out, run, out, int8=int8, card=card, data=data)


@app.command()
def card(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="a run folder")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="where the card is written")] = Path(),
    data: Source = None,
) -> None:
    """Measure a run's model, also group by group, and write MODEL_CARD.md and MODEL_CARD.json."""
    from cli.exporting import card as write_card

    write_card(_out, run, out, data)


@data_app.command("prepare")
def data_prepare(data: Annotated[str, typer.Option("--data", metavar="KIND[=PATH]")] = "embedded") -> None:
    """Find the faces of a dataset, align and crop them, once; say what was left out."""
    from cli.datasets import prepare_and_tell

    prepare_and_tell(_out, data)


@data_app.command("features")
def data_features(
    out: Annotated[Path, typer.Option("--out", help="the CSV file")],
    data: Annotated[str, typer.Option("--data", metavar="KIND[=PATH]")] = "embedded",
    attribute: Annotated[str, typer.Option(help="the label that comes first")] = "Chubby",
) -> None:
    """Write the makeup paper's rows: a label, then eight distances across the jaw."""
    from cli.datasets import features

    features(_out, data, attribute, out)


@data_app.command("synthesize")
def data_synthesize(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="a folder that does not exist yet")],
    persons: Annotated[int, typer.Option(min=1)] = 20,
    images: Annotated[int, typer.Option(min=1)] = 8,
    size: Annotated[int, typer.Option(help="pixels")] = 144,
    surgery: Annotated[
        list[float] | None, typer.Option(help="draw everybody again after micro-surgery")
    ] = None,
) -> None:
    """Draw faces of nobody, with true labels, in CelebA's layout."""
    from cli.datasets import synthesize

    synthesize(_out, out, persons, images, size, surgery or [])


LedgerFile = Annotated[Path, typer.Argument(metavar="LEDGER", help="a ledger's .jsonl file")]


@ledger_app.command("show")
def ledger_show(path: LedgerFile, charges: Annotated[bool, typer.Option("--charges")] = False) -> None:
    """Print what a device has spent, computed anew from its events."""
    from cli.ledgers import show

    show(_out, path, charges)


@ledger_app.command("verify")
def ledger_verify(
    path: LedgerFile, anchor: Annotated[Path | None, typer.Option(help="the anchor kept elsewhere")] = None
) -> None:
    """Check every link of a ledger's chain, and its anchor."""
    from cli.ledgers import check

    check(_out, path, anchor)


@ledger_app.command("export")
def ledger_export(path: LedgerFile) -> None:
    """Print a ledger as JSON."""
    from cli.ledgers import export_json

    export_json(_out, path)


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
