"""The work of preparation, one shard of pictures at a time: pictures in, one file of arrays out.

A shard is the unit of resuming: its file appears whole or not at all, and a preparation that was killed
goes on after the last one that is there.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faces.alignment import align, apply, canonical_matrix
from faces.crops import jaw_distances, nose_crop, skin_pixels
from faces.datasets.base import Renderer
from faces.images import RGBImage, load_image
from faces.landmarks import fit_landmarks, search_faces
from mien.errors import ImageTooLargeError, NoFaceError, UnreadableImageError
from mien.files import write_atomic

SHARD_COLUMNS = ("jaw", "skin", "nose", "face", "landmarks")
"""The columns of a FaceTable that come from the pictures themselves."""

_DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


class Outcome(IntEnum):
    """What became of one picture."""

    KEPT = 0
    KEPT_LARGEST = 1  # more than one face: the largest was taken
    NO_FACE = 2
    UNREADABLE = 3
    TOO_LARGE = 4


@dataclass(frozen=True)
class CropSizes:
    """How large, in pixels, and how wide the crops of a face are."""

    face_size: int
    skin_size: int
    nose_size: int
    face_margin: float
    skin_margin: float


Crops = tuple[
    NDArray[np.float32], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]
]
"""One row of SHARD_COLUMNS."""


def crop_face(image: RGBImage, landmarks: NDArray[np.float64], sizes: CropSizes) -> Crops:
    """Return the views of one face: jaw [8], skin, nose and face uint8 [3, S, S], landmarks [68, 2].

    ``landmarks`` is [68, 2] in pixels; those returned lie in the unit square of the aligned face. Raises
    NoFaceError where the landmarks are all in one place.
    """
    face = align(image, landmarks, sizes.face_size, margin=sizes.face_margin)
    skin, _ = skin_pixels(align(image, landmarks, sizes.skin_size, margin=sizes.skin_margin))
    nose = nose_crop(image, landmarks, sizes.nose_size)
    aligned = apply(canonical_matrix(landmarks, margin=sizes.face_margin), landmarks)
    return (
        jaw_distances(landmarks),
        skin,
        nose,
        np.ascontiguousarray(face.transpose(2, 0, 1)),
        aligned.astype(np.float32),
    )


def prepare_picture(
    source: Path | Renderer, sizes: CropSizes, max_upsample: int
) -> tuple[Outcome, Crops | None]:
    """Read or draw one picture, find its largest face, and crop it; the crops are None where it is skipped."""
    try:
        image = load_image(source) if isinstance(source, Path) else source()
        boxes = search_faces(image, max_upsample=max_upsample)
        if not boxes:
            return Outcome.NO_FACE, None
        crops = crop_face(image, fit_landmarks(image, boxes[0]), sizes)
    except UnreadableImageError:
        return Outcome.UNREADABLE, None
    except ImageTooLargeError:
        return Outcome.TOO_LARGE, None
    except NoFaceError:
        return Outcome.NO_FACE, None
    return (Outcome.KEPT if len(boxes) == 1 else Outcome.KEPT_LARGEST), crops


def prepare_shard(sources: Sequence[Path | Renderer], sizes: CropSizes, max_upsample: int, path: Path) -> int:
    """Prepare these pictures, write ``path`` whole, and return how many pictures that were."""
    outcomes: list[int] = []
    rows: list[Crops] = []
    for source in sources:
        outcome, crops = prepare_picture(source, sizes, max_upsample)
        outcomes.append(int(outcome))
        if crops is not None:
            rows.append(crops)
    columns = empty_columns(len(rows), sizes)
    for number, row in enumerate(rows):
        for name, value in zip(SHARD_COLUMNS, row, strict=True):
            columns[name][number] = value
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, outcomes=np.array(outcomes, dtype=np.uint8), **columns)
    write_atomic(path, buffer.getvalue(), mode=0o600)
    return len(outcomes)


def read_shard(path: Path, expected: int) -> tuple[list[Outcome], dict[str, NDArray[Any]]] | None:
    """Return the outcomes of ``expected`` pictures and the columns of those kept; None where it is not whole.

    A damaged file is not an error: its shard is prepared again.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as content:
            outcomes = [Outcome(int(code)) for code in content["outcomes"]]
            columns = {name: content[name] for name in SHARD_COLUMNS}
    except _DAMAGE:
        return None
    kept = sum(outcome in (Outcome.KEPT, Outcome.KEPT_LARGEST) for outcome in outcomes)
    if len(outcomes) != expected or any(len(column) != kept for column in columns.values()):
        return None
    return outcomes, columns


def empty_columns(rows: int, sizes: CropSizes) -> dict[str, NDArray[Any]]:
    """Return zeroed SHARD_COLUMNS for this many rows."""
    return {
        name: np.zeros((rows, *shape), dtype=dtype) for name, (dtype, shape) in column_shapes(sizes).items()
    }


def column_shapes(sizes: CropSizes) -> dict[str, tuple[type[np.generic], tuple[int, ...]]]:
    """Return the type and the shape of one row of each of SHARD_COLUMNS."""
    return {
        "jaw": (np.float32, (8,)),
        "skin": (np.uint8, (3, sizes.skin_size, sizes.skin_size)),
        "nose": (np.uint8, (3, sizes.nose_size, sizes.nose_size)),
        "face": (np.uint8, (3, sizes.face_size, sizes.face_size)),
        "landmarks": (np.float32, (68, 2)),
    }
