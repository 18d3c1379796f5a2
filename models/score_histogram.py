"""Scores as counts: what is enough to know of many people's scores to say how good a model is.

For each attribute and label the records are counted by predicted probability, on a public grid. Counts of
different devices add up, so the sum over all of them can be known without any device's own
(``privacy.federated_evaluation``). AUC and calibration follow from the sum, with an error that the sum itself
bounds:

* AUC. Pairs of a yes and a no in one cell count half; at worst all are ordered, or none. So the error is at
  most half the share of such pairs, ``½ Σ yes_b·no_b / (yes·no)``.
* Calibration error, in the ten bins of ``models.metrics``. The grid splits these bins, so only the mean
  probability within a cell is not known: it is taken to be the cell's middle, off by at most half its width.

The grid is finer near 0 and 1, where the scores of rare attributes are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.errors import ModelError
from models.metrics import BINS, logistic

Counts = NDArray[np.int64]
_TAIL = 0.1 * 2.0 ** (-np.arange(16, 0, -1) / 2)  # the outermost tenths, by factors of √2
EDGES: NDArray[np.float64] = np.concatenate(
    [[0.0], _TAIL, np.linspace(0.1, 0.9, 33), 1.0 - _TAIL[::-1], [1.0]]
)
"""Borders of the cells, probabilities, ascending: 66 cells."""

CELLS = len(EDGES) - 1
_MIDDLES = (EDGES[1:] + EDGES[:-1]) / 2
_HALF_WIDTHS = (EDGES[1:] - EDGES[:-1]) / 2
_TENTHS = np.minimum((_MIDDLES * BINS).astype(np.int64), BINS - 1)


@dataclass(frozen=True)
class Bounded:
    """A figure from counts, and how far at most it is from that of the records themselves "
    "(noise not counted)."""

    value: float
    error: float


def count_scores(scores: ArrayLike, labels: ArrayLike) -> Counts:
    """Return the counts of logits [N, A] with labels [N, A] (1, 0, −1 unknown): int64 [A, 2, CELLS], no before
    yes.

    Raises ModelError for other shapes, labels, or scores that are NaN.
    """
    values, marks = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if values.ndim != 2 or values.shape != marks.shape:
        raise ModelError(
            f"scores and labels must both be [N, A], got {list(values.shape)} and {list(marks.shape)}"
        )
    if not np.isin(marks, (-1, 0, 1)).all() or np.isnan(values[marks != -1]).any():
        raise ModelError("labels must be 1, 0 or -1 (unknown), and scores with a known label numbers")
    counts = np.zeros((values.shape[1], 2, CELLS), dtype=np.int64)
    cells = np.clip(np.searchsorted(EDGES, logistic(values), side="right") - 1, 0, CELLS - 1)
    rows, attributes = np.nonzero(marks != -1)
    np.add.at(counts, (attributes, marks[rows, attributes], cells[rows, attributes]), 1)
    return counts


def auc_of_counts(counts: ArrayLike) -> Bounded | None:
    """Return the AUC from one attribute's counts [2, CELLS]; None when a class is missing.

    Counts may have noise, so they may be fractions or below 0; the value is cut to [0, 1], and so is the error.
    """
    no, yes = _checked(counts)
    pairs = yes.sum() * no.sum()
    if yes.sum() <= 0 or no.sum() <= 0:
        return None
    below = np.cumsum(no) - no
    value = float((yes * (below + no / 2)).sum() / pairs)
    error = float(np.maximum(yes * no, 0.0).sum() / 2 / pairs)
    return Bounded(min(max(value, 0.0), 1.0), min(error, 1.0))


def balanced_accuracy_of_counts(counts: ArrayLike) -> float | None:
    """Return the balanced accuracy at probability 0.5, which is a border of the grid: no error "
    "but at exactly 0.5."""
    no, yes = _checked(counts)
    if yes.sum() <= 0 or no.sum() <= 0:
        return None
    above = _MIDDLES > 0.5
    return float((yes[above].sum() / yes.sum() + no[~above].sum() / no.sum()) / 2)


def calibration_error_of_counts(counts: ArrayLike) -> Bounded | None:
    """Return the expected calibration error from one attribute's counts [2, CELLS]; None where "
    "a class is missing."""
    no, yes = _checked(counts)
    if yes.sum() <= 0 or no.sum() <= 0:
        return None
    both, total = yes + no, float(yes.sum() + no.sum())
    gaps = np.bincount(_TENTHS, yes - both * _MIDDLES, minlength=BINS)
    error = float((np.maximum(both, 0.0) * _HALF_WIDTHS).sum() / total)
    return Bounded(float(np.abs(gaps).sum() / total), error)


def _checked(counts: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values = np.asarray(counts, dtype=np.float64)
    if values.shape != (2, CELLS):
        raise ModelError(f"counts of an attribute must be [2, {CELLS}], got {list(values.shape)}")
    return values[0], values[1]
