"""A device's own photos, as records: one record is one person, a stack of at most k of her photos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client.feedback import SOURCE, shared_feedback
from configs.schema import RunConfig
from faces.federation import federate, prepare_table
from faces.sample import FaceTable
from faces.split import hold_out_photos
from mien.errors import EmptyClientError
from privacy.randomness import RandomSource

PARTITION = "partition-id"


def device_table(config: RunConfig, node_config: Mapping[str, object]) -> FaceTable:
    """Return the rows of this device: its own dataset where its operator named one, else its simulated share.

    Raises EmptyClientError for a device without a row, PolicyError where the rows are its owner's feedback and the
    owner does not share it.
    """
    own = node_config.get("data")
    if own is not None and str(own).startswith(SOURCE):
        table = shared_feedback(Path(str(own).removeprefix(SOURCE)).expanduser())
    elif own is not None:
        table = prepare_table(config.data.model_copy(update={"source": str(own)}))
        if config.clients.holdout:
            rows = np.arange(len(table), dtype=np.int64)
            table = table.select(hold_out_photos(table, rows, config.clients.holdout, config.seed)[0])
    else:
        table = federate(config.data, config.clients, config.seed).client(int(str(node_config[PARTITION])))
    if len(table) == 0:
        raise EmptyClientError(
            "this device has no photo with a face in it, and no feedback, so it cannot take part"
        )
    return table


@dataclass(frozen=True)
class Stack:
    """Rows of R records with k slots each; an unused slot repeats a row with weight 0."""

    rows: NDArray[np.int64]
    """[R, k] row numbers of the table."""
    weights: NDArray[np.float32]
    """[R, k]; each record's weights sum to 1."""


class Persons:
    """The records of a table."""

    def __init__(self, table: FaceTable, photos: int) -> None:
        self._photos = photos
        self._rows = [table.rows_of_person(person) for person in table.persons_present()]

    def __len__(self) -> int:
        return len(self._rows)

    def stack(self, chosen: NDArray[np.int64], source: RandomSource) -> Stack:
        """Draw at most k photos of each chosen person, without repetition, from the device's own randomness."""
        rows = np.zeros((len(chosen), self._photos), np.int64)
        weights = np.zeros((len(chosen), self._photos), np.float32)
        for index, person in enumerate(chosen):
            own = self._rows[person]
            drawn = own[np.argsort(source.uint64(len(own)))[: self._photos]]
            rows[index] = np.resize(drawn, self._photos)
            weights[index, : len(drawn)] = 1.0 / len(drawn)
        return Stack(rows, weights)
