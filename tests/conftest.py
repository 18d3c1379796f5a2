"""Fixtures that several folders of tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

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
