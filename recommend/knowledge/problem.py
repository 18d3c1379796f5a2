"""One thing that is wrong with a knowledge base, and where: file, entry, field, line."""

from __future__ import annotations

import dataclasses
from importlib.resources.abc import Traversable


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is wrong: its kind, where it stands, and a sentence with what to do.

    ``file`` is relative to the folder of the knowledge base; ``entry`` is the id in it (or its place, "#3",
    where it has none) and ``field`` the part of the entry; either is empty where the whole is meant.
    """

    kind: str
    file: str
    entry: str
    field: str
    message: str

    @property
    def place(self) -> str:
        """Where it stands, readable: ``rules/blush.json → blush-oval → zones``."""
        return " → ".join(part for part in (self.file, self.entry, self.field) if part)

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


def line_of(folder: Traversable, problem: Problem) -> int | None:
    """Return the line (from 1) where the problem's entry begins in its file; None where it cannot be told."""
    place = folder / problem.file
    if not problem.entry or not place.is_file():
        return None
    marks = (f'"id": "{problem.entry}"', f'"id":"{problem.entry}"', f'"{problem.entry}":')
    for number, line in enumerate(place.read_bytes().decode("utf-8", errors="replace").splitlines(), start=1):
        if any(mark in line for mark in marks):
            return number
    return None
