"""What `mien data prepare|features|synthesize` do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from configs.schema import Data
from faces.features import write_features
from faces.federation import Progress as Report
from faces.federation import prepare_table
from faces.sample import FaceTable
from faces.synthetic.export import export


@contextmanager
def progress_bar(console: Console, doing: str) -> Iterator[Report]:
    """Show a bar while something is done; yields what is to be called with (done, total)."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(doing, total=None)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield report


def prepare_and_tell(console: Console, source: str) -> FaceTable:
    """Prepare a dataset and say what was read, kept and left out."""
    with progress_bar(console, "preparing faces") as progress:
        table = prepare_table(Data(source=source), progress=progress)
    console.print(
        f"{len(table)} photos of {len(table.persons_present())} persons, {len(table.attributes)} labels"
    )
    report = table.report
    if report is not None:
        console.print(
            f"Read {report.read}; without a face {report.no_face}, unreadable {report.unreadable}, too large "
            f"{report.too_large}; of {report.several} with several faces the largest was taken."
        )
    return table


def features(console: Console, source: str, attribute: str, out: Path) -> None:
    """Write the makeup paper's feature rows of a dataset."""
    rows = write_features(prepare_and_tell(console, source), attribute, out)
    console.print(f"{rows} rows in {out}: {attribute} first, then eight distances in percent")


def synthesize(
    console: Console, out: Path, persons: int, images: int, size: int, surgery: list[float]
) -> None:
    """Draw a synthetic dataset in CelebA's layout."""
    with progress_bar(console, "drawing synthetic faces") as progress:
        count = export(out, persons, images, size, surgery=surgery, progress=progress)
    console.print(f"{count} synthetic pictures of {persons} persons who do not exist, in {out}")
