"""AUC against its definition, pair by pair; intervals against what they must cover."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from mien.errors import ModelError
from models.metrics import (
    auc,
    auc_interval,
    balanced_accuracy,
    balanced_accuracy_interval,
    calibration_error,
    calibration_error_interval,
    reliability,
)

_rows = st.lists(st.tuples(st.integers(-3, 3), st.sampled_from([-1, 0, 1])), min_size=0, max_size=30)


def _naive_auc(scores: list[float], labels: list[int]) -> float | None:
    pairs = [
        (yes > no) + (yes == no) / 2
        for yes, a in zip(scores, labels, strict=True)
        for no, b in zip(scores, labels, strict=True)
        if a == 1 and b == 0
    ]
    return sum(pairs) / len(pairs) if pairs else None


@given(_rows)
@settings(max_examples=200, deadline=None)
def test_auc_is_the_share_of_ordered_pairs(rows: list[tuple[int, int]]) -> None:
    scores, labels = [float(score) for score, _ in rows], [label for _, label in rows]
    expected = _naive_auc(scores, labels)
    found = auc(scores, labels)
    assert (found is None) == (expected is None)
    if expected is not None:
        assert found == pytest.approx(expected, abs=1e-12)


def test_auc_of_known_cases() -> None:
    assert auc([0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1]) == 1.0
    assert auc([0.4, 0.3, 0.2, 0.1], [0, 0, 1, 1]) == 0.0
    assert auc([5.0, 5.0, 5.0], [0, 1, 1]) == 0.5
    assert auc([-np.inf, 0.0, np.inf], [0, 0, 1]) == 1.0
    assert auc([1.0, 2.0], [1, 1]) is None
    assert auc([1.0, 2.0], [-1, -1]) is None
    assert auc([], []) is None


def test_balanced_accuracy() -> None:
    scores, labels = [1.0, -1.0, 2.0, 3.0, 9.0], [1, 1, 0, 1, -1]
    assert balanced_accuracy(scores, labels) == pytest.approx((2 / 3 + 0) / 2)
    assert balanced_accuracy(scores, labels, threshold=2.5) == pytest.approx((1 / 3 + 1) / 2)
    assert balanced_accuracy([-1.0] * 100, [1] + [0] * 99) == 0.5  # "always no" earns nothing
    assert balanced_accuracy([1.0], [0]) is None


def test_one_person_one_photo_gives_the_usual_interval() -> None:
    """With one record a person the bootstrap's width is that of DeLong's theory, about ±1.96 errors."""
    generator = np.random.default_rng(3)
    labels = (np.arange(600) % 2).astype(int)
    scores = generator.normal(size=600) + labels
    found = auc_interval(scores, labels, np.arange(600), seed=1)
    assert found is not None
    assert found.value == auc(scores, labels)
    assert found.low < found.value < found.high
    yes, no = scores[labels == 1], scores[labels == 0]
    wins = (yes[:, None] > no[None, :]).astype(float)
    error = np.sqrt(wins.mean(axis=1).var(ddof=1) / 300 + wins.mean(axis=0).var(ddof=1) / 300)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.12)


def test_photos_of_one_person_do_not_count_as_people() -> None:
    """Twenty copies of each record add no evidence: the interval by person must not shrink."""
    generator = np.random.default_rng(4)
    labels = (np.arange(120) % 2).astype(int)
    scores = generator.normal(size=120) + labels
    persons = np.arange(120)
    once = auc_interval(scores, labels, persons, seed=5)
    copied = auc_interval(np.repeat(scores, 20), np.repeat(labels, 20), np.repeat(persons, 20), seed=5)
    as_people = auc_interval(np.repeat(scores, 20), np.repeat(labels, 20), np.arange(2400), seed=5)
    assert once is not None
    assert copied is not None
    assert as_people is not None
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high))
    assert as_people.high - as_people.low < 0.4 * (once.high - once.low)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    """100 draws of 60 persons with 3 correlated photos each: true AUC from the normal law, 95 % level."""
    generator = np.random.default_rng(6)
    persons = np.repeat(np.arange(60), 3)
    labels = (persons % 2).astype(int)
    truth, covered = norm.cdf(1 / np.sqrt(2)), 0
    for trial in range(100):
        own = generator.normal(size=60)[persons] * np.sqrt(0.7)
        scores = own + generator.normal(size=180) * np.sqrt(0.3) + labels
        found = auc_interval(scores, labels, persons, replicates=200, seed=trial)
        assert found is not None
        covered += found.low <= truth <= found.high
    assert covered >= 85  # fewer has probability below 1e-4 at a true coverage of 95 %


def test_intervals_are_repeatable_and_skip_draws_without_a_class() -> None:
    scores, labels, persons = [3.0, 1.0, 2.0, 0.5], [1, 0, 0, 0], ["a", "b", "c", "d"]
    first = auc_interval(scores, labels, persons, replicates=400, seed=9)
    assert first == auc_interval(scores, labels, persons, replicates=400, seed=9)
    assert first is not None
    assert first.replicates == pytest.approx(400 * (1 - 0.75**4 - 0.25**4), rel=0.15)
    accuracy = balanced_accuracy_interval(scores, labels, persons, threshold=1.5, replicates=400, seed=9)
    assert accuracy is not None
    assert accuracy.value == pytest.approx((1 + 2 / 3) / 2)
    assert 0.5 <= accuracy.low <= accuracy.high <= 1.0
    assert auc_interval([1.0, 2.0], [1, 1], [0, 1]) is None


def test_chunks_do_not_change_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(8)
    scores, labels, persons = generator.normal(size=50), np.arange(50) % 2, np.arange(50) // 5
    whole = auc_interval(scores, labels, persons, replicates=101)
    monkeypatch.setattr("models.metrics._CHUNK", 350)
    assert auc_interval(scores, labels, persons, replicates=101) == whole


@pytest.mark.parametrize(
    ("scores", "labels", "words"),
    [
        ([1.0, 2.0], [1], ["[2]", "[1]"]),
        ([1.0, 2.0], [1, 2], ["1, 0 or -1", "2"]),
        ([1.0, float("nan")], [0, 1], ["1 of 2", "diverged"]),
        ([[1.0]], [[1]], ["[1, 1]"]),
    ],
)
def test_refuses(scores: list, labels: list, words: list[str]) -> None:
    for figure in (auc, balanced_accuracy):
        with pytest.raises(ModelError) as refusal:
            figure(scores, labels)
        assert all(word in str(refusal.value) for word in words), str(refusal.value)


def test_interval_refuses_bad_settings() -> None:
    with pytest.raises(ModelError, match=r"persons must be \[N\]"):
        auc_interval([1.0, 2.0], [0, 1], [1])
    with pytest.raises(ModelError, match="level"):
        auc_interval([1.0, 2.0], [0, 1], [1, 2], level=95.0)
    with pytest.raises(ModelError, match="replicates"):
        auc_interval([1.0, 2.0], [0, 1], [1, 2], replicates=0)


def _naive_calibration_error(scores, labels, bins: int) -> float:
    probabilities = [1 / (1 + np.exp(-score)) for score in scores]
    total = 0.0
    for index in range(bins):
        last = index == bins - 1
        inside = [
            (p, y)
            for p, y in zip(probabilities, labels, strict=True)
            if y != -1 and index / bins <= p and (p < (index + 1) / bins or last)
        ]
        if inside:
            total += abs(sum(y for _, y in inside) - sum(p for p, _ in inside))
    return total / sum(y != -1 for y in labels)


def test_calibration_error_is_the_mean_gap_of_its_bins() -> None:
    generator = np.random.default_rng(3)
    scores, labels = generator.normal(size=300) * 3, generator.integers(-1, 2, 300)
    for bins in (1, 7, 10):
        found = calibration_error(scores, labels, bins)
        assert found == pytest.approx(_naive_calibration_error(scores, labels, bins), abs=1e-12)
    rows = reliability(scores, labels, 7)
    assert sum(row.count for row in rows) == (labels != -1).sum()
    gap = sum(row.count * abs(row.observed - row.predicted) for row in rows) / (labels != -1).sum()
    assert gap == pytest.approx(calibration_error(scores, labels, 7), abs=1e-12)
    assert all(row.low <= row.predicted <= row.high for row in rows)


def test_true_probabilities_are_calibrated_and_exaggerated_ones_are_not() -> None:
    generator = np.random.default_rng(4)
    logits = generator.normal(size=40_000)
    labels = (generator.random(40_000) < 1 / (1 + np.exp(-logits))).astype(int)
    persons = generator.integers(0, 4000, 40_000)
    honest = calibration_error_interval(logits, labels, persons, replicates=100)
    loud = calibration_error_interval(3 * logits, labels, persons, replicates=100)
    assert honest is not None
    assert loud is not None
    assert honest.high < 0.015 < 0.1 < loud.low
    assert auc(logits, labels) == auc(3 * logits, labels)


def test_calibration_of_nothing_and_of_extremes() -> None:
    assert calibration_error([1.0, 2.0], [1, 1]) is None
    assert reliability([], []) == []
    assert calibration_error([800.0, -800.0], [1, 0]) == 0.0
    assert calibration_error([800.0, -800.0], [0, 1]) == 1.0
    with pytest.raises(ModelError, match="at least 1 bin"):
        reliability([1.0], [1], 0)
