"""From a specification such as ``celeba=/data/celeba`` to a dataset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from faces.datasets.base import Dataset
from faces.datasets.celeba import CelebA
from faces.datasets.embedded import EmbeddedFaces
from faces.datasets.folder import PersonFolders
from mien.errors import ConfigError, DataNotFoundError

_FROM_PATH: dict[str, Callable[[Path], Dataset]] = {"celeba": CelebA, "folder": PersonFolders}


def open_dataset(spec: str) -> Dataset:
    """Return the dataset that ``embedded``, ``celeba=PATH`` or ``folder=PATH`` names.

    Raises ConfigError for another word, DataNotFoundError for a path that does not exist, and
    LabelMismatchError or DataError where the files there do not fit together.
    """
    kind, _, place = spec.partition("=")
    kind = kind.strip().lower()
    if kind == "embedded" and not place:
        return EmbeddedFaces()
    if kind not in _FROM_PATH:
        raise ConfigError(
            f"Dataset {spec!r} is unknown: expected embedded, celeba=PATH or folder=PATH "
            "(a layout with one folder a person, such as LFW's, is folder=PATH)."
        )
    if not place.strip():
        raise ConfigError(f"Dataset {spec!r} lacks its path: write {kind}=PATH.")
    path = Path(place.strip()).expanduser()
    if not path.is_dir():
        found = "a file" if path.exists() else "nothing"
        raise DataNotFoundError(
            f"The dataset path {path} does not exist: expected a folder, found {found}. "
            "Check the path, or use the embedded faces: --data embedded."
        )
    return _FROM_PATH[kind](path)
