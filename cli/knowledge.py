"""`mien kb`: prove a knowledge base, print the schema of its files, copy the shipped one to edit it."""

from __future__ import annotations

import json
import shutil
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mien.errors import ConfigError
from mien.files import write_atomic

if TYPE_CHECKING:  # heavy: read only when a command runs
    from recommend.knowledge.problem import Problem

app = typer.Typer(no_args_is_help=True, help="The knowledge base of the adviser: check it, edit your own.")
_out = Console()


@app.command()
def check(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="your own; without it, the one in use")
    ] = None,
    people: Annotated[int, typer.Option(min=0, help="random people who are advised as a proof")] = 5000,
) -> None:
    """Prove that a knowledge base holds together; name file, entry, field and line of every problem."""
    from recommend.knowledge.load import KNOWLEDGE_VARIABLE, chosen_folder
    from recommend.knowledge.problem import line_of
    from recommend.knowledge.validate import check_folder

    place = folder or chosen_folder()
    if not place.is_dir():
        raise ConfigError(
            f"{place} is not a folder: expected one with attributes.json, …, and rules/. "
            "Name it, or make one with: mien kb copy FOLDER"
        )
    knowledge, problems = check_folder(place, profiles=people)
    if problems:
        _print_problems([(problem, line_of(place, problem)) for problem in problems])
        count = len(problems)
        noun = "problem" if count == 1 else "problems"
        raise ConfigError(f"{count} {noun} in the knowledge base {place}: correct what is listed above.")
    if knowledge is not None:
        _out.print(
            f"[green]✓[/green] {place}: {len(knowledge.rules)} rules, {len(knowledge.zones)} zones, "
            f"{len(knowledge.recipes)} recipes, {len(knowledge.attributes)} attributes; "
            f"{people:,} random people advised; no problems.",
            soft_wrap=True,
        )
        if folder:
            _out.print(f"Use it: mien look PHOTO --knowledge {folder}, or set {KNOWLEDGE_VARIABLE}={folder}")


def _print_problems(found: list[tuple[Problem, int | None]]) -> None:
    """Print one row a problem: where (file:line, as editors link it), which entry and field, what to do."""
    table = Table(show_lines=False, box=None, padding=(0, 1), header_style="bold")
    for heading in ("where", "entry → field", "what is wrong, and what to do"):
        table.add_column(heading, overflow="fold")
    for problem, line in found:
        where = problem.file + (f":{line}" if line else "")
        entry = " → ".join(part for part in (problem.entry, problem.field) if part) or "–"
        table.add_row(Text(where, style="cyan"), Text(entry), Text(f"[{problem.kind}] {problem.message}"))
    _out.print(table)


@app.command()
def schema(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="where NAME.schema.json go; without it, print")
    ] = None,
) -> None:
    """Write the JSON Schemas (2020-12) of the files, for an editor that checks and completes."""
    from recommend.knowledge.model import schema as schemas

    if folder is None:
        typer.echo(json.dumps(schemas(), indent=1, ensure_ascii=False))
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in schemas().items():
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        write_atomic(folder / f"{name}.schema.json", text.encode())
    _out.print(f"Wrote {', '.join(f'{name}.schema.json' for name in schemas())} to {folder}", soft_wrap=True)


@app.command()
def copy(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="a folder that does not exist yet")],
) -> None:
    """Copy the shipped knowledge base into a new folder, to edit it there."""
    from recommend.knowledge.load import shipped_folder

    if folder.exists():
        raise ConfigError(f"{folder} exists already: expected a new folder. Choose another name.")
    with resources.as_file(shipped_folder()) as source:
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    _out.print(f"Copied to {folder}. Edit the JSON files, then: mien kb check {folder}", soft_wrap=True)
