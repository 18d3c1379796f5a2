"""Measure the synthetic faces: speed, detection, truth of the landmarks, identity, surgery, learnability.

python benchmarks/synthetic.py [--quick] [--json FILE] [--check]

Identity is measured by dlib's face_recognition_resnet_model_v1, which was trained on photographs.
Learnability is the AUC of the makeup paper's three networks, trained centrally and without privacy, on persons
not trained on, mean of two splits; --quick leaves it out.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import dlib
import numpy as np
import torch
from _table import Row, at_least, at_most, main
from numpy.typing import NDArray

from faces import dlib_models
from faces.datasets.embedded import EmbeddedFaces
from faces.landmarks import fit_landmarks, search_faces
from faces.prepare import PrepareOptions, prepare
from faces.sample import FaceTable
from faces.synthetic import assets
from faces.synthetic.dataset import SyntheticRecord, embedded_records, records, surgery_pairs
from models.attributes import ATTRIBUTES, attributes
from models.initialise import initialise
from models.inputs import to_inputs
from models.losses import masked_binary_cross_entropy
from models.metrics import auc

RECOGNITION = "dlib_face_recognition_resnet_model_v1.dat"
NAMED = {
    "right outer eye corner": 45,
    "left outer eye corner": 36,
    "right inner eye corner": 42,
    "left inner eye corner": 39,
    "nose tip": 30,
    "right mouth corner": 54,
    "left mouth corner": 48,
    "chin": 8,
}
GOALS = {"Chubby": 0.75, "Pale_Skin": 0.85, "Rosy_Cheeks": 0.85, "Pointy_Nose": 0.75}
EPOCHS = 40


def measure(quick: bool) -> list[Row]:
    """Return all rows."""
    torch.set_num_threads(1)
    rows = [at_most("asset file", assets.PATH.stat().st_size / 1e6, "MB", 0.8)]
    rows += speed(60 if quick else 200)
    rows += detection(embedded_records()[:: 8 if quick else 3])
    rows += identity(24 if quick else 50, 4 if quick else 6)
    rows += surgery(8 if quick else 20)
    if not quick:
        rows += learnability()
    return rows


def speed(pictures: int) -> list[Row]:
    """Time the drawing of pictures as preparation meets them: person by person, one thread."""
    times = []
    for record in records(pictures // 8 + 1, 8, seed=5000)[:pictures]:
        start = time.thread_time()
        record.render()
        times.append(time.thread_time() - start)
    mean = 1e3 * sum(times) / len(times)
    whole = mean * len(embedded_records()) / 2e3
    return [
        at_most("one picture, 144 x 144", mean, "ms CPU", 120, f"mean of {pictures}, new persons included"),
        at_most("the embedded set on two cores", whole, "s", 90, "computed from the row above"),
    ]


def detection(rows: list[SyntheticRecord]) -> list[Row]:
    """Count the faces that dlib finds, and compare its landmarks to the mesh."""
    plain, doubled, errors = 0, 0, []
    for row in rows:
        picture = row.render()
        plain += len(search_faces(picture, max_upsample=0)) == 1
        boxes = search_faces(picture, max_upsample=1)
        doubled += len(boxes) == 1
        if boxes:
            fitted, truth = fit_landmarks(picture, boxes[0]), row.landmarks()
            eyes = np.linalg.norm(truth["right outer eye corner"] - truth["left outer eye corner"])
            errors += [np.linalg.norm(fitted[index] - truth[name]) / eyes for name, index in NAMED.items()]
    note = f"{len(rows)} pictures of the embedded set"
    return [
        at_least("exactly one face found, upsample 0 or 1", 100 * doubled / len(rows), "%", 99, note),
        Row("exactly one face found, upsample 0", 100 * plain / len(rows), "%", note=note),
        at_most(
            "dlib's landmarks against the mesh",
            100 * float(np.median(errors)),
            "% of eye distance",
            6,
            "median",
        ),
    ]


def embed(rows: list[SyntheticRecord]) -> NDArray[np.float64]:
    """Return dlib's 128-number embedding of each picture, (n, 128); NaN where no face is found."""
    network = dlib.face_recognition_model_v1(str(dlib_models.landmarks_path().with_name(RECOGNITION)))
    predictor = dlib.shape_predictor(str(dlib_models.landmarks_path()))
    result = np.full((len(rows), 128), np.nan)
    for number, row in enumerate(rows):
        picture = row.render()
        boxes = search_faces(picture, max_upsample=1)
        if boxes:
            box = boxes[0]
            corners = (round(box.left), round(box.top), round(box.right), round(box.bottom))
            shape = predictor(picture, dlib.rectangle(*corners))
            result[number] = network.compute_face_descriptor(picture, shape)
    return result


def distances(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return all Euclidean distances, (n, m)."""
    gaps: NDArray[np.float64] = np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))
    return gaps


def identity(persons: int, images: int) -> list[Row]:
    """Tell persons apart by an embedding that has never seen a synthetic face."""
    rows = records(persons, images, seed=7000)
    vectors = embed(rows)
    people = np.array([row.truth.identity.seed for row in rows])
    kind = np.array([(row.truth.identity.male, row.truth.identity.seed % 3) for row in rows])
    first, second = np.triu_indices(len(rows), 1)
    gap = distances(vectors, vectors)[first, second]
    same = people[first] == people[second]
    alike = (kind[first] == kind[second]).all(1)
    known = np.isfinite(gap)
    everyone, hard = known, known & (same | alike)
    note = f"{persons} persons x {images} pictures"
    return [
        at_least("identity AUC", auc(-gap[everyone], same[everyone]) or 0.0, "", 0.99, note),
        Row("identity AUC, same sex and shape base", auc(-gap[hard], same[hard]) or 0.0, "", note=note),
        Row("mean distance, same person", float(gap[known & same].mean()), ""),
        Row(
            "mean distance, two persons",
            float(gap[known & ~same].mean()),
            "",
            note="0.6 is no threshold here",
        ),
    ]


def surgery(persons: int) -> list[Row]:
    """Tell persons apart across surgery: pictures before against pictures after, of all persons."""
    pairs = surgery_pairs(persons)
    before = embed([row for pair in pairs[::3] for row in pair.before])
    people = np.arange(persons).repeat(len(pairs[0].before))
    same = (people[:, None] == people[None]).ravel()
    rows = []
    for step, strength in enumerate(sorted({pair.strength for pair in pairs})):
        after = embed([row for pair in pairs[step::3] for row in pair.after])
        gap = distances(before, after).ravel()
        genuine, impostor = gap[same & np.isfinite(gap)], gap[~same & np.isfinite(gap)]
        scores = -np.concatenate([genuine, impostor])
        area = auc(scores, np.arange(len(scores)) < len(genuine)) or 0.0
        accepted = 100 * float((genuine < np.quantile(impostor, 0.01)).mean())
        note = f"{persons} persons; mean distance {genuine.mean():.3f}"
        rows.append(Row(f"identity AUC across surgery {strength:g}", area, "", note=note))
        rows.append(Row(f"recognised after surgery {strength:g}", accepted, "%", note="at 1 % false matches"))
    return rows


def learnability() -> list[Row]:
    """Train the paper's three networks centrally on 80 % of the persons, and test on the others."""
    with tempfile.TemporaryDirectory() as cache:
        table = prepare(EmbeddedFaces(), PrepareOptions(), Path(cache))
        results = [split_auc(table, seed) for seed in (0, 1)]
    return [
        at_least(
            f"AUC on unseen persons, {name}",
            float(np.mean([r[name] for r in results])),
            "",
            goal,
            "no DP, central",
        )
        for name, goal in GOALS.items()
    ]


def split_auc(table: FaceTable, seed: int) -> dict[str, float]:
    """Return the test AUC of each attribute for one split by person."""
    people = np.random.default_rng(seed).permutation(np.unique(table.persons))
    test = np.isin(table.persons, people[: len(people) // 5])
    marks = np.stack([table.label(name) for name in ATTRIBUTES], axis=1)

    def inputs(chosen: NDArray[np.bool_]) -> dict[str, torch.Tensor]:
        return to_inputs({"jaw": table.jaw[chosen], "skin": table.skin[chosen], "nose": table.nose[chosen]})

    seen, labels = inputs(~test), torch.tensor(marks[~test]).float()
    network = initialise(attributes(), seed)
    optimiser = torch.optim.Adam(network.parameters(), 2e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.02, EPOCHS)
    shuffle = torch.Generator().manual_seed(seed)
    for epoch in range(EPOCHS):
        for batch in torch.randperm(len(labels), generator=shuffle).split(64):
            flip = [-1] if epoch % 2 else []
            some = {name: x[batch].flip(flip) if x.ndim == 4 else x[batch] for name, x in seen.items()}
            loss = masked_binary_cross_entropy(network(some), labels[batch]).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        schedule.step()
    with torch.no_grad():
        scores = network(inputs(test)).numpy()
    return {name: auc(scores[:, i], marks[test][:, i]) or 0.0 for i, name in enumerate(ATTRIBUTES)}


if __name__ == "__main__":
    main("Synthetic faces", measure)
