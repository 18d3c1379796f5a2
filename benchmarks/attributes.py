"""How well does one small network learn CelebA's forty attributes, centrally, with no privacy?

It is the yardstick of federated and private training: same network, same pictures, same persons left out. 140 of
the 700 persons of ``celeba-faces`` are never trained on; the others and all of ``celeba-small`` are (other people).
Faces are 64 pixels with a margin of a quarter, so that hair, ears and neck are in the picture.

Run: ``python benchmarks/attributes.py [--quick] [--json FILE] [--check]`` with the folder of both datasets in
MIEN_REAL_FACES. One thread, about 14 minutes of CPU time; ``--quick`` takes three and has no goals.
"""

from __future__ import annotations

import copy
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from _table import Row, at_least, at_most, main
from numpy.typing import NDArray

from faces.datasets.celeba import CelebA
from faces.prepare import PrepareOptions, prepare
from faces.sample import FaceTable
from faces.split import split_by_person
from models.augmentation import augment
from models.inputs import to_inputs
from models.losses import masked_binary_cross_entropy
from models.metrics import auc, auc_interval
from models.network import Network
from models.registry import build

MARGIN = 0.25
PIECES = ("flip", "rotation", "crop", "brightness")
BATCH, RATE, DECAY, WARM_UP, AVERAGING = 64, 2e-3, 0.05, 200, 0.999
NETWORKS = ("multi_attribute", "mobile_face")
GOALS = {"Pale_Skin": 0.95, "Rosy_Cheeks": 0.95, "Chubby": 0.90, "Heavy_Makeup": 0.95}
MEAN_GOAL = 0.89
REPLICATES = 300


@dataclass(frozen=True)
class Split:
    """Pictures uint8 [N, 3, 64, 64] and labels int8 [N, 40] to learn from, and a table of unseen persons."""

    pictures: NDArray[np.uint8]
    labels: NDArray[np.int8]
    test: FaceTable


def load(home: Path) -> Split:
    """Prepare both datasets and leave a fifth of the first one's persons out."""
    options = PrepareOptions(face_size=64, face_margin=MARGIN)
    large, small = (prepare(CelebA(home / name), options) for name in ("celeba-faces", "celeba-small"))
    train, test = split_by_person(large, 0.2, seed=1)
    return Split(
        np.concatenate([large.face[train], small.face]),
        np.concatenate([large.labels[train], small.labels]),
        large.select(test),
    )


def train(name: str, split: Split, seconds: float) -> Network:
    """Return the running average of the weights of AdamW with a cosine schedule over ``seconds`` of CPU time."""
    model = build(name, seed=1)
    average = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(1)
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": weights, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}], lr=RATE
    )
    began, step = time.process_time(), 0
    while True:
        order = torch.randperm(len(split.pictures), generator=generator)
        for start in range(0, len(order) - BATCH + 1, BATCH):
            spent = (time.process_time() - began) / seconds
            if spent >= 1:
                return average
            rate = RATE * min(1.0, step / WARM_UP) * 0.5 * (1.0 + math.cos(math.pi * spent))
            for group in optimizer.param_groups:
                group["lr"] = rate
            rows = order[start : start + BATCH].numpy()
            inputs = augment(to_inputs({"face": split.pictures[rows]}), PIECES, generator, margin=MARGIN)
            loss = masked_binary_cross_entropy(model(inputs), torch.from_numpy(split.labels[rows])).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            with torch.no_grad():
                keep = min(AVERAGING, (1 + step) / (10 + step))
                for mean, now in zip(average.parameters(), model.parameters(), strict=True):
                    mean.lerp_(now, 1.0 - keep)


@torch.no_grad()
def scores(model: Network, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return logits [N, A], the mean over a picture and its mirror image."""
    model.train(False)
    parts = []
    for start in range(0, len(pictures), 256):
        faces = to_inputs({"face": pictures[start : start + 256]})["face"]
        parts.append((model({"face": faces}) + model({"face": faces.flip(3)})).numpy() / 2)
    return np.concatenate(parts)


def mean_auc(found: NDArray[np.float32], test: FaceTable) -> tuple[float, float, float]:
    """Return the mean AUC over the attributes and its 95 % interval by a bootstrap of whole persons."""

    def mean(rows: NDArray[np.int64]) -> float:
        each = [auc(found[rows, k], test.labels[rows, k]) for k in range(found.shape[1])]
        return float(np.mean([value for value in each if value is not None]))

    own = [test.rows_of_person(person) for person in test.persons_present()]
    generator = np.random.default_rng(0)
    draws = [
        mean(np.concatenate([own[i] for i in generator.integers(len(own), size=len(own))]))
        for _ in range(REPLICATES)
    ]
    low, high = np.quantile(draws, [0.025, 0.975])
    return mean(np.arange(len(test), dtype=np.int64)), float(low), float(high)


def latency(model: Network) -> float:
    """Return milliseconds of CPU time for one face."""
    face = {"face": torch.zeros(1, 3, 64, 64)}
    with torch.no_grad():
        model(face)
        began = time.process_time()
        for _ in range(50):
            model(face)
    return (time.process_time() - began) / 50 * 1000


def measure(quick: bool) -> list[Row]:
    """Train each network and measure it on persons it never saw."""
    torch.set_num_threads(1)
    home = os.environ.get("MIEN_REAL_FACES")
    if not home:
        raise SystemExit("set MIEN_REAL_FACES to the folder that holds celeba-faces/ and celeba-small/")
    split, rows = load(Path(home)), []
    for name in NETWORKS[:1] if quick else NETWORKS:
        model = train(name, split, 180.0 if quick else 840.0)
        found = scores(model, split.test.face)
        mean, low, high = mean_auc(found, split.test)
        count = sum(p.numel() for p in model.parameters())
        rows += [
            at_most(f"{name}: parameters", count / 1e6, "million", 2.0),
            at_most(f"{name}: one face, one core", latency(model), "ms", 10.0),
            _row(f"{name}: mean AUC, 40 attributes", mean, None if quick else MEAN_GOAL, low, high),
        ]
        for index, attribute in enumerate(split.test.attributes):
            interval = auc_interval(
                found[:, index], split.test.labels[:, index], split.test.persons, replicates=REPLICATES
            )
            if interval is not None:
                goal = None if quick else GOALS.get(attribute)
                rows.append(_row(f"{name}: {attribute}", interval.value, goal, interval.low, interval.high))
    return rows


def _row(name: str, value: float, goal: float | None, low: float, high: float) -> Row:
    note = f"95 % {low:.3f}–{high:.3f}"
    return Row(name, value, "AUC", note=note) if goal is None else at_least(name, value, "AUC", goal, note)


if __name__ == "__main__":
    main("Forty attributes, central, no privacy", measure)
