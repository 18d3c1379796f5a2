"""Results by group are those of the group's rows alone, with intervals by person."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from faces.sample import FaceTable
from mien.errors import DataError
from models.metrics import auc_interval, balanced_accuracy_interval, calibration_error_interval
from models.registry import build
from server.evaluation import EVERYBODY, evaluate, evaluate_groups, groups_of


@pytest.fixture(scope="module")
def table() -> FaceTable:
    generator = np.random.default_rng(2)
    persons = np.repeat(np.arange(30), 4).astype(np.int64)
    male = (persons < 15).astype(np.int8)  # one mark is missing, below
    male[0] = -1
    labels = np.stack([generator.integers(-1, 2, 120), male], axis=1).astype(np.int8)
    return FaceTable(
        image_ids=tuple(f"{row}.jpg" for row in range(120)),
        persons=persons,
        person_names=tuple(f"person {n}" for n in range(30)),
        jaw=generator.random((120, 8)).astype(np.float32),
        skin=np.zeros((120, 3, 8, 8), np.uint8),
        nose=np.zeros((120, 3, 8, 8), np.uint8),
        face=generator.integers(0, 256, (120, 3, 32, 32)).astype(np.uint8),
        landmarks=generator.random((120, 68, 2)).astype(np.float32),
        labels=labels,
        attributes=("Chubby", "Male"),
    )


def test_groups_are_the_labels_and_the_measured_depths(table) -> None:
    groups = groups_of(table)
    assert groups[EVERYBODY].all()
    assert groups["Male"].sum() == 59
    assert groups["not Male"].sum() == 60
    assert not (groups["Male"] | groups["not Male"])[0]
    depths = [rows for name, rows in groups.items() if name.startswith("skin depth")]
    assert depths
    assert sum(rows.astype(int) for rows in depths).max() == 1
    for rows in depths:
        assert not set(table.persons[rows]) & set(table.persons[~rows & np.any(depths, axis=0)])
    assert "Young" not in groups


def test_a_group_s_figures_are_those_of_its_rows(table) -> None:
    scores = np.random.default_rng(5).normal(size=(120, 1)).astype(np.float32)
    groups = {"half": table.persons % 2 == 0, "few": table.persons < 9}
    half, few = evaluate_groups(scores, table, ("Chubby",), groups, replicates=200)
    marks = table.label("Chubby")
    rows = groups["half"] & (marks != -1)
    given = (scores[rows, 0], marks[rows], table.persons[rows])
    assert half.auc == auc_interval(*given, replicates=200)
    assert half.balanced_accuracy == balanced_accuracy_interval(*given, replicates=200)
    assert half.calibration_error == calibration_error_interval(*given, replicates=200)
    assert (half.persons, half.photos, half.yes) == (15, rows.sum(), (marks[rows] == 1).sum())
    assert half.auc.low < half.auc.value < half.auc.high
    assert sum(each.count for each in half.reliability) == half.photos
    assert few.reliability == ()
    assert (few.persons, few.auc, few.balanced_accuracy, few.calibration_error) == (9, None, None, None)


def test_one_person_who_has_the_attribute_is_no_sample(table) -> None:
    marks = (table.persons == 7).astype(np.int8)
    changed = dataclasses.replace(table, labels=np.stack([marks, table.label("Male")], axis=1))
    scores = np.random.default_rng(5).normal(size=(120, 1)).astype(np.float32)
    (result,) = evaluate_groups(scores, changed, ("Chubby",), {EVERYBODY: np.ones(120, bool)}, replicates=10)
    assert (result.persons, result.yes, result.auc) == (30, 4, None)


def test_a_model_that_fails_one_group_is_seen_there(table) -> None:
    marks = (np.arange(120) % 2).astype(np.int8)
    changed = dataclasses.replace(table, labels=np.stack([marks, table.label("Male")], axis=1))
    scores = np.where(table.label("Male") == 1, 1 - 2.0 * marks, 2.0 * marks - 1)[:, None].astype(np.float32)
    results = {each.group: each for each in evaluate_groups(scores, changed, ("Chubby",), replicates=100)}
    assert results["Male"].auc.value == 0.0
    assert results["not Male"].auc.value == 1.0
    assert results[EVERYBODY].auc.low < 0.5 < results[EVERYBODY].auc.high


def test_scores_are_the_model_s_logits_and_labels_must_be_there(table) -> None:
    result = evaluate(build("face_shape", seed=1), table)
    assert result.scores.shape == (120, 1)
    assert (
        result.auc["Chubby"] == evaluate_groups(result.scores, table, ("Chubby",), replicates=10)[0].auc.value
    )
    with pytest.raises(DataError, match="no attribute 'Bald'"):
        evaluate_groups(result.scores, table, ("Bald",))
