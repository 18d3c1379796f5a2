"""The prepared dataset: one typed table of faces, and one typed row of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError, ModelError
from mien.files import canonical_json

UNKNOWN = -1
"""The label of an attribute that nobody has marked; 1 is yes and 0 is no."""

JAW_DISTANCES = 8
LANDMARKS = 68
EMBEDDING_SIZE = 128
"""Length of dlib's face embedding, see ``faces.embedding``."""


@dataclass(frozen=True, eq=False)
class FaceSample:
    """One photo of one person, prepared."""

    image_id: str
    person: int
    jaw: NDArray[np.float32]  # [8], see faces.crops.jaw_distances
    skin: NDArray[np.uint8]  # [3, S, S], zero where the colour is not skin's
    nose: NDArray[np.uint8]  # [3, M, M]
    face: NDArray[np.uint8]  # [3, F, F], the whole aligned face
    landmarks: NDArray[np.float32]  # [68, 2], (x, y) in the unit square of ``face``
    labels: Mapping[str, int]  # 1 yes, 0 no, −1 unknown


@dataclass(frozen=True)
class PrepareReport:
    """What became of the pictures that were read; ``skipped`` holds (image id, reason)."""

    read: int = 0
    kept: int = 0
    several: int = 0  # kept, but with more faces than one in the picture: the largest was taken
    no_face: int = 0
    unreadable: int = 0
    too_large: int = 0
    skipped: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False)
class FaceTable:
    """N prepared photos, column by column.

    The arrays may be views of files that many processes share, so treat them as read-only; ``select`` gives
    arrays of its own. ``persons`` holds indices into ``person_names``, which ``select`` never renumbers.
    ``embedding`` is there only where a config asks for it (``faces.embedding``), ``advice`` only where the rows are
    feedback on advice and have no pictures (``faces.feedback``).
    Raises DataError on construction where a shape, a type or a value does not fit.
    """

    image_ids: tuple[str, ...]
    persons: NDArray[np.int64]  # [N]
    person_names: tuple[str, ...]
    jaw: NDArray[np.float32]  # [N, 8]
    skin: NDArray[np.uint8]  # [N, 3, S, S]
    nose: NDArray[np.uint8]  # [N, 3, M, M]
    face: NDArray[np.uint8]  # [N, 3, F, F]
    landmarks: NDArray[np.float32]  # [N, 68, 2]
    labels: NDArray[np.int8]  # [N, A]: 1, 0, or −1 for unknown
    attributes: tuple[str, ...]
    report: PrepareReport | None = None
    embedding: NDArray[np.float32] | None = None  # [N, 128]
    advice: NDArray[np.float32] | None = None  # [N, F], see faces.feedback

    def __post_init__(self) -> None:
        rows = len(self.image_ids)
        _check("persons", self.persons, np.int64, (rows,))
        _check("jaw", self.jaw, np.float32, (rows, JAW_DISTANCES))
        for name in ("skin", "nose", "face"):
            pictures: NDArray[np.uint8] = getattr(self, name)
            side = pictures.shape[-1] if pictures.ndim else 0
            _check(name, pictures, np.uint8, (rows, 3, side, side))
        _check("landmarks", self.landmarks, np.float32, (rows, LANDMARKS, 2))
        _check("labels", self.labels, np.int8, (rows, len(self.attributes)))
        if self.embedding is not None:
            _check("embedding", self.embedding, np.float32, (rows, EMBEDDING_SIZE))
        if self.advice is not None:
            _check("advice", self.advice, np.float32, (rows, *self.advice.shape[1:]))
        if len(set(self.attributes)) != len(self.attributes):
            raise DataError(f"An attribute appears twice in a face table: {', '.join(self.attributes)}.")
        if rows and not 0 <= int(self.persons.min()) <= int(self.persons.max()) < len(self.person_names):
            raise DataError(
                f"A face table names {len(self.person_names)} persons, but its rows have the person indices "
                f"{int(self.persons.min())} to {int(self.persons.max())}."
            )
        if self.labels.size and not -1 <= int(self.labels.min()) <= int(self.labels.max()) <= 1:
            raise DataError("A label of a face table is neither 1 (yes), 0 (no) nor −1 (unknown).")

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, row: int) -> FaceSample:
        """Return one row."""
        labels = {name: int(value) for name, value in zip(self.attributes, self.labels[row], strict=True)}
        return FaceSample(
            image_id=self.image_ids[row],
            person=int(self.persons[row]),
            jaw=self.jaw[row],
            skin=self.skin[row],
            nose=self.nose[row],
            face=self.face[row],
            landmarks=self.landmarks[row],
            labels=labels,
        )

    def select(self, rows: Sequence[int] | NDArray[np.int64]) -> FaceTable:
        """Return the table of these rows, in this order, with arrays of its own."""
        chosen = np.asarray(rows, dtype=np.int64).reshape(-1)
        columns: dict[str, Any] = {name: np.array(getattr(self, name)[chosen]) for name in self.array_columns}
        return FaceTable(
            image_ids=tuple(self.image_ids[row] for row in chosen.tolist()),
            person_names=self.person_names,
            attributes=self.attributes,
            **columns,
        )

    def columns(self, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Return the columns that a model reads, by name.

        Raises ModelError for one that this table does not have.
        """
        missing = [name for name in names if getattr(self, name, None) is None]
        if missing:
            raise ModelError(
                f"The model reads {', '.join(missing)}, which these prepared faces do not have. For 'embedding' "
                "set embedding = true under [data]."
            )
        return {name: getattr(self, name) for name in names}

    def label(self, attribute: str) -> NDArray[np.int8]:
        """Return one attribute's column, int8 [N]: 1, 0, or −1 for unknown.

        Raises DataError where the dataset does not have the attribute.
        """
        if attribute not in self.attributes:
            raise DataError(
                f"The dataset has no attribute {attribute!r}: it has {', '.join(self.attributes) or 'none'}. "
                "Name one of these."
            )
        return self.labels[:, self.attributes.index(attribute)]

    def rows_of_person(self, person: int) -> NDArray[np.int64]:
        """Return the rows of one person, in table order: int64 [photos]."""
        return np.flatnonzero(self.persons == person).astype(np.int64)

    def persons_present(self) -> NDArray[np.int64]:
        """Return the indices of the persons who have a row, ascending: int64 [P]."""
        return np.unique(self.persons)

    @property
    def array_columns(self) -> tuple[str, ...]:
        """The columns of this table that are arrays: ``ARRAY_COLUMNS``, and those of the others that are there."""
        return (*ARRAY_COLUMNS, *(name for name in OPTIONAL_COLUMNS if getattr(self, name) is not None))

    @cached_property
    def content_hash(self) -> str:
        """The SHA-256 of everything in the table, 64 hexadecimal digits."""
        names = [self.image_ids, self.person_names, self.attributes]
        digest = hashlib.sha256(canonical_json([list(each) for each in names]))
        for name in self.array_columns:
            column = np.ascontiguousarray(getattr(self, name))
            digest.update(canonical_json([name, column.dtype.str, list(column.shape)]))
            digest.update(column.data if column.size else b"")
        return digest.hexdigest()


ARRAY_COLUMNS = ("persons", "jaw", "skin", "nose", "face", "landmarks", "labels")
"""The columns of every FaceTable that are arrays, in the order in which they are hashed and stored."""

OPTIONAL_COLUMNS = ("embedding", "advice")
"""The columns that only some tables have."""


def _check(name: str, column: NDArray[Any], dtype: type, shape: tuple[int, ...]) -> None:
    if column.dtype != dtype or column.shape != shape:
        raise DataError(
            f"Column {name!r} of a face table is {column.dtype} {list(column.shape)}: "
            f"expected {np.dtype(dtype)} {list(shape)}."
        )
