"""A prepared dataset split over simulated clients: what stands in for many devices with their own photos.

The split is a function of the config alone, so the coordinator (which evaluates on the held-out persons) and
every simulated client (which takes its own rows) find the same one without talking to each other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from configs.schema import Clients, Data
from faces.datasets import open_dataset
from faces.embedding import with_embedding
from faces.feedback import SIMULATED, simulated_feedback
from faces.partition import partition
from faces.prepare import PrepareOptions, prepare
from faces.sample import FaceTable
from faces.split import hold_out_photos, split_by_person

Rows = NDArray[np.int64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Federation:
    """All rows of a dataset, those kept for evaluation, and those of each client.

    No person of the evaluation is a client's.
    """

    table: FaceTable
    test: Rows
    clients: tuple[Rows, ...]
    synthetic: bool
    """True where every face was drawn, or every opinion made up, by Mien's own generators."""
    held_out: tuple[Rows, ...] = ()
    """Rows that each client keeps out of training (``clients.holdout``); other photos of its own persons."""

    def client(self, number: int) -> FaceTable:
        """Return the rows of one client."""
        return self.table.select(self.clients[number])

    def client_holdout(self, number: int) -> FaceTable:
        """Return the rows that one client keeps out of training; maybe none."""
        return self.table.select(self.held_out[number])

    def evaluation(self) -> FaceTable:
        """Return the rows of the persons that no client has."""
        return self.table.select(self.test)


def prepare_table(data: Data, *, cache: Path | None = None, progress: Progress | None = None) -> FaceTable:
    """Open and prepare the dataset of a config, or find it prepared in the cache.

    With ``data.embedding`` the table has its column ``embedding`` too; ``progress`` then runs through twice. The
    source ``simulated-feedback`` has opinions of simulated people instead of faces.
    """
    if data.source == SIMULATED:
        return simulated_feedback()
    options = PrepareOptions(
        face_size=data.face_size,
        skin_size=data.skin_size,
        nose_size=data.nose_size,
        face_margin=data.face_margin,
    )
    table = prepare(open_dataset(data.source), options, cache, progress)
    return with_embedding(table, cache, progress) if data.embedding else table


@functools.lru_cache(maxsize=2)
def _federate(data: str, clients: str, seed: int, cache: Path | None) -> Federation:
    data_config, client_config = Data.model_validate_json(data), Clients.model_validate_json(clients)
    table = prepare_table(data_config, cache=cache)
    train, test = split_by_person(table, data_config.test_fraction, seed)
    parts = partition(
        table,
        train,
        client_config.partition,
        client_config.count,
        seed,
        alpha=float(client_config.alpha),
        attribute=client_config.attribute,
    )
    split = [hold_out_photos(table, part, client_config.holdout, seed) for part in parts]
    simulated = data_config.source == SIMULATED or open_dataset(data_config.source).synthetic
    kept, held = (tuple(side) for side in zip(*split, strict=True))
    return Federation(table, test, kept, simulated, held)


def federate(data: Data, clients: Clients, seed: int, *, cache: Path | None = None) -> Federation:
    """Return the split that a config describes. It is kept, so asking again in one process costs nothing."""
    return _federate(data.model_dump_json(), clients.model_dump_json(), seed, cache)
