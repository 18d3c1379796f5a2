"""A network's results on many records, batch by batch and without gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.inputs import to_inputs
from models.network import Network

_BATCH = 256


def score(model: Network, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """Return the results of raw columns as a face table has them, float32 [N, K]; N may be 0.

    The model is put into evaluation mode and left there. Raises ModelError where a column is missing or wrong.
    """
    model.eval()
    rows = len(next(iter(columns.values())))
    if not rows:
        return np.zeros((0, len(model.outputs)), dtype=np.float32)
    with torch.no_grad():
        parts = [
            model(to_inputs({name: column[start : start + _BATCH] for name, column in columns.items()}))
            for start in range(0, rows, _BATCH)
        ]
    return np.asarray(torch.cat(parts).numpy(), dtype=np.float32)
