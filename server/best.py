"""The best model so far on the server's own evaluation persons, and when to stop looking for a better one.

Early stopping and privacy: the decision reads released models and persons that no client has, so it is
post-processing. The promise of a run is made for all of ``rounds.count`` rounds, whether they happen or not: when
a run ends depends on what was released, and the smaller ε of the rounds that did happen is what the ledgers hold,
not a stronger promise made in advance.
"""

from __future__ import annotations

import math
from pathlib import Path

from configs.schema import RunConfig
from models.network import Network
from models.weights import save_model
from server.watching import RoundLine

BEST = "best.safetensors"


class BestModel:
    """Keeps ``best.safetensors``: the model of the round with the lowest evaluation loss, the first of equals."""

    def __init__(self, folder: Path, config: RunConfig) -> None:
        self._folder, self._config = folder, config
        self._lowest, self._since = math.inf, 0

    @property
    def exhausted(self) -> bool:
        """True where ``rounds.patience`` evaluations in a row brought no lower loss."""
        patience = self._config.rounds.patience
        return 0 < patience <= self._since

    def take(self, line: RoundLine, model: Network) -> None:
        """Look at a round: one that was abandoned, or not evaluated, counts for nothing."""
        if line.loss is None or line.aborted is not None:
            return
        if not line.loss < self._lowest:  # a loss that is not a number is no better
            self._since += 1
            return
        self._lowest, self._since = line.loss, 0
        notes = {"round": str(line.round), "loss": str(line.loss), "epsilon": str(line.epsilon)}
        save_model(self._folder / BEST, model, self._config.model.name, self._config.model.options, notes)
