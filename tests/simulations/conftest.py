"""Small whole runs, and what they leave behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from configs.load import parse_config
from configs.schema import RunConfig
from server.watching import Silent
from simulations.in_process import FaultPlan
from simulations.run import SimulationResult, simulate

Change = dict[str, dict[str, object]]
Runner = Callable[..., SimulationResult]


def small_config(data: str, changes: Change) -> RunConfig:
    content: dict[str, dict[str, object]] = {
        "data": {"source": data, "face_size": 32, "test_fraction": 0.2},
        "clients": {"count": 5},
        "model": {"options": {"shape_hidden": 4, "skin_width": 2, "nose_width": 0.02}},
        "rounds": {"count": 2, "cohort": 5, "min_survivors": 4},
        "training": {"photos_per_person": 2, "persons_per_client": 2.0},
        "privacy": {"epsilon": 8.0, "delta": 1e-2, "collusion": 0.0},
    }
    for section, values in changes.items():
        content.setdefault(section, {}).update(values)
    return parse_config({"name": "small", "threads": 1, **content}, where="test")


@pytest.fixture
def run(small_faces: str, tmp_path: Path) -> Runner:
    """Return a function that runs a small config with changes: ``run(privacy={...}, faults=plan)``."""

    def start(faults: FaultPlan | None = None, **changes: dict[str, object]) -> SimulationResult:
        return simulate(small_config(small_faces, changes), tmp_path / "runs", Silent(), faults=faults)

    return start


def read_json(result: SimulationResult, name: str) -> dict[str, object]:
    return json.loads((result.folder.path / name).read_text())  # type: ignore[no-any-return]
