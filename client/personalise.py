"""Fine-tuning on a device: from the global model to one for the people of this device.

F1. The tuned model is computed on the device from its own photos and stays there: this module writes nothing and
    sends nothing. It is trained without noise, so it must not be shared; nothing in the protocol can carry it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from configs.schema import Training
from faces.sample import FaceTable
from mien.errors import ConfigError
from models.augmentation import augment
from models.inputs import to_inputs
from models.losses import UNKNOWN, masked_binary_cross_entropy
from models.network import Network
from models.weights import matching_parameters
from privacy.randomness import RandomSource

_BATCH = 256


@dataclass(frozen=True)
class FineTuning:
    """How a device tunes a model."""

    steps: int = 30
    learning_rate: float = 0.05
    batch: int = 32
    """Photos in a step; all of them where a device has fewer."""
    only: tuple[str, ...] = ()
    """Names or patterns of the parameters that move; empty moves all."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or not self.learning_rate > 0:
            raise ConfigError(
                f"fine-tuning: steps {self.steps}, batch {self.batch}, learning rate {self.learning_rate:g} must "
                "all be more than 0"
            )


@dataclass(frozen=True)
class Measured:
    """How good a model is on some photos: mean loss, and the share of known labels it gets right."""

    loss: float
    accuracy: float


def fine_tune(
    model: Network,
    table: FaceTable,
    tuning: FineTuning,
    training: Training,
    source: RandomSource,
    margin: float,
) -> None:
    """Tune ``model`` in place on the rows of ``table``: plain SGD, with the run's augmentation and smoothing.

    Raises ModelError where ``tuning.only`` matches no parameter.
    """
    moving = matching_parameters(model, tuning.only or ("*",))
    parameters = [parameter for name, parameter in model.named_parameters() if name in moving]
    optimizer = torch.optim.SGD(parameters, lr=tuning.learning_rate)
    labels = torch.from_numpy(np.stack([table.label(name) for name in model.outputs], axis=1))
    columns = table.columns(model.inputs)
    draws = torch.Generator().manual_seed(int(source.uint64(1)[0] >> np.uint64(1)))
    model.train()
    for _ in range(tuning.steps):
        rows = np.sort(np.argsort(source.uint64(len(table)))[: tuning.batch])
        inputs = to_inputs({name: column[rows] for name, column in columns.items()})
        inputs = augment(inputs, training.augmentation, draws, margin=margin)
        losses = masked_binary_cross_entropy(
            model(inputs), labels[torch.from_numpy(rows)], smoothing=training.label_smoothing
        )
        gradients = torch.autograd.grad(losses.mean(), parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()
    model.zero_grad(set_to_none=True)


def measure(model: Network, table: FaceTable) -> Measured:
    """Return how good ``model`` is on the rows of ``table``; it needs at least one."""
    columns = table.columns(model.inputs)
    labels = np.stack([table.label(name) for name in model.outputs], axis=1)
    model.eval()
    with torch.no_grad():
        scores = torch.cat(
            [
                model(to_inputs({name: column[start : start + _BATCH] for name, column in columns.items()}))
                for start in range(0, len(table), _BATCH)
            ]
        )
    known = labels != UNKNOWN
    right = (scores.numpy() > 0) == (labels > 0)
    loss = masked_binary_cross_entropy(scores, torch.from_numpy(labels)).mean().item()
    return Measured(loss, float(right[known].mean()) if known.any() else float("nan"))
