"""Small whole runs, and what they leave behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.watching import Silent
from simulations.in_process import FaultPlan
from simulations.run import SimulationResult, simulate


@pytest.fixture
def run(small_config: Callable[..., Any], tmp_path: Path) -> Callable[..., SimulationResult]:
    """Return a function that runs a small config with changes: ``run(privacy={...}, faults=plan)``."""

    def start(faults: FaultPlan | None = None, **changes: dict[str, object]) -> SimulationResult:
        return simulate(small_config(**changes), tmp_path / "runs", Silent(), faults=faults)

    return start
