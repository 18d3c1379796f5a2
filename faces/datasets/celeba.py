"""CelebA in its official layout (Liu et al. 2015), whole or any subset of its pictures.

::

    PATH/img_align_celeba/000001.jpg …      (or img_align_celeba/img_align_celeba/, as one mirror unpacks)
    PATH/list_attr_celeba.txt               count, names, then −1/1 rows; or .csv with a header, −1/1 or 0/1
    PATH/identity_CelebA.txt                picture, person; or .csv with a header
    PATH/list_eval_partition.txt            optional: picture, 0 train, 1 validation, 2 test; or .csv

The tables may list pictures that are not there (a subset keeps the original tables); a picture that is there
and is not listed is an error, because it would be trained on with no label or counted to no person.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from faces.datasets.base import FaceRecord, hash_of_files
from faces.datasets.tables import (
    Rows,
    YesNo,
    expect_columns,
    expect_every_picture,
    read_text_rows,
    whole_number,
)
from mien.errors import DataError, DataNotFoundError, LabelMismatchError

PICTURES = "img_align_celeba"
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})


class CelebA:
    """The pictures of a folder in CelebA's layout.

    Everything but the pictures themselves is read and checked on construction. Raises DataNotFoundError for a
    missing file, LabelMismatchError where tables and pictures disagree, DataError where there is no picture.
    """

    kind = "celeba"
    synthetic = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = f"CelebA ({path.name})"
        self._folder, images = _find_pictures(path)

        attributes_file = _table(path, "list_attr_celeba")
        self.attributes, labels = _read_attributes(attributes_file)
        expect_every_picture(images, labels, attributes_file)
        identity_file = _table(path, "identity_CelebA")
        self._persons = _read_pairs(identity_file)
        expect_every_picture(images, self._persons, identity_file)

        self.listed_but_absent = len(labels) - len(images)
        self._labels = {image: labels[image] for image in images}
        self.partition = self._read_partition(images)

    def records(self) -> Sequence[FaceRecord]:
        """Return one record a picture that is there, by file name."""
        return [
            FaceRecord(image, str(self._persons[image]), self._folder / image, self._labels[image])
            for image in self._labels
        ]

    def content_hash(self) -> str:
        """Return the SHA-256 over every picture's bytes, person and labels."""
        return self._content_hash

    @cached_property
    def _content_hash(self) -> str:
        return hash_of_files(self.records())

    def _read_partition(self, images: list[str]) -> dict[str, int]:
        """Return picture → 0, 1 or 2 of CelebA's own split; empty where the file is absent."""
        try:
            path = _table(self.path, "list_eval_partition")
        except DataNotFoundError:
            return {}
        partition = _read_pairs(path)
        expect_every_picture(images, partition, path)
        wrong = next((image for image in images if partition[image] not in {0, 1, 2}), None)
        if wrong is not None:
            raise LabelMismatchError(
                f"{path}: {wrong} is in part {partition[wrong]}: expected 0 (train), 1 or 2 (test)."
            )
        return {image: partition[image] for image in images}


def _find_pictures(path: Path) -> tuple[Path, list[str]]:
    folder = path / PICTURES
    if (folder / PICTURES).is_dir():
        folder = folder / PICTURES
    if not folder.is_dir():
        raise DataNotFoundError(
            f"{folder} does not exist: CelebA's pictures belong there. Unpack img_align_celeba.zip in {path}."
        )
    images = sorted(file.name for file in folder.iterdir() if file.suffix.lower() in _SUFFIXES)
    if not images:
        raise DataError(f"{folder} has no picture in it: expected NNNNNN.jpg. Unpack img_align_celeba.zip.")
    return folder, images


def _table(path: Path, stem: str) -> Path:
    for suffix in (".txt", ".csv"):
        if (path / f"{stem}{suffix}").is_file():
            return path / f"{stem}{suffix}"
    reason = " Without it nothing can be split by person." if stem.startswith("identity") else ""
    raise DataNotFoundError(
        f"{path / stem}.txt (or .csv) does not exist: it is part of CelebA's official layout.{reason} "
        "Download it from CelebA's own page and put it there."
    )


def _read_attributes(path: Path) -> tuple[tuple[str, ...], Rows]:
    """Read list_attr_celeba; return its attributes and picture → attribute → 1 or 0."""
    rows = read_text_rows(path)
    promised: int | None = None
    line, header = next(rows, (1, []))
    if path.suffix == ".txt" and len(header) == 1:
        promised = whole_number(header[0], path, line)
        line, header = next(rows, (2, []))
    names = tuple(header[1:] if path.suffix == ".csv" else header)
    if not names:
        raise LabelMismatchError(f"{path}:{line}: no attribute names: expected a line with their names.")

    places = {name: place for place, name in enumerate(names)}
    if len(places) != len(names):
        raise LabelMismatchError(f"{path}:{line}: an attribute is named twice. Restore the file.")
    table: Rows = {}
    values: set[int] = set()
    for line, (image, *words) in rows:
        expect_columns([image, *words], 1 + len(names), path, line)
        marks = [whole_number(word, path, line) for word in words]
        if image in table:
            raise LabelMismatchError(f"{path}:{line}: {image} is listed a second time.")
        values.update(marks)
        if not values <= {-1, 1} and not values <= {0, 1}:
            raise LabelMismatchError(
                f"{path}:{line}: a file's labels are either −1 and 1 or 0 and 1: found {sorted(values)}."
            )
        table[image] = YesNo(places, bytes(mark == 1 for mark in marks))
    if promised is not None and promised != len(table):
        raise LabelMismatchError(
            f"{path} says it lists {promised} pictures and lists {len(table)}: it may be cut short. "
            "Restore the file, or correct its first line."
        )
    return names, table


def _read_pairs(path: Path) -> dict[str, int]:
    """Read a file of two columns: the picture and a whole number."""
    pairs: dict[str, int] = {}
    rows = read_text_rows(path)
    if path.suffix == ".csv":
        next(rows, None)
    for line, words in rows:
        expect_columns(words, 2, path, line)
        if words[0] in pairs:
            raise LabelMismatchError(f"{path}:{line}: {words[0]} is listed a second time.")
        pairs[words[0]] = whole_number(words[1], path, line)
    return pairs
