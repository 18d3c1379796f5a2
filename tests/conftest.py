"""Fixtures that several folders of tests share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Keep torch to one thread: tests run side by side, and sums must not depend on the machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep prepared faces of tests out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIEN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def small_faces(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return ``celeba=PATH`` of a small synthetic dataset: 14 persons, 3 pictures each."""
    from faces.synthetic.export import export

    path = tmp_path_factory.mktemp("faces") / "synthetic"
    export(path, persons=14, images=3, size=128)
    return f"celeba={path}"


@pytest.fixture(scope="session")
def small_config(small_faces: str) -> Callable[..., Any]:
    """Return a function that makes the config of a small run, with changes by section."""
    from configs.load import parse_config

    def make(**changes: dict[str, object]) -> Any:
        content: dict[str, dict[str, object]] = {
            "data": {"source": small_faces, "face_size": 32, "test_fraction": 0.2},
            "clients": {"count": 5},
            "model": {"options": {"shape_hidden": 4, "skin_width": 2, "nose_width": 0.02}},
            "rounds": {"count": 2, "cohort": 5, "min_survivors": 4},
            "training": {"photos_per_person": 2, "persons_per_client": 2.0},
            "privacy": {"epsilon": 8.0, "delta": 1e-2, "collusion": 0.0},
        }
        for section, values in changes.items():
            content.setdefault(section, {}).update(values)
        return parse_config({"name": "small", **content}, where="test")

    return make


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the root of the source tree."""
    return REPOSITORY


@pytest.fixture(scope="session")
def real_faces() -> Path:
    """Return the folder that holds celeba-faces/, celeba-small/ and photos/, or skip."""
    places = [os.environ.get("MIEN_REAL_FACES"), str(REPOSITORY.parent / "shared" / "data")]
    for place in places:
        if place and (Path(place) / "celeba-faces").is_dir():
            return Path(place)
    pytest.skip(
        "real faces are not on this machine: set MIEN_REAL_FACES to a folder with celeba-faces/ in it"
    )
