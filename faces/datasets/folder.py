"""One folder a person, the layout of LFW and of a phone's albums.

::

    PATH/Ada/1.jpg
    PATH/Ada/2.png
    PATH/Ben/1.jpg
    PATH/labels.csv        optional: image,Chubby,Pale_Skin   then   Ada/1.jpg,1,0

A label is 1 (yes), 0 or −1 (no), or empty (not known). With a labels.csv every picture needs a row in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from faces.datasets.base import FaceRecord, hash_of_files
from faces.datasets.tables import (
    Rows,
    expect_columns,
    expect_every_picture,
    read_text_rows,
    whole_number,
)
from mien.errors import DataError, LabelMismatchError

LABELS = "labels.csv"
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})


class PersonFolders:
    """The pictures of a folder that has one folder a person.

    Raises DataError where there is no picture or where pictures lie outside the persons' folders, and
    LabelMismatchError where labels.csv does not fit the pictures.
    """

    kind = "folder"
    synthetic = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = f"folder {path.name}"
        self._images = _find_pictures(path)
        self.attributes: tuple[str, ...] = ()
        self._labels: Rows = {}
        if (path / LABELS).is_file():
            self.attributes, self._labels = _read_labels(path / LABELS)
            expect_every_picture(self._images, self._labels, path / LABELS)

    def records(self) -> Sequence[FaceRecord]:
        """Return one record a picture, by person and file name."""
        return [
            FaceRecord(image, image.partition("/")[0], self.path / image, self._labels.get(image, {}))
            for image in self._images
        ]

    def content_hash(self) -> str:
        """Return the SHA-256 over every picture's bytes, person and labels."""
        return self._content_hash

    @cached_property
    def _content_hash(self) -> str:
        return hash_of_files(self.records())


def _find_pictures(path: Path) -> list[str]:
    """Return every picture as PERSON/FILE, sorted; hidden files and other kinds of file are passed over."""
    persons = sorted(each for each in path.iterdir() if each.is_dir() and not each.name.startswith("."))
    images = [
        f"{person.name}/{file.name}"
        for person in persons
        for file in sorted(person.iterdir())
        if file.suffix.lower() in _SUFFIXES and not file.name.startswith(".")
    ]
    if images:
        return images
    if any(file.suffix.lower() in _SUFFIXES for file in path.iterdir()):
        raise DataError(
            f"The pictures of {path} lie in no person's folder: expected {path}/PERSON/1.jpg. "
            "Make one folder for each person and move their pictures into it."
        )
    raise DataError(
        f"{path} has no picture in it: expected one folder a person with JPEG, PNG, WebP or BMP files, such "
        f"as {path}/PERSON/1.jpg."
    )


def _read_labels(path: Path) -> tuple[tuple[str, ...], Rows]:
    rows = read_text_rows(path)
    line, header = next(rows, (1, []))
    names = tuple(header[1:])
    if not names or len(set(names)) != len(names):
        raise LabelMismatchError(
            f"{path}:{line}: expected a header such as image,Chubby,Pale_Skin (each name once)."
        )
    table: Rows = {}
    for line, words in rows:
        expect_columns(words, 1 + len(names), path, line)
        image, marks = words[0], words[1:]
        if image in table:
            raise LabelMismatchError(f"{path}:{line}: {image} is listed a second time.")
        numbers = {
            name: whole_number(mark, path, line) for name, mark in zip(names, marks, strict=True) if mark
        }
        if not set(numbers.values()) <= {-1, 0, 1}:
            raise LabelMismatchError(
                f"{path}:{line}: a label is 1 (yes), 0 or −1 (no), or empty: found {sorted(numbers.values())}."
            )
        table[image] = {name: int(number == 1) for name, number in numbers.items()}
    return names, table
