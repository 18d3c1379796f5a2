"""One small simulated run, verified clean, and copies of it to tamper with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.watching import Silent
from simulations.run import simulate


@pytest.fixture(scope="session")
def audited_run(small_config: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of a small private run of three rounds; nobody may change it."""
    faults = lambda kind, times, partition: "lost" if (kind, times, partition) == ("train", 1, 3) else None  # noqa: E731
    config = small_config(rounds={"count": 3, "cohort": 5, "min_survivors": 4})
    return simulate(config, tmp_path_factory.mktemp("runs"), Silent(), faults=faults).folder.path


@pytest.fixture
def copied_run(audited_run: Path, tmp_path: Path) -> Path:
    """Return a copy of the run with the chain of reports beside it."""
    shutil.copytree(audited_run.parent, tmp_path / "runs")
    return tmp_path / "runs" / audited_run.name
