"""Bayesian logistic regression with effects of groups and of single rules, on a few hundred rows.

The model of one person. The logit that they like rule r of group g with features x is

    f = b0 + w0 · x + b + w · x + u_g + v_r,

with the prior mean (b0, w0) shared by everybody, and b, w, u_g, v_r of this person, independent normal with the
deviations of :class:`Spread`. In the space of rows it is a Gaussian process with the sum of these covariances;
its posterior is Laplace's approximation (Rasmussen and Williams 2006, algorithms 3.1 and 3.2). Chapelle and Li
2011 use the same for a linear logit. The result is a function of the set of rows: their order does not matter.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

_STEPS, _TOLERANCE = 50, 1e-9


@dataclasses.dataclass(frozen=True)
class Spread:
    """How far people differ from the mean, as deviations of a logit."""

    features: float = 1.0
    bias: float = 0.5
    group: float = 0.5
    rule: float = 0.7


@dataclasses.dataclass(frozen=True)
class Rows:
    """N rows: features float64 [N, F], and the numbers of each row's rule and group, int64 [N]."""

    features: Matrix
    rules: NDArray[np.int64]
    groups: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.features)


def covariance(left: Rows, right: Rows, spread: Spread) -> Matrix:
    """Return the prior covariance of the logits of two lists of rows, float64 [N, M]."""
    same_group = left.groups[:, None] == right.groups[None, :]
    same_rule = left.rules[:, None] == right.rules[None, :]
    linear: Matrix = left.features @ right.features.T
    result: Matrix = spread.features**2 * linear + spread.bias**2
    result += spread.group**2 * same_group + spread.rule**2 * same_rule
    return result


@dataclasses.dataclass(frozen=True)
class Posterior:
    """What is believed of one person's logits after their rows."""

    rows: Rows
    spread: Spread
    pulls: Vector
    """[N]: how far each row moves a logit, per unit of covariance with it."""
    root: Vector
    """[N]: square roots of the likelihood's curvature."""
    inner: Matrix
    """[N, N]: 1 + √W K √W, whose eigenvalues are at least 1."""

    @classmethod
    def of(
        cls, rows: Rows, liked: NDArray[Any], weights: Vector, offsets: Vector, spread: Spread
    ) -> Posterior:
        """Fit. ``liked`` bool [N]; ``weights`` [N] count rows as parts; ``offsets`` [N] are the prior means."""
        kernel = covariance(rows, rows, spread)
        signs = np.where(liked, 1.0, -1.0)
        pulls = np.zeros(len(rows))
        best, logits = -np.inf, offsets
        for _ in range(_STEPS):
            likely = _expit(logits)
            curvature = weights * likely * (1.0 - likely)
            root, inner = _inner(kernel, curvature)
            target = curvature * (logits - offsets) + weights * (liked - likely)
            step = target - root * np.linalg.solve(inner, root * (kernel @ target)) - pulls
            pulls, logits, value = _line_search(kernel, offsets, signs, weights, pulls, step, best)
            if value - best < _TOLERANCE:
                break
            best = value
        likely = _expit(logits)
        root, inner = _inner(kernel, weights * likely * (1.0 - likely))
        return cls(rows, spread, weights * (liked - likely), root, inner)

    def shifts(self, rows: Rows) -> Matrix:
        """Return how far each own row moves each given row's logit from the prior mean, float64 [M, N]."""
        return covariance(rows, self.rows, self.spread) * self.pulls

    def deviations(self, rows: Rows) -> Vector:
        """Return the standard deviation of the logit of each given row, float64 [M]."""
        spread = self.spread
        same = spread.bias**2 + spread.group**2 + spread.rule**2
        prior = spread.features**2 * (rows.features**2).sum(axis=1) + same
        across = covariance(self.rows, rows, self.spread) * self.root[:, None]
        known = (across * np.linalg.solve(self.inner, across)).sum(axis=0)
        deviations: Vector = np.sqrt(np.maximum(prior - known, 0.0))
        return deviations


def _inner(kernel: Matrix, curvature: Vector) -> tuple[Vector, Matrix]:
    root = np.sqrt(curvature)
    return root, np.eye(len(root)) + root[:, None] * kernel * root[None, :]


def _expit(logits: Vector) -> Vector:
    likely: Vector = 0.5 * (1.0 + np.tanh(0.5 * logits))
    return likely


def _line_search(
    kernel: Matrix, offsets: Vector, signs: Vector, weights: Vector, pulls: Vector, step: Vector, best: float
) -> tuple[Vector, Vector, float]:
    """Halve a Newton step until the log posterior does not fall; it is concave, so some step does not."""
    length = 1.0
    while True:
        trial = pulls + length * step
        change = kernel @ trial
        logits = offsets + change
        value = float(-0.5 * trial @ change - weights @ np.logaddexp(0.0, -signs * logits))
        if value >= best or length < 1e-6:
            return trial, logits, value
        length /= 2
