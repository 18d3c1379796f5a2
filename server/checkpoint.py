"""Checkpoints: the model after a round, whole or absent, as safetensors, and what the optimizer needs to go on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from configs.schema import RunConfig
from mien.files import write_atomic
from models.network import Network
from models.weights import save_model
from server.watching import RoundLine

_KEPT = 2  # a crash while one is written leaves the one before


def save_checkpoint(
    folder: Path,
    number: int,
    config: RunConfig,
    model: Network,
    optimizer: Mapping[str, NDArray[np.floating[Any]]],
    line: RoundLine,
) -> None:
    """Write ``round-NNNNN.safetensors`` and ``optimizer-NNNNN.safetensors``; keep the last two of each.

    ``optimizer`` is what the next round needs besides the weights, an adaptive clipping norm included.

    The optimizer's file comes first, so a round that can be seen is complete.
    """
    write_atomic(folder / f"optimizer-{number:05d}.safetensors", safetensors.numpy.save(dict(optimizer)))
    notes = {"round": str(number), "loss": str(line.loss), "epsilon": str(line.epsilon)}
    save_model(
        folder / f"round-{number:05d}.safetensors", model, config.model.name, config.model.options, notes
    )
    for stem in ("round", "optimizer"):
        for old in sorted(folder.glob(f"{stem}-*.safetensors"))[:-_KEPT]:
            old.unlink()
