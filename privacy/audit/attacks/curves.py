"""Receiver operating curves: how many are found at which price in false alarms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Curve = tuple[tuple[float, float], ...]


def roc(scores: NDArray[np.floating], members: NDArray[np.bool_], points: int = 200) -> Curve:
    """Return (false-positive rate, true-positive rate) pairs, ascending, from (0, 0) to (1, 1).

    ``scores``: higher means "member". At most ``points`` pairs, dense where false positives are rare.
    """
    false, true = _rates(scores, members)
    wanted = np.unique(np.concatenate((np.geomspace(1e-5, 1.0, points // 2), np.linspace(0, 1, points // 2))))
    places = np.unique(np.clip(np.searchsorted(false, wanted, side="right") - 1, 0, len(false) - 1))
    pairs = [(0.0, 0.0), *((float(false[i]), float(true[i])) for i in places), (1.0, 1.0)]
    return tuple(dict.fromkeys(pairs))


def tpr_at(scores: NDArray[np.floating], members: NDArray[np.bool_], fpr: float) -> float:
    """Return the true-positive rate at the largest false-positive rate that is not above ``fpr``."""
    false, true = _rates(scores, members)
    return float(true[np.searchsorted(false, fpr, side="right") - 1])


def area(scores: NDArray[np.floating], members: NDArray[np.bool_]) -> float:
    """Return the area under the curve: 0.5 is guessing."""
    false, true = _rates(scores, members)
    return float(np.trapezoid(true, false))


def _rates(
    scores: NDArray[np.floating], members: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both rates at every distinct threshold, ascending, (0, 0) first; equal scores go together."""
    order = np.argsort(-scores, kind="stable")
    hit = members[order]
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    true = np.cumsum(hit)[last] / max(1, int(hit.sum()))
    false = np.cumsum(~hit)[last] / max(1, int((~hit).sum()))
    return np.concatenate(([0.0], false)), np.concatenate(([0.0], true))
