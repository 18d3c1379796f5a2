"""How good the global model is, on persons that no client has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from faces.sample import FaceTable
from models.inputs import to_inputs
from models.losses import masked_binary_cross_entropy
from models.metrics import auc
from models.network import Network

_BATCH = 256


@dataclass(frozen=True)
class Evaluation:
    """Mean loss and, for each attribute, the area under the ROC curve (None where only one class is there)."""

    loss: float
    auc: dict[str, float | None]
    scores: NDArray[np.float32]
    """Logits, float32 [N, A]."""


def evaluate(model: Network, table: FaceTable) -> Evaluation:
    """Score every row of ``table`` with ``model``; the model's outputs must be labels of the table.

    Raises DataError where they are not, ModelError where the table lacks a column that the model reads.
    """
    labels = np.stack([table.label(name) for name in model.outputs], axis=1)
    columns = table.columns(model.inputs)
    model.eval()
    with torch.no_grad():
        scores = torch.cat(
            [
                model(to_inputs({name: column[start : start + _BATCH] for name, column in columns.items()}))
                for start in range(0, len(labels), _BATCH)
            ]
        )
    loss = masked_binary_cross_entropy(scores, torch.from_numpy(labels)).mean().item()
    values = scores.numpy()
    areas: dict[str, float | None] = {}
    for index, name in enumerate(model.outputs):
        areas[name] = auc(values[:, index], labels[:, index])
    return Evaluation(loss, areas, values)
