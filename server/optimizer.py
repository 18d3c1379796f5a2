"""Server optimizers: what the coordinator does with the average update of a round.

They only post-process what secure aggregation and the noise already released, so they cost no privacy.
Reddi et al. 2021, *Adaptive Federated Optimization*, names and defaults.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from configs.schema import Training

Vector = NDArray[np.float32]


class ServerOptimizer(Protocol):
    """Turns the average update (float32 [P], new minus old) into a step of the global weights."""

    state: dict[str, Vector]
    """What the next step needs besides the weights; saved with each checkpoint."""

    def step(self, weights: Vector, update: Vector) -> Vector:
        """Return the new global weights."""


class Momentum:
    """FedAvgM: a heavy ball on the average update. With ``momentum`` 0 it is plain averaging."""

    def __init__(self, learning_rate: float, momentum: float, length: int) -> None:
        self._rate, self._momentum = np.float32(learning_rate), np.float32(momentum)
        self.state = {"velocity": np.zeros(length, np.float32)}

    def step(self, weights: Vector, update: Vector) -> Vector:
        """Return ``weights + rate · velocity`` with the velocity updated in place."""
        velocity = self.state["velocity"]
        velocity *= self._momentum
        velocity += update
        return weights + self._rate * velocity


class Adam:
    """FedAdam: per-coordinate step sizes from the second moment of the average updates."""

    def __init__(self, learning_rate: float, momentum: float, length: int) -> None:
        self._rate, self._beta1, self._beta2 = (
            np.float32(learning_rate),
            np.float32(momentum),
            np.float32(0.99),
        )
        zeros = np.zeros(length, np.float32)
        self.state = {"first": zeros, "second": zeros.copy(), "steps": np.zeros(1, np.float32)}

    def step(self, weights: Vector, update: Vector) -> Vector:
        """Return the weights after one bias-corrected Adam step along ``update``."""
        first, second, steps = self.state["first"], self.state["second"], self.state["steps"]
        steps += 1
        first += (1 - self._beta1) * (update - first)
        second += (1 - self._beta2) * (np.square(update) - second)
        corrected = first / (1 - self._beta1 ** steps[0])
        spread = np.sqrt(second / (1 - self._beta2 ** steps[0])) + np.float32(1e-8)
        return np.asarray(weights + self._rate * corrected / spread, dtype=np.float32)


def server_optimizer(training: Training, length: int) -> ServerOptimizer:
    """Return the optimizer that a run config names, for ``length`` weights."""
    rate, momentum = training.server_learning_rate, training.server_momentum
    if training.server_optimizer == "adam":
        return Adam(rate, momentum, length)
    return Momentum(rate, momentum if training.server_optimizer == "momentum" else 0.0, length)
