"""Read the small text tables that come with face datasets, naming file and line in every complaint."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mien.errors import DataNotFoundError, LabelMismatchError

Rows = dict[str, Mapping[str, int]]
"""Picture → column → whole number."""

_EXAMPLES = 3


class YesNo(Mapping[str, int]):
    """One picture's labels, all 1 or 0, a byte each: CelebA's eight million labels as dicts fill a memory."""

    __slots__ = ("_places", "_values")

    def __init__(self, places: dict[str, int], values: bytes) -> None:
        self._places = places
        self._values = values

    def __getitem__(self, name: str) -> int:
        return self._values[self._places[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def read_text_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, words) of every line that is not blank, of a file separated by spaces or commas.

    Raises DataNotFoundError where the file is missing and LabelMismatchError where it is not text.
    """
    if not path.is_file():
        raise DataNotFoundError(f"{path} does not exist: it is part of the dataset's official layout.")
    split: Callable[[str], list[str]] = _split_csv if path.suffix == ".csv" else str.split
    try:
        with path.open(encoding="utf-8-sig", newline=None) as file:
            for number, line in enumerate(file, start=1):
                if words := split(line):
                    yield number, words
    except UnicodeDecodeError as error:
        raise LabelMismatchError(f"{path} is not a text file in UTF-8: {error.reason}.") from error


def whole_number(word: str, path: Path, line: int) -> int:
    """Return a word as a whole number, or raise LabelMismatchError with file and line."""
    try:
        return int(word)
    except ValueError:
        raise LabelMismatchError(
            f"{path}:{line}: {word!r} is not a whole number. Restore the file from its source."
        ) from None


def expect_columns(words: list[str], count: int, path: Path, line: int) -> None:
    """Raise LabelMismatchError, with file and line, where a row has not ``count`` columns."""
    if len(words) != count:
        raise LabelMismatchError(
            f"{path}:{line}: {len(words)} columns: expected {count} (the picture, then its values)."
        )


def expect_every_picture(images: list[str], listed: Mapping[str, object], path: Path) -> None:
    """Raise LabelMismatchError where a picture that exists has no row in a table."""
    missing = [image for image in images if image not in listed]
    if missing:
        raise LabelMismatchError(
            f"{path} has no row for {len(missing)} of {len(images)} pictures, such as "
            f"{', '.join(missing[:_EXAMPLES])}. Add the rows, or take these pictures away."
        )


def _split_csv(line: str) -> list[str]:
    return [word.strip() for word in next(csv.reader([line]))] if line.strip() else []
