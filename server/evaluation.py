"""How good the global model is, on persons that no client has: for all of them, and group by group."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from faces.sample import UNKNOWN, FaceTable
from faces.skin_tone import DEPTHS, person_depths
from models.losses import masked_binary_cross_entropy
from models.metrics import (
    Interval,
    ReliabilityBin,
    auc,
    auc_interval,
    balanced_accuracy_interval,
    calibration_error_interval,
    reliability,
)
from models.network import Network
from models.scoring import score

EVERYBODY = "everybody"
LABEL_GROUPS = ("Male", "Young")
"""Labels of CelebA that are used as groups to measure errors by, and for nothing else."""

FEWEST_PERSONS, FEWEST_OF_A_CLASS = 10, 5
"""Persons, and persons who have a yes or a no, below which a group is counted and not measured.

One person's photos are near copies: with a single person who has the attribute, an interval is narrow and
wrong.
"""


@dataclass(frozen=True)
class Evaluation:
    """Mean loss and, for each attribute, the area under the ROC curve (None where only one class is there)."""

    loss: float
    auc: dict[str, float | None]
    scores: NDArray[np.float32]
    """Logits, float32 [N, A]."""


@dataclass(frozen=True)
class GroupResult:
    """One attribute on the photos of one group; the figures are None where they are not defined.

    ``yes`` counts the photos that have the attribute. Intervals are at 95 %, by a bootstrap over persons.
    """

    attribute: str
    group: str
    persons: int
    photos: int
    yes: int
    auc: Interval | None
    balanced_accuracy: Interval | None
    calibration_error: Interval | None
    reliability: tuple[ReliabilityBin, ...] = ()
    """The reliability diagram behind the calibration error."""


def evaluate(model: Network, table: FaceTable) -> Evaluation:
    """Score every row of ``table`` with ``model``; the model's outputs must be labels of the table.

    Raises DataError where they are not, ModelError where the table lacks a column that the model reads.
    """
    labels = np.stack([table.label(name) for name in model.outputs], axis=1)
    scores = score(model, table.columns(model.inputs))
    loss = masked_binary_cross_entropy(torch.from_numpy(scores), torch.from_numpy(labels)).mean().item()
    areas: dict[str, float | None] = {}
    for index, name in enumerate(model.outputs):
        areas[name] = auc(scores[:, index], labels[:, index])
    return Evaluation(loss, areas, scores)


def groups_of(table: FaceTable) -> dict[str, NDArray[np.bool_]]:
    """Return the rows of each group, bool [N]: everybody, the labels' own groups, and measured depths of skin.

    Labels that the table lacks make no group; nor do depths that no person has, or rows that have no face
    picture.
    """
    groups = {EVERYBODY: np.ones(len(table), dtype=bool)}
    for label in LABEL_GROUPS:
        if label in table.attributes:
            marks = table.label(label)
            groups[label] = marks == 1
            groups[f"not {label}"] = (marks != 1) & (marks != UNKNOWN)
    if table.face.shape[-1]:
        depths = person_depths(table)
        groups |= {name: depths == index for index, name in enumerate(DEPTHS) if (depths == index).any()}
    return groups


def evaluate_groups(
    scores: NDArray[np.float32],
    table: FaceTable,
    attributes: tuple[str, ...],
    groups: Mapping[str, NDArray[np.bool_]] | None = None,
    *,
    replicates: int = 1000,
    progress: Callable[[int, int], None] | None = None,
) -> list[GroupResult]:
    """Return a result for each attribute and group from logits [N, A] of the table's rows.

    ``groups`` are by default those of :func:`groups_of`. Groups of fewer than ``FEWEST_PERSONS`` persons, or of
    fewer than ``FEWEST_OF_A_CLASS`` who have a yes or a no, have counts only. ``progress`` is called with
    (attributes done, attributes in all). Raises DataError for an attribute that the table lacks.
    """
    rows_of = groups_of(table) if groups is None else groups
    results = []
    for index, attribute in enumerate(attributes):
        if progress is not None:
            progress(index, len(attributes))
        marks = table.label(attribute)
        for group, inside in rows_of.items():
            rows = np.flatnonzero(inside & (marks != UNKNOWN))
            given = (scores[rows, index], marks[rows], table.persons[rows])
            results.append(_measured(attribute, group, *given, replicates))
    return results


def _measured(
    attribute: str,
    group: str,
    scores: NDArray[np.float32],
    marks: NDArray[np.int8],
    persons: NDArray[np.int64],
    replicates: int,
) -> GroupResult:
    count, yes = len(np.unique(persons)), int((marks == 1).sum())
    result = GroupResult(attribute, group, count, len(marks), yes, None, None, None)
    fewest_of_a_class = min(len(np.unique(persons[marks == mark])) for mark in (0, 1))
    if count < FEWEST_PERSONS or fewest_of_a_class < FEWEST_OF_A_CLASS:
        return result
    return dataclasses.replace(
        result,
        auc=auc_interval(scores, marks, persons, replicates=replicates),
        balanced_accuracy=balanced_accuracy_interval(scores, marks, persons, replicates=replicates),
        calibration_error=calibration_error_interval(scores, marks, persons, replicates=replicates),
        reliability=tuple(reliability(scores, marks)),
    )
