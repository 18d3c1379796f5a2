"""Checks of the private optimizer: what one record can move, and the noise of its steps.

The records' gradients are known in closed form: one matrix W of zeros, and the loss of a record (x, t) is
t·Wx, whose gradient t xᵀ does not depend on W.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn

from privacy.audit.conformance.build import Build, Trainer
from privacy.audit.conformance.check import (
    Check,
    correlation_p,
    detectable_deficit,
    deviation_interval,
    exact,
    mean_p,
    statistical,
)
from privacy.dpsgd.optimizer import MARGIN

NORM, SIGMA, DIVISOR, SIDE, STEPS, RECORDS = 0.8, 1.3, 37.0, 64, 500, 6
GRID = 8
"""Steps of the released grid in one standard deviation of the noise; part of what the optimizer promises."""
_SLACK = 0.01
"""Relative surplus of noise up to which a build still does what it says."""


class Bilinear(nn.Module):
    """Two matrices of zeros, of which only the first is used: T3 wants noise on both."""

    def __init__(self) -> None:
        super().__init__()
        self.used = nn.Linear(SIDE, SIDE, bias=False)
        self.unused = nn.Linear(SIDE, 1, bias=False)

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Return the losses, [records]."""
        products: Tensor = self.used(x) * target
        return products.sum(1)


class Observed:
    """A trainer seen from outside: records in, released sums out."""

    def __init__(self, build: Build, noise_multiplier: float = SIGMA) -> None:
        self._model = Bilinear()
        self._trainer: Trainer = build.trainer(
            self._model, clipping_norm=NORM, noise_multiplier=noise_multiplier, divisor=DIVISOR,
            learning_rate=1.0, source=build.source(),
        )  # fmt: skip

    def release(self, x: Tensor, target: Tensor) -> NDArray[np.float64]:
        """Return what one step on the records releases: the change of all weights, times the divisor."""
        with torch.no_grad():
            for parameter in self._model.parameters():
                parameter.zero_()
        if len(x):
            self._trainer.step(lambda: self._model(x, target))
        else:
            self._trainer.step_empty()
        change = torch.cat([parameter.detach().flatten() for parameter in self._model.parameters()])
        return change.double().numpy() * -DIVISOR

    def steps(self, x: Tensor, target: Tensor, steps: int = STEPS) -> NDArray[np.float64]:
        """Return several releases, [steps, coordinates]."""
        return np.stack([self.release(x, target) for _ in range(steps)])


def check_optimizer(build: Build) -> Iterator[Check]:
    """Yield the checks of the private optimizer."""
    x, target = _records()
    yield _sensitivity(build)
    clipped = _clipped_sum(x, target)
    released = Observed(build, noise_multiplier=0.0).release(x, target)
    error = float(np.linalg.norm(released - clipped) / np.linalg.norm(clipped))
    yield exact("optimizer: divisor", error < 1e-5, f"relative error of the released sum {error:.1e}",
                "clipped sum over the public divisor, within 1e-5", "wrong divisor, wrong clipping")  # fmt: skip
    one, other = Observed(build), Observed(build)
    noise = one.steps(x, target) - clipped
    beside = other.steps(x, target, STEPS // 2) - clipped
    empty = other.steps(x[:0], target[:0])
    yield from _level(noise, empty)
    yield _shape(empty)
    yield _order(noise, clipped)
    yield _repetition(noise, beside)
    yield statistical(
        "optimizer: noise apart from data",
        [mean_p(noise, _deviation()), correlation_p(noise, np.broadcast_to(clipped, noise.shape))],
        "noise without a mean, and without a component along the clipped sum",
        "noise that depends on the data; the same noise in every step",
    )


def _records() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(9)  # inputs of a check; not a secret and not noise
    x, target = torch.randn(2, RECORDS, SIDE, generator=generator)
    return x, target


def _clipped_sum(x: Tensor, target: Tensor) -> NDArray[np.float64]:
    """Return the clipped sum by the definition, record by record; zeros for the unused matrix."""
    gradients = (target.double()[:, :, None] * x.double()[:, None, :]).flatten(1).numpy()
    norms = np.linalg.norm(gradients, axis=1, keepdims=True)
    total = (gradients * np.minimum(1.0, NORM / norms)).sum(axis=0)
    return np.concatenate((total, np.zeros(SIDE)))


def _sensitivity(build: Build) -> Check:
    """Add hostile records one at a time; each may move the sum by C, and long ones must move it by C."""
    x, target = _records()
    hostile = [1.0, 1e-9, 1e9, 1e30, 0.0, math.nan, math.inf]
    observed = Observed(build, noise_multiplier=0.0)
    base = observed.release(x, target)
    moves = []
    for size in hostile:
        added = torch.cat((x, torch.full((1, SIDE), size)))
        moves.append(float(np.linalg.norm(observed.release(added, torch.cat((target, target[:1]))) - base)))
    moves += [float(np.linalg.norm(observed.release(x[:keep], target[:keep])
                                   - observed.release(x[: keep + 1], target[: keep + 1])))
              for keep in range(RECORDS)]  # fmt: skip
    most = max(moves)
    return exact(
        "optimizer: sensitivity", NORM * (1 - 1e-5) <= most <= NORM * (1 + 1e-5),
        f"one record of {len(moves)} moved the sum by {most / NORM:.7f} C at most",
        "1 C within 1e-5, reached; records that are not finite move nothing",
        "missing clip, clip by layer or photo, a divisor that depends on the batch",
    )  # fmt: skip


def _deviation() -> float:
    return SIGMA * NORM * math.sqrt((1 + MARGIN) ** 2 + 1 / (12 * GRID**2))


def _level(noise: NDArray[np.float64], empty: NDArray[np.float64]) -> Iterator[Check]:
    for name, draws in (("noise level", noise), ("noise of an empty batch", empty)):
        low, high = (bound / (SIGMA * NORM) for bound in deviation_interval(draws))
        deficit = detectable_deficit(draws.size)
        yield Check(
            f"optimizer: {name}", high >= 1.0 and low <= 1.0 + _SLACK,
            f"{low:.4f} to {high:.4f} of the promised deviation", f"1, at most {1 + _SLACK:g}",
            f"too little noise: a deficit of {deficit:.1%} with 99.9 %", 1e-8,
        )  # fmt: skip
    low, high = (bound / (SIGMA * NORM) for bound in deviation_interval(noise[:, -SIDE:]))
    yield Check(
        "optimizer: unused parameters", high >= 1.0 and low <= 1.0 + _SLACK,
        f"{low:.3f} to {high:.3f} of the promised deviation", "the same noise as on used ones",
        "noise only where a gradient was, which tells which records were there", 1e-8,
    )  # fmt: skip


def _shape(empty: NDArray[np.float64]) -> Check:
    """Compare with the exact law: a Gaussian number, rounded to a grid of an eighth of its deviation."""
    steps = np.rint(empty.ravel() / (SIGMA * NORM * (1 + MARGIN) / GRID)).astype(np.int64)
    widest = 3 * GRID
    edges = (np.arange(-widest, widest) + 0.5) / GRID
    expected = np.diff(np.concatenate(([0.0], stats.norm.cdf(edges), [1.0])))
    counts = np.bincount(np.clip(steps, -widest, widest) + widest, minlength=2 * widest + 1)
    return statistical(
        "optimizer: noise shape", [float(stats.chisquare(counts, expected * steps.size).pvalue)],
        f"a Gaussian number, rounded to {1 / GRID:g} of its deviation",
        "another distribution of the right variance, such as uniform or Laplace noise",
    )  # fmt: skip


def _order(noise: NDArray[np.float64], clipped: NDArray[np.float64]) -> Check:
    """A sum that was clipped after the noise is as short as the records alone; a true one is far longer."""
    longest = RECORDS * NORM
    shortest = float(np.linalg.norm(noise + clipped, axis=1).min())
    return exact(
        "optimizer: order", shortest > 2 * longest,
        f"shortest released sum {shortest / NORM:.1f} C",
        f"beyond {2 * RECORDS} C: σ√d = {SIGMA * math.sqrt(clipped.size):.0f} C", "noise before clipping",
    )  # fmt: skip


def _repetition(noise: NDArray[np.float64], beside: NDArray[np.float64]) -> Check:
    half = len(beside)
    return statistical(
        "optimizer: repetition",
        [
            correlation_p(noise[1:], noise[:-1]),
            correlation_p(noise[half : 2 * half], noise[:half]),
            correlation_p(noise[:half], beside),
            *(correlation_p(noise[:, lag:], noise[:, :-lag]) for lag in (1, 2, 8, SIDE)),
        ],
        "no correlation between steps, coordinates and clients",
        "a reused seed, one noise for several coordinates",
    )  # fmt: skip
