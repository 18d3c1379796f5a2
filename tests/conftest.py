"""Fixtures that several folders of tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Keep torch to one thread: tests run side by side, and sums must not depend on the machine."""
    torch.set_num_threads(1)


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
