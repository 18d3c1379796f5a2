"""The live view of a run in a terminal, and plain lines where there is none."""

from __future__ import annotations

import time

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from server.watching import RoundLine

_ROWS = 12  # rounds kept on the screen
_PHASES = {
    "query.enrol": "enrolling",
    "query.setup": "exchanging keys with",
    "train": "training on",
    "query.unmask": "opening the sum with",
}


class RunTable:
    """Shows rounds as they end and, below, who is awaited. An observer of :mod:`server.watching`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._lines: list[RoundLine] = []
        self._status = ""
        self._rounds = 0
        self._attributes: tuple[str, ...] = ()
        self._began = time.monotonic()

    def __enter__(self) -> RunTable:
        if self._console.is_terminal:
            self._live = Live(self._view(), console=self._console, refresh_per_second=8)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.update(self._view())
            self._live.stop()

    def started(self, run: str, rounds: int, parameters: int, attributes: tuple[str, ...]) -> None:
        """Take the run's name and size."""
        self._rounds, self._attributes, self._began = rounds, attributes, time.monotonic()
        self._console.print(f"[bold]{run}[/bold]: {rounds} rounds, {parameters:,} parameters")
        if not self._live:
            self._console.print(" round cohort  left    loss       ε     up   down  sec   AUC")

    def phase(self, round_number: int, name: str, answered: int, asked: int) -> None:
        """Say who is awaited."""
        doing = _PHASES.get(name, name)
        self._status = f"round {round_number}: {doing} {asked} clients, {answered} answered"
        if self._live:
            self._live.update(self._view())

    def finished_round(self, line: RoundLine) -> None:
        """Add a finished round."""
        self._lines.append(line)
        if self._live:
            self._live.update(self._view())
        else:
            cells = [str(cell) for cell in self._cells(line)]
            self._console.print(
                f"{cells[0]:>6} {cells[1]:>6} {cells[2]:>5} {cells[3]:>7} {cells[4]:>7} "
                f"{cells[5]:>6} {cells[6]:>6} {cells[7]:>4}   {' '.join(cells[8:])}",
                highlight=False,
            )

    def _view(self) -> RenderableType:
        table = Table(box=None, padding=(0, 1), header_style="dim")
        for heading in ("round", "cohort", "survivors", "loss", "ε spent", "up", "down", "seconds"):
            table.add_column(heading, justify="right")
        for name in self._attributes:
            table.add_column(f"AUC {name}", justify="right")
        for line in self._lines[-_ROWS:]:
            table.add_row(*(str(cell) for cell in self._cells(line)))
            if line.aborted:
                table.add_row("", Text(f"abandoned: {line.aborted}", style="yellow"))
        status = Text(f"{self._status}   {self._left()}", style="dim")
        return Group(table, status)

    def _cells(self, line: RoundLine) -> list[str]:
        figures = [line.auc.get(name) for name in self._attributes]
        return [
            f"{line.round}/{self._rounds}",
            str(line.cohort),
            str(line.survivors),
            "–" if line.loss is None else f"{line.loss:.3f}",
            "∞" if line.epsilon is None else f"{line.epsilon:.2f}",
            size_text(line.bytes_up),
            size_text(line.bytes_down),
            f"{line.seconds:.1f}",
            *(
                "–" if figure is None else f".{round(figure * 1000):03d}" if figure < 1 else "1"
                for figure in figures
            ),
        ]

    def _left(self) -> str:
        done = len(self._lines)
        if not done or done >= self._rounds:
            return ""
        seconds = (time.monotonic() - self._began) / done * (self._rounds - done)
        return f"about {duration_text(seconds)} left"


def size_text(count: float) -> str:
    """Return a number of bytes for people: ``12 kB``, ``3.4 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit in "B kB" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable")


def duration_text(seconds: float) -> str:
    """Return a time span for people: ``42 s``, ``3 min``, ``1 h 5 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
