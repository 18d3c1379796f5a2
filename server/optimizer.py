"""Server optimizers: what the coordinator does with the average update of a round.

They only post-process what secure aggregation and the noise already released, so they cost no privacy.
Reddi et al. 2021, *Adaptive Federated Optimization*, names and defaults; FedAvgM is Hsu et al. 2019. With Δ the
average update, η the rate and t the number of steps taken:

=========== ==================================================== ================================================
config      state                                                step
=========== ==================================================== ================================================
sgd         none                                                 w + η Δ                          (FedAvg)
momentum    v ← β v + Δ                                          w + η v                          (FedAvgM)
adam        m ← β₁ m + (1 − β₁) Δ, v ← β₂ v + (1 − β₂) Δ²        w + η m̂ / (√v̂ + τ)               (FedAdam)
yogi        m likewise, v ← v − (1 − β₂) Δ² sign(v − Δ²)         w + η m / (√v + τ)               (FedYogi)
adagrad     v ← v + Δ²                                           w + η Δ / (√v + τ)               (FedAdagrad)
=========== ==================================================== ================================================

m̂ and v̂ are divided by 1 − βᵗ (Kingma and Ba 2015), so that ``adam`` is ``torch.optim.Adam`` on −Δ with ε = τ.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from configs.schema import Training
from mien.errors import RunError

Vector = NDArray[np.float32]


class ServerOptimizer:
    """Turns average updates (float32 [P], new minus old) into steps of the global weights; this one is FedAvg."""

    def __init__(self, learning_rate: float) -> None:
        self._rate = np.float32(learning_rate)
        self.state: dict[str, Vector] = {}
        """What the next step needs besides the weights; saved with each checkpoint."""

    def step(self, weights: Vector, update: Vector, share: float = 1.0) -> Vector:
        """Return the new global weights, float32 [P]; ``share`` of the learning rate is a schedule's."""
        return np.asarray(
            weights + np.float32(self._rate * share) * self._direction(update), dtype=np.float32
        )

    def restore(self, state: Mapping[str, NDArray[np.floating]]) -> None:
        """Go on from the state of a checkpoint; other entries of it are left alone.

        Raises RunError where an entry is missing or has another shape.
        """
        for name, own in self.state.items():
            found = state.get(name)
            if found is None or found.shape != own.shape:
                raise RunError(
                    f"the optimizer's state {name!r} does not fit: expected {list(own.shape)}, found "
                    f"{'nothing' if found is None else list(found.shape)}; another optimizer or model saved it"
                )
            own[...] = found

    def _direction(self, update: Vector) -> Vector:
        return update


class Momentum(ServerOptimizer):
    """FedAvgM: a heavy ball on the average update."""

    def __init__(self, learning_rate: float, momentum: float, length: int) -> None:
        super().__init__(learning_rate)
        self._momentum = np.float32(momentum)
        self.state = {"velocity": np.zeros(length, np.float32)}

    def _direction(self, update: Vector) -> Vector:
        velocity = self.state["velocity"]
        velocity *= self._momentum
        velocity += update
        return velocity


class _Moments(ServerOptimizer):
    """What FedAdam and FedYogi share: two moments of the average update."""

    def __init__(self, learning_rate: float, beta1: float, beta2: float, tau: float, length: int) -> None:
        super().__init__(learning_rate)
        self._beta1, self._beta2, self._tau = np.float32(beta1), np.float32(beta2), np.float32(tau)
        zeros = np.zeros(length, np.float32)
        self.state = {"first": zeros, "second": zeros.copy(), "steps": np.zeros(1, np.float32)}

    def _mean(self, update: Vector) -> Vector:
        first = self.state["first"]
        first += (1 - self._beta1) * (update - first)
        return first


class Adam(_Moments):
    """FedAdam: per-coordinate steps from the second moment of the average updates, bias-corrected."""

    def _direction(self, update: Vector) -> Vector:
        first, second, steps = self._mean(update), self.state["second"], self.state["steps"]
        steps += 1
        second += (1 - self._beta2) * (np.square(update) - second)
        corrected = first / (1 - self._beta1 ** steps[0])
        spread = np.sqrt(second / (1 - self._beta2 ** steps[0])) + self._tau
        return np.asarray(corrected / spread, dtype=np.float32)


class Yogi(_Moments):
    """FedYogi (Zaheer et al. 2018): the second moment moves by a bounded amount, so rare large updates last."""

    def _direction(self, update: Vector) -> Vector:
        first, second = self._mean(update), self.state["second"]
        square = np.square(update)
        second -= (1 - self._beta2) * square * np.sign(second - square)
        return np.asarray(first / (np.sqrt(second) + self._tau), dtype=np.float32)


class Adagrad(ServerOptimizer):
    """FedAdagrad (Duchi et al. 2011): steps shrink with all that a coordinate has moved so far."""

    def __init__(self, learning_rate: float, tau: float, length: int) -> None:
        super().__init__(learning_rate)
        self._tau = np.float32(tau)
        self.state = {"second": np.zeros(length, np.float32)}

    def _direction(self, update: Vector) -> Vector:
        second = self.state["second"]
        second += np.square(update)
        return np.asarray(update / (np.sqrt(second) + self._tau), dtype=np.float32)


def server_optimizer(training: Training, length: int) -> ServerOptimizer:
    """Return the optimizer that a run config names, for ``length`` weights."""
    rate, beta1 = training.server_learning_rate, training.server_momentum
    if training.server_optimizer == "momentum":
        return Momentum(rate, beta1, length)
    if training.server_optimizer == "adam":
        return Adam(rate, beta1, training.server_beta2, training.server_tau, length)
    if training.server_optimizer == "yogi":
        return Yogi(rate, beta1, training.server_beta2, training.server_tau, length)
    if training.server_optimizer == "adagrad":
        return Adagrad(rate, training.server_tau, length)
    return ServerOptimizer(rate)
