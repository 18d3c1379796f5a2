"""dlib's face embedding of every row: frozen features from public pre-training, for small private heads.

The network (``faces.recognition``; trained on about three million public photos of 7,485 persons) gives 128
numbers in which photos of one person lie close. It sees the *prepared* face, so a table that is
prepared already needs no picture again.

An embedding identifies its person. The file that keeps them is readable by its owner only, like the crops, and
no embedding leaves a device: it is an input of training, as a picture is.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faces import dlib_models
from faces.prepare import CACHE_VARIABLE, alone, default_cache
from faces.recognition import CHIP, load_recognition
from faces.sample import EMBEDDING_SIZE, FaceTable
from mien.errors import RunError
from mien.files import canonical_json, write_atomic

CODE_VERSION = 1
"""Raise this whenever the same face would give another embedding."""

BATCH = 64

# Where dlib's chip lies in the unit square of the aligned face, from where its template and ours put the eyes:
# 0.350 of the chip apart and 0.314 below its top; here 0.316 apart and 0.461 below. The chin sticks out below.
_SIDE = 0.903
_LEFT, _TOP = 0.5 - _SIDE / 2, 0.461 - 0.314 * _SIDE
_BELOW = 0.125

Embeddings = NDArray[np.float32]
Progress = Callable[[int, int], None]


def with_embedding(
    table: FaceTable, cache_dir: Path | None = None, progress: Progress | None = None
) -> FaceTable:
    """Return ``table`` with its column ``embedding``, float32 [N, 128], from the cache where it is there.

    ``cache_dir`` is that of ``faces.prepare``; the file in it is named by the content of the table, the weights
    and the version of this code. ``progress`` is called with (rows done, rows in all).

    Raises MissingModelError where dlib's weights are not installed, RunError where the cache cannot be used.
    """
    if table.embedding is not None:
        return table
    home = (cache_dir or default_cache()) / "faces"
    path = home / f"embedding-{_key(table)}.npy"
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with alone(path.with_suffix(".lock")):
            vectors = _read(path, len(table))
            if vectors is None:
                vectors = embed(table.face, progress)
                content = io.BytesIO()
                np.save(content, vectors, allow_pickle=False)
                write_atomic(path, content.getvalue(), mode=0o600)
    except OSError as error:
        raise RunError(
            f"The cache of embeddings at {home} cannot be used: {error}. "
            f"Free some space, or set {CACHE_VARIABLE} to a folder that can be written."
        ) from error
    return dataclasses.replace(table, embedding=vectors)


def embed(faces: NDArray[np.uint8], progress: Progress | None = None) -> Embeddings:
    """Return the embeddings, float32 [N, 128], of aligned faces, uint8 [N, 3, F, F] RGB.

    Raises MissingModelError where dlib's weights are not installed.
    """
    network = load_recognition(dlib_models.recognition_path())
    rows = len(faces)
    vectors = np.zeros((rows, EMBEDDING_SIZE), np.float32)
    for start in range(0, rows, BATCH):
        batch = np.stack([chip(face) for face in faces[start : start + BATCH]])
        vectors[start : start + len(batch)] = network(batch)
        if progress:
            progress(start + len(batch), rows)
    return vectors


def chip(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the part of an aligned face, uint8 [3, F, F], that dlib's network was trained on: [150, 150, 3].

    What lies below the aligned face repeats its last row.
    """
    side = face.shape[1]
    below = int(np.ceil(_BELOW * side))
    tall = np.concatenate([face, np.repeat(face[:, -1:], below, axis=1)], axis=1).transpose(1, 2, 0)
    box = tuple(side * edge for edge in (_LEFT, _TOP, _LEFT + _SIDE, _TOP + _SIDE))
    picture = Image.fromarray(np.ascontiguousarray(tall))
    return np.array(picture.resize((CHIP, CHIP), Image.Resampling.BICUBIC, box=box), dtype=np.uint8)


def _key(table: FaceTable) -> str:
    """Return the SHA-256 of everything that the embeddings depend on, 64 hexadecimal digits."""
    inputs = {
        "code": CODE_VERSION,
        "weights": dlib_models.recognition_digest(),
        "table": table.content_hash,
    }
    return hashlib.sha256(canonical_json(inputs)).hexdigest()


def _read(path: Path, rows: int) -> Embeddings | None:
    """Return what the cache holds; None where there is nothing, or something damaged (it can be made again)."""
    try:
        vectors = np.load(path, allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError):
        return None
    if (
        vectors.shape != (rows, EMBEDDING_SIZE)
        or vectors.dtype != np.float32
        or not np.isfinite(vectors).all()
    ):
        return None
    return np.asarray(vectors, dtype=np.float32)
