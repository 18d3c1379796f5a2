"""The head mesh and its morph targets, read from ``assets.json`` (how it is made: ``build_assets.py``).

The file is JSON because a Flower bundle carries no binary files: ``arrays`` lists name, dtype and shape;
``data`` is base64 of xz of the arrays' little-endian bytes, one after the other; ``sha256`` is over those bytes.
Lengths are in decimetres, y up, z towards the viewer; in the file they are int16 steps of 1/1000.
"""

from __future__ import annotations

import base64
import hashlib
import json
import lzma
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError, DataNotFoundError

PATH = Path(__file__).with_name("assets.json")
STEP = np.float32(0.001)
"""One int16 step in decimetres."""


class Surface(IntEnum):
    """What a triangle of the head is made of."""

    SKIN = 0
    MOUTH_CAVITY = 1
    LEFT_EYE = 2
    RIGHT_EYE = 3
    LASHES = 4
    TEETH = 5
    TONGUE = 6
    LONG_HAIR = 7


@dataclass(frozen=True, eq=False)
class HeadAssets:
    """The rest mesh and its targets. Points are stored by axis (3, n): numpy is fastest on long rows."""

    rest: NDArray[np.float32]
    """(3, V): where each vertex is at rest."""
    triangles: NDArray[np.int32]
    """(3, T): vertex indices; seen from outside a triangle has a negative area in y-down pixels."""
    surface: NDArray[np.uint8]
    """(T,): a ``Surface`` for each triangle."""
    on_body: NDArray[np.bool_]
    """(V,): True on the skin mesh (its cavities included), False on eyes, lashes, teeth and tongue."""
    mouth_cavity: NDArray[np.float32]
    """(V,): share of a vertex's faces that lie in the mouth cavity, 0 to 1."""
    eye_socket: NDArray[np.float32]
    """(V,): share of a vertex's faces that lie in an eye socket, 0 to 1."""
    left_eye: NDArray[np.int32]
    """Indices of the vertices of the left eyeball (MakeHuman's left, +x)."""
    right_eye: NDArray[np.int32]
    targets: dict[str, tuple[NDArray[np.int32], NDArray[np.float32]]]
    """Name of a target: (n,) vertex indices and (3, n) displacements."""
    digest: str
    """SHA-256 of the decoded content."""


def unpack(path: Path) -> tuple[dict[str, NDArray[Any]], list[str], str]:
    """Return the arrays of an asset file, the names of its targets, and the SHA-256 of its content.

    Raises DataNotFoundError where the file is absent, DataError where it is damaged.
    """
    if not path.is_file():
        raise DataNotFoundError(f"synthetic faces: {path} is missing; reinstall Mien to get it back")
    try:
        document = json.loads(path.read_text(encoding="ascii"))
        content = lzma.decompress(base64.b64decode(document["data"], validate=True))
        targets, layout, expected = document["targets"], document["arrays"], document["sha256"]
    except (ValueError, KeyError, TypeError, lzma.LZMAError) as error:
        raise DataError(
            f"synthetic faces: {path} is not a readable asset file ({error!r}); reinstall Mien"
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected:
        raise DataError(
            f"synthetic faces: {path} is damaged: its content has SHA-256 {digest}, expected {expected};"
            " reinstall Mien"
        )
    arrays, offset = {}, 0
    for name, dtype, shape in layout:
        kind = np.dtype(dtype).newbyteorder("<")
        count = int(np.prod(shape))
        arrays[name] = np.frombuffer(content, kind, count, offset).reshape(shape)
        offset += count * kind.itemsize
    return arrays, targets, digest


@cache
def load() -> HeadAssets:
    """Return the assets that ship with the package; they are read once per process.

    Raises DataNotFoundError where the file is absent, DataError where it is damaged.
    """
    arrays, names, digest = unpack(PATH)
    ends = np.cumsum(arrays["target_sizes"].astype(np.int64))
    indices = arrays["target_vertices"].astype(np.int32)
    deltas = arrays["target_deltas"].astype(np.float32) * STEP
    targets = {
        name: (indices[end - size : end], np.ascontiguousarray(deltas[:, end - size : end]))
        for name, size, end in zip(names, arrays["target_sizes"], ends, strict=True)
    }
    left, right = (arrays[key].astype(np.int32) for key in ("left_eye", "right_eye"))
    return HeadAssets(
        rest=arrays["rest"].astype(np.float32) * STEP,
        triangles=arrays["triangles"].astype(np.int32),
        surface=arrays["surface"].astype(np.uint8),
        on_body=arrays["on_body"].astype(np.bool_),
        mouth_cavity=arrays["mouth_cavity"].astype(np.float32) / np.float32(255),
        eye_socket=arrays["eye_socket"].astype(np.float32) / np.float32(255),
        left_eye=left,
        right_eye=right,
        targets=targets,
        digest=digest,
    )
