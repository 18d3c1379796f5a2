"""How good are the scores? AUC, balanced accuracy and calibration, with intervals that respect persons.

Photos of one person are not independent, so intervals come from a bootstrap that draws whole persons (the
cluster bootstrap; Field and Welsh 2007). Rare attributes make plain accuracy useless: 95.7 % of people are "not
pale", and so is a model that always says no.

Labels are 1 (yes), 0 (no) or −1 (unknown: the record is left out). A figure that is undefined because one class
is missing is None, never NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.errors import ModelError

Floats = NDArray[np.float64]
Weighted = Callable[[Floats], Floats]
"""Weights of the records [R, N] -> one figure per row [R], NaN where a class has no weight."""

BINS = 10
"""Bins of a reliability diagram."""
_CHUNK = 1 << 20  # weights made at a time: a bootstrap of any size runs in a few tens of megabytes


@dataclass(frozen=True)
class Interval:
    """A figure, and the percentile interval [low, high] at ``level`` from ``replicates`` bootstrap draws."""

    value: float
    low: float
    high: float
    level: float
    replicates: int


def auc(scores: ArrayLike, labels: ArrayLike) -> float | None:
    """Return the area under the ROC curve: how often a yes scores above a no, ties counting half.

    ``scores`` [N] real numbers (logits will do), ``labels`` [N]. None when a class is missing.
    Raises ModelError for unequal lengths, other labels, or scores that are NaN.
    """
    known = _known(scores, labels)
    return _point(_weighted_auc(known), known)


def balanced_accuracy(scores: ArrayLike, labels: ArrayLike, threshold: float = 0.0) -> float | None:
    """Return the mean of the two classes' accuracies when ``scores > threshold`` means yes.

    The default threshold suits logits. None when a class is missing; raises as :func:`auc` does.
    """
    known = _known(scores, labels)
    return _point(_weighted_balanced_accuracy(known, threshold), known)


def auc_interval(
    scores: ArrayLike,
    labels: ArrayLike,
    persons: ArrayLike,
    *,
    level: float = 0.95,
    replicates: int = 1000,
    seed: int = 0,
) -> Interval | None:
    """Return :func:`auc` with its bootstrap interval; ``persons`` [N] says whose each record is.

    None when a class is missing. Draws that happen to lack a class say nothing and are left out;
    ``replicates`` of the result counts those that were used.
    """
    known = _known(scores, labels)
    return _bootstrap(_weighted_auc(known), known, persons, level, replicates, seed)


def balanced_accuracy_interval(
    scores: ArrayLike,
    labels: ArrayLike,
    persons: ArrayLike,
    threshold: float = 0.0,
    *,
    level: float = 0.95,
    replicates: int = 1000,
    seed: int = 0,
) -> Interval | None:
    """Return :func:`balanced_accuracy` with its bootstrap interval, as :func:`auc_interval` does."""
    known = _known(scores, labels)
    return _bootstrap(_weighted_balanced_accuracy(known, threshold), known, persons, level, replicates, seed)


@dataclass(frozen=True)
class ReliabilityBin:
    """Records whose predicted probability is in [low, high): how many, what was predicted, what came true."""

    low: float
    high: float
    count: int
    predicted: float
    observed: float


def reliability(scores: ArrayLike, labels: ArrayLike, bins: int = BINS) -> list[ReliabilityBin]:
    """Return the reliability diagram of logits: ``bins`` equal parts of [0, 1], empty ones left out.

    ``predicted`` is the mean probability in the bin, ``observed`` the share of yes. Raises as :func:`auc` does.
    """
    known = _known(scores, labels)
    probabilities = logistic(known.scores)
    place = _bin_of(probabilities, bins)
    count = np.bincount(place, minlength=bins)
    predicted = np.bincount(place, probabilities, minlength=bins)
    observed = np.bincount(place, known.truth, minlength=bins)
    return [
        ReliabilityBin(
            index / bins,
            (index + 1) / bins,
            int(count[index]),
            float(predicted[index] / count[index]),
            float(observed[index] / count[index]),
        )
        for index in np.flatnonzero(count).tolist()
    ]


def calibration_error(scores: ArrayLike, labels: ArrayLike, bins: int = BINS) -> float | None:
    """Return the expected calibration error of logits (Naeini et al. 2015, Guo et al. 2017), 0 to 1.

    It is the mean of |observed − predicted| over the bins of :func:`reliability`, weighted by their records. None
    when a class is missing; raises as :func:`auc` does.
    """
    known = _known(scores, labels)
    return _point(_weighted_calibration_error(known, bins), known)


def calibration_error_interval(
    scores: ArrayLike,
    labels: ArrayLike,
    persons: ArrayLike,
    bins: int = BINS,
    *,
    level: float = 0.95,
    replicates: int = 1000,
    seed: int = 0,
) -> Interval | None:
    """Return :func:`calibration_error` with its bootstrap interval, as :func:`auc_interval` does.

    The error is a mean of absolute values, so with few records it is too large, and so are the draws.
    """
    known = _known(scores, labels)
    return _bootstrap(_weighted_calibration_error(known, bins), known, persons, level, replicates, seed)


def logistic(logits: ArrayLike) -> Floats:
    """Return probabilities of logits, float64, without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * np.asarray(logits, dtype=np.float64))))


@dataclass(frozen=True)
class _Known:
    """The records whose label is known: scores and truth [M], and which of all records they are [N]."""

    scores: Floats
    truth: NDArray[np.bool_]
    kept: NDArray[np.bool_]


def _known(scores: ArrayLike, labels: ArrayLike) -> _Known:
    values, marks = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if values.ndim != 1 or values.shape != marks.shape:
        raise ModelError(f"scores and labels must both be [N], got {list(values.shape)}, {list(marks.shape)}")
    if not np.isin(marks, (-1, 0, 1)).all():
        raise ModelError(f"labels must be 1, 0 or -1 (unknown), got {np.unique(marks)[:8].tolist()}")
    kept = marks != -1
    if np.isnan(values[kept]).any():
        raise ModelError(
            f"{int(np.isnan(values[kept]).sum())} of {int(kept.sum())} scores are not numbers: the model has "
            f"diverged; lower the learning rate"
        )
    return _Known(values[kept], marks[kept] == 1, kept)


def _weighted_auc(known: _Known) -> Weighted:
    """Return the AUC's kernel: sort once; then each row of weights costs a few running sums."""
    order = np.argsort(known.scores, kind="stable")
    ascending = known.scores[order]
    groups = np.flatnonzero(np.concatenate(([True], ascending[1:] != ascending[:-1])))
    truth = known.truth[order].astype(np.float64)

    def figure(weights: Floats) -> Floats:
        weights = weights[:, order]
        yes = np.add.reduceat(weights * truth, groups, axis=1)
        no = np.add.reduceat(weights * (1.0 - truth), groups, axis=1)
        below = np.cumsum(no, axis=1) - no
        return _ratio((yes * (below + no / 2)).sum(axis=1), yes.sum(axis=1) * no.sum(axis=1))

    return figure


def _weighted_balanced_accuracy(known: _Known, threshold: float) -> Weighted:
    said_yes = known.scores > threshold
    columns = np.stack(
        (known.truth & said_yes, known.truth, ~known.truth & ~said_yes, ~known.truth), axis=1
    ).astype(np.float64)

    def figure(weights: Floats) -> Floats:
        right_yes, yes, right_no, no = (weights @ columns).T
        return (_ratio(right_yes, yes) + _ratio(right_no, no)) / 2

    return figure


def _weighted_calibration_error(known: _Known, bins: int) -> Weighted:
    probabilities = logistic(known.scores)
    gaps = np.zeros((known.truth.size, bins))
    gaps[np.arange(known.truth.size), _bin_of(probabilities, bins)] = known.truth - probabilities

    def figure(weights: Floats) -> Floats:
        return _ratio(np.abs(weights @ gaps).sum(axis=1), weights.sum(axis=1))

    return figure


def _bin_of(probabilities: Floats, bins: int) -> NDArray[np.int64]:
    if bins < 1:
        raise ModelError(f"a reliability diagram needs at least 1 bin, got {bins!r}")
    return np.minimum((probabilities * bins).astype(np.int64), bins - 1)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    result = np.full(denominator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


def _point(weighted: Weighted, known: _Known) -> float | None:
    if known.truth.all() or not known.truth.any():  # also when no label is known
        return None
    return float(weighted(np.ones((1, known.truth.size)))[0])


def _bootstrap(
    weighted: Weighted, known: _Known, persons: ArrayLike, level: float, replicates: int, seed: int
) -> Interval | None:
    whose = np.asarray(persons)
    if whose.shape != known.kept.shape:
        raise ModelError(
            f"persons must be [N] like the scores, got {list(whose.shape)}, expected {list(known.kept.shape)}"
        )
    if not 0 < level < 1 or replicates < 1:
        raise ModelError(f"level must be in (0, 1) and replicates at least 1, got {level!r}, {replicates!r}")
    value = _point(weighted, known)
    if value is None:
        return None
    distinct, person = np.unique(whose[known.kept], return_inverse=True)
    shares = np.full(distinct.size, 1.0 / distinct.size)
    generator = np.random.default_rng(seed)
    rows = max(1, _CHUNK // person.size)
    figures = np.concatenate(
        [
            weighted(generator.multinomial(distinct.size, shares, size=size)[:, person].astype(np.float64))
            for size in [rows] * (replicates // rows) + [replicates % rows]
        ]
    )
    figures = figures[~np.isnan(figures)]
    if not figures.size:
        return None
    low, high = np.quantile(figures, ((1 - level) / 2, (1 + level) / 2))
    return Interval(value, float(low), float(high), level, int(figures.size))
