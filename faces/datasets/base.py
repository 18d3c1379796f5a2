"""What every dataset is: a name, a list of records, and a hash of all that they hold."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mien.files import canonical_json, sha256_file

Renderer = Callable[[], NDArray[np.uint8]]
"""Draws a picture: uint8 [H, W, 3]. It must be picklable, because pictures are prepared in other processes."""


@dataclass(frozen=True)
class FaceRecord:
    """One picture of a dataset, not yet read."""

    image_id: str
    person: str
    source: Path | Renderer
    labels: Mapping[str, int]  # 1 yes, 0 no; an attribute that is not marked is absent or −1


class Dataset(Protocol):
    """A source of face pictures whose persons are known."""

    @property
    def name(self) -> str:
        """What a report calls the dataset."""

    @property
    def kind(self) -> str:
        """The word before ``=`` in a dataset's specification."""

    @property
    def synthetic(self) -> bool:
        """Whether the faces are drawn by a program and belong to nobody."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that pictures are marked with."""

    def records(self) -> Sequence[FaceRecord]:
        """Return one record a picture, in an order that is the same on every machine."""

    def content_hash(self) -> str:
        """Return the SHA-256 over every picture, person and label: 64 hexadecimal digits."""


def hash_of_files(records: Iterable[FaceRecord]) -> str:
    """Return the SHA-256 over the ids, persons, labels and bytes of pictures that are files.

    Where the files lie does not count: a copy of a dataset has the same hash.
    """
    digest = hashlib.sha256()
    for record in records:
        if not isinstance(record.source, Path):
            raise TypeError(f"picture {record.image_id} is not a file")
        row = [record.image_id, record.person, dict(record.labels), sha256_file(record.source)]
        digest.update(canonical_json(row) + b"\n")
    return digest.hexdigest()
