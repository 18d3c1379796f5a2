"""A whole simulated run: devices, coordinator and report, in this process."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from client.app import HOME, IN_MEMORY, forget_devices
from client.app import app as client_app
from configs.from_flower import RESOLVED
from configs.schema import RunConfig
from faces.federation import Progress, federate, prepare_table
from server.app import build_app
from server.run_folder import RunFolder
from server.watching import Observer, RoundLine
from simulations.in_process import FaultPlan, run_in_process


@dataclass(frozen=True)
class SimulationResult:
    """What a simulation leaves behind."""

    folder: RunFolder
    last: RoundLine | None
    """The last round whose model was evaluated."""
    seconds: float
    bytes_up: int


class _Keeping:
    """An observer that passes everything on and keeps the rounds."""

    def __init__(self, other: Observer) -> None:
        self._other = other
        self.lines: list[RoundLine] = []

    def started(self, run: str, rounds: int, parameters: int, attributes: tuple[str, ...]) -> None:
        self._other.started(run, rounds, parameters, attributes)

    def phase(self, round_number: int, name: str, answered: int, asked: int) -> None:
        self._other.phase(round_number, name, answered, asked)

    def finished_round(self, line: RoundLine) -> None:
        self.lines.append(line)
        self._other.finished_round(line)


def prepare_data(config: RunConfig, progress: Progress | None = None) -> None:
    """Prepare the config's dataset (or find it prepared) and split it, so that faults show before training."""
    prepare_table(config.data, progress=progress)
    federate(config.data, config.clients, config.seed)


def simulate(
    config: RunConfig, runs: Path, observer: Observer, *, faults: FaultPlan | None = None
) -> SimulationResult:
    """Run ``config`` on the in-process engine and write the run folder and its report.

    ``faults`` says which client fails in which phase. Errors of the coordinator reach the caller; the run
    folder then holds what had happened until then.
    """
    folder = RunFolder.create(runs, config, engine="in-process")
    keeping = _Keeping(observer)
    began = time.monotonic()
    run_in_process(
        build_app(folder, keeping),
        client_app,
        config.clients.count,
        run_config={RESOLVED: config.model_dump_json()},
        node_config={HOME: str(folder.path), IN_MEMORY: True},
        faults=faults,
    )
    forget_devices(folder.path)
    evaluated = [line for line in keeping.lines if line.loss is not None]
    return SimulationResult(
        folder=folder,
        last=evaluated[-1] if evaluated else None,
        seconds=time.monotonic() - began,
        bytes_up=sum(line.bytes_up for line in keeping.lines),
    )
