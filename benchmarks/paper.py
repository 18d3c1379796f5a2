"""The makeup paper's three networks as it describes them, on real faces, with the figures that it does not
give.

    python benchmarks/paper.py [--quick] [--json FILE] [--check]

Real faces are needed (MIEN_REAL_FACES or ../shared/data, celeba-faces). Numbers in brackets are the sections of
"Application of deep learning in a facial makeup recommendation system".

* Face shape (3.2.1, 4.1). Rows of the CSV that ``mien data features`` writes: the label, then eight whole
  percents. 8 → 16 → 1, sigmoid units, binary cross-entropy, batches of 100, 100 epochs, learning rate 0.001,
  about 10,000 photos. The paper speaks of gradient descent and of Keras; so both plain SGD and Adam are tried,
  on the CSV's own numbers, and Adam on standardised ones.
* Skin (3.2.2, 4.2). Pixels inside the Cr-Cb ellipse; convolutions, pools, ReLU, cross-entropy: is it pale?
* Nose (3.2.3, 4.3). AlexNet, five convolutions and three fully connected layers, on the box around the nose.

Not in the paper, and chosen here: hidden units, the skin network's sizes, how often it and AlexNet saw the photos
(their batch and learning rate are those of 4.1), pictures of 32 pixels, and the split. Nobody is on both sides of
it: a fifth of the persons is kept. For face shape a split by photo is shown too, which is what one gets without
thinking of persons. Accuracy is beside that of always saying no. Intervals are 95 %, by a bootstrap over persons.

--quick: a fifth of the photos, a tenth of the epochs, AlexNet at an eighth of its width. Only the whole run
compares; most of its time is AlexNet's.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from _table import Row, main
from numpy.typing import NDArray
from preparation import real_faces
from torch import Tensor, nn

from configs.schema import Data
from faces.features import write_features
from faces.federation import prepare_table
from faces.sample import FaceTable
from faces.split import split_by_person
from models.inputs import to_inputs
from models.losses import masked_binary_cross_entropy
from models.metrics import (
    Interval,
    auc_interval,
    balanced_accuracy_interval,
    calibration_error_interval,
)
from models.registry import build

BATCH, RATE, EPOCHS = 100, 0.001, 100  # section 4.1
SKIN_EPOCHS, ALEXNET_EPOCHS = 10, 3
SEED = 1

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Trial:
    """One network on one attribute: ``score`` trains on the first rows and returns logits of the second."""

    name: str
    attribute: str
    score: Callable[[Rows, Rows], NDArray[np.float32]]
    by_photo: bool = False


def fit(
    model: nn.Module,
    forward: Callable[[Rows], Tensor],
    labels: NDArray[np.int8],
    train: Rows,
    test: Rows,
    epochs: int,
    optimizer: torch.optim.Optimizer,
) -> NDArray[np.float32]:
    """Train by epochs of shuffled batches; return the logits of ``test``, float32 [len(test)]."""
    generator = np.random.default_rng(SEED)
    marks = torch.from_numpy(labels[:, None].copy())
    model.train()
    for _ in range(epochs):
        for rows in np.array_split(generator.permutation(train), max(1, len(train) // BATCH)):
            optimizer.zero_grad()
            masked_binary_cross_entropy(forward(rows), marks[rows]).mean().backward()
            optimizer.step()
    model.eval()
    with torch.inference_mode():
        return torch.cat(
            [forward(rows)[:, 0] for rows in np.array_split(test, max(1, len(test) // 256))]
        ).numpy()


def csv_of(table: FaceTable, attribute: str) -> NDArray[np.int64]:
    """Return the rows of the paper's CSV, int64 [N, 9], through the file that ``mien data features`` writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.csv"
        write_features(table, attribute, path)
        return np.loadtxt(path, dtype=np.int64, delimiter=",", ndmin=2)


def face_shape(
    table: FaceTable, epochs: int, *, adam: bool, standardised: bool
) -> Callable[..., NDArray[np.float32]]:
    """Return the trial of section 4.1."""
    rows_of_csv = csv_of(table, "Chubby")
    percent = rows_of_csv[:, 1:].astype(np.float32)
    inputs = to_inputs({"jaw": percent / 100})["jaw"] if standardised else torch.from_numpy(percent)

    def score(train: Rows, test: Rows) -> NDArray[np.float32]:
        model = build("face_shape", seed=SEED)
        kind = torch.optim.Adam if adam else torch.optim.SGD
        labels = rows_of_csv[:, 0].astype(np.int8)
        optimizer = kind(model.parameters(), lr=RATE)
        return fit(model, lambda rows: model({"jaw": inputs[rows]}), labels, train, test, epochs, optimizer)

    return score


def picture(table: FaceTable, name: str, attribute: str, epochs: int) -> Callable[..., NDArray[np.float32]]:
    """Return the trial of section 4.2 or 4.3; of a network's several outputs only ``attribute``'s is used."""

    def score(train: Rows, test: Rows) -> NDArray[np.float32]:
        model = build(name, seed=SEED)
        column = model.inputs[0]
        pictures, output = getattr(table, column), model.outputs.index(attribute)

        def forward(rows: Rows) -> Tensor:
            return model(to_inputs({column: pictures[rows]}))[:, [output]]

        optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
        return fit(model, forward, table.label(attribute), train, test, epochs, optimizer)

    return score


def rows_of(table: FaceTable, trial: Trial) -> list[Row]:
    """Train a trial and return its figures."""
    train, test = split_by_person(table, 0.2, SEED)
    if trial.by_photo:
        shuffled = np.random.default_rng(SEED).permutation(len(table))
        test, train = np.sort(shuffled[: len(test)]), np.sort(shuffled[len(test) :])
    marks = table.label(trial.attribute)
    scores = trial.score(train, test)
    given = (scores, marks[test], table.persons[test])
    share = float((marks[train] == 1).mean())
    prior = float(
        np.log(share / (1 - share))
    )  # the threshold at which a calibrated yes is likelier than usual
    right = float(((scores > 0) == (marks[test] == 1)).mean())
    label = f"{trial.name}, {trial.attribute}"
    accuracy = Row(f"{label}: accuracy", right, "", note=f"always no: {float((marks[test] == 0).mean()):.4f}")
    return [
        interval_row(f"{label}: AUC", auc_interval(*given)),
        accuracy,
        interval_row(f"{label}: balanced accuracy", balanced_accuracy_interval(*given)),
        interval_row(
            f"{label}: balanced accuracy, threshold at the prior", balanced_accuracy_interval(*given, prior)
        ),
        interval_row(f"{label}: calibration error", calibration_error_interval(*given)),
    ]


def interval_row(name: str, interval: Interval | None) -> Row:
    if interval is None:
        return Row(name, float("nan"), "", note="not defined: a class is missing")
    return Row(name, interval.value, "", note=f"95 % [{interval.low:.3f}, {interval.high:.3f}]")


def trials(table: FaceTable, quick: bool) -> list[Trial]:
    epochs = EPOCHS // 10 if quick else EPOCHS
    sgd = face_shape(table, epochs, adam=False, standardised=False)
    adam = face_shape(table, epochs, adam=True, standardised=False)
    ours = face_shape(table, epochs, adam=True, standardised=True)
    return [
        Trial("face shape, CSV, SGD", "Chubby", sgd),
        Trial("face shape, CSV, Adam", "Chubby", adam),
        Trial("face shape, standardised, Adam", "Chubby", ours),
        Trial("face shape, standardised, Adam, split by photo", "Chubby", ours, by_photo=True),
        Trial("skin CNN", "Pale_Skin", picture(table, "skin", "Pale_Skin", 1 if quick else SKIN_EPOCHS)),
        Trial(
            "AlexNet / 8" if quick else "AlexNet",
            "Pointy_Nose",
            picture(table, "nose", "Pointy_Nose", 1)
            if quick
            else picture(table, "nose_paper", "Pointy_Nose", ALEXNET_EPOCHS),
        ),
    ]


def measure(quick: bool) -> list[Row]:
    """Return every row."""
    found = real_faces()
    if found is None:
        print(
            "Real faces are needed: set MIEN_REAL_FACES to a folder with celeba-faces/ in it.",
            file=sys.stderr,
        )
        sys.exit(2)
    torch.manual_seed(SEED)
    table = prepare_table(Data(source=f"celeba={found}"))
    if quick:
        table = table.select(np.flatnonzero(table.persons % 5 == 0))
    rows = [
        Row("photos", len(table), "", note="the paper: 10,000 for training, nothing of the test"),
        Row("persons", len(table.persons_present()), "", note="a fifth of them for the test"),
    ]
    for trial in trials(table, quick):
        rows += rows_of(table, trial)
    return rows


if __name__ == "__main__":
    main("The makeup paper's networks on real faces", measure)
