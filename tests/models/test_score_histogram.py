"""Figures from counts are within their stated error of those from the scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import ModelError
from models.metrics import auc, balanced_accuracy, calibration_error
from models.score_histogram import (
    CELLS,
    EDGES,
    auc_of_counts,
    balanced_accuracy_of_counts,
    calibration_error_of_counts,
    count_scores,
)


def test_the_grid_holds_the_tenths_and_covers_everything() -> None:
    assert (np.diff(EDGES) > 0).all()
    assert (EDGES[0], EDGES[-1]) == (0.0, 1.0)
    assert np.abs(EDGES[:, None] - np.linspace(0, 1, 11)).min(axis=0).max() < 1e-12
    np.testing.assert_allclose(EDGES, 1 - EDGES[::-1], atol=1e-15)


@given(st.integers(0, 2**32 - 1), st.integers(2, 400), st.floats(0.05, 4), st.floats(-5, 3))
@settings(max_examples=150, deadline=None)
def test_figures_are_within_their_bounds(seed: int, records: int, spread: float, shift: float) -> None:
    generator = np.random.default_rng(seed)
    labels = generator.integers(-1, 2, records)
    scores = generator.normal(size=records) * spread + shift + 0.5 * labels
    (counts,) = count_scores(scores[:, None], labels[:, None])
    true = auc(scores, labels)
    found = auc_of_counts(counts)
    assert (found is None) == (true is None)
    if true is None:
        return
    assert abs(found.value - true) <= found.error + 1e-12
    error = calibration_error_of_counts(counts)
    assert abs(error.value - calibration_error(scores, labels)) <= error.error + 1e-9
    assert balanced_accuracy_of_counts(counts) == pytest.approx(balanced_accuracy(scores, labels), abs=1e-12)


def test_the_bound_is_small_where_scores_are_spread() -> None:
    generator = np.random.default_rng(1)
    labels = (generator.random(20_000) < 0.05).astype(int)
    scores = generator.normal(size=20_000) * 1.5 - 3 + 2.5 * labels
    (counts,) = count_scores(scores[:, None], labels[:, None])
    assert auc_of_counts(counts).error < 0.02
    assert abs(auc_of_counts(counts).value - auc(scores, labels)) < 0.001
    assert calibration_error_of_counts(counts).error < 0.01


def test_counts_add_up_and_unknown_labels_are_left_out() -> None:
    generator = np.random.default_rng(2)
    scores, labels = generator.normal(size=(50, 3)), generator.integers(-1, 2, (50, 3))
    whole = count_scores(scores, labels)
    assert whole.shape == (3, 2, CELLS)
    assert (whole == count_scores(scores[:20], labels[:20]) + count_scores(scores[20:], labels[20:])).all()
    for index in range(3):
        assert whole[index].sum(axis=1).tolist() == [(labels[:, index] == mark).sum() for mark in (0, 1)]
    assert count_scores([[800.0, -800.0]], [[1, 0]]).sum() == 2


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ModelError, match=r"\[N, A\]"):
        count_scores([1.0], [1])
    with pytest.raises(ModelError, match="numbers"):
        count_scores([[float("nan")]], [[1]])
    with pytest.raises(ModelError, match=f"must be .2, {CELLS}"):
        auc_of_counts(np.zeros((2, 5)))
    assert auc_of_counts(np.zeros((2, CELLS))) is None
