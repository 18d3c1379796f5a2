"""The Flower ServerApp. ``app`` is what ``flwr run`` starts; the in-process engine builds its own with a view."""

from __future__ import annotations

import logging
from typing import Any

import torch
from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from configs.from_flower import config_of_app, home_of_app
from configs.schema import RunConfig
from faces.federation import Federation, federate
from privacy.audit.report import write_report
from server.coordinator import Coordinator
from server.run_folder import RunFolder
from server.watching import Observer, RoundLine

_LOG = logging.getLogger("mien.server")


class LogObserver:
    """Writes one line a round to the log, for engines without a terminal of their own."""

    def started(self, run: str, rounds: int, parameters: int, attributes: tuple[str, ...]) -> None:
        """Log the run's name and size."""
        _LOG.info(
            "%s: %d rounds, %d parameters, attributes %s", run, rounds, parameters, ", ".join(attributes)
        )

    def phase(self, round_number: int, name: str, answered: int, asked: int) -> None:
        """Log nothing: a line for every answer would drown the rest."""

    def finished_round(self, line: RoundLine) -> None:
        """Log a round's figures."""
        _LOG.info(
            "round %d: %d of %d clients, loss %s, epsilon %s%s",
            line.round, line.survivors, line.cohort, line.loss, line.epsilon,
            f", abandoned: {line.aborted}" if line.aborted else "",
        )  # fmt: skip


def build_app(folder: RunFolder | None = None, observer: Observer | None = None) -> ServerApp:
    """Return a ServerApp that runs one federation into ``folder`` (else a new one in the app's home)."""
    server_app = ServerApp()

    @server_app.main()
    def main(grid: Grid, context: Context) -> None:
        config = config_of_app(context.run_config)
        torch.set_num_threads(config.threads)
        runs = home_of_app(context.run_config) / "runs"
        place = folder or RunFolder.create(runs, config, engine="Flower")
        federation = federate(config.data, config.clients, config.seed)
        coordinator = Coordinator(grid, config, place, federation.evaluation(), observer or LogObserver())
        coordinator.run(data_facts(config, federation))
        write_report(place.path, coordinator.identity)

    return server_app


def data_facts(config: RunConfig, federation: Federation) -> dict[str, Any]:
    """Return what the report says about the data: counts of a simulated federation, and where it came from."""
    persons = federation.table.persons
    train = [row for rows in federation.clients for row in rows]
    return {
        "source": config.data.source.partition("=")[0],
        "synthetic": federation.synthetic,
        "clients": len(federation.clients),
        "train_photos": len(train),
        "train_persons": len(set(persons[train].tolist())),
        "test_photos": len(federation.test),
        "test_persons": len(set(persons[federation.test].tolist())),
    }


app = build_app()
