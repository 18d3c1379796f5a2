"""Which way to cut a face out tells most about persons who were not seen: the choices in faces/crops.py.

    python benchmarks/crops.py [--quick] [--json FILE] [--check]

Each row trains one small network on crops of real photos (MIEN_REAL_FACES or ../shared/data, celeba-faces) and
gives its AUC on a fifth of the persons, held out. Without real photos there is nothing to measure. --quick takes a
quarter of the persons and one pass over them: it shows that the benchmark runs, not which choice is better.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from _table import Row, main
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from preparation import real_faces
from torch import nn

from faces.alignment import align, apply, canonical_matrix, invert, sample
from faces.crops import jaw_distances, nose_crop, skin_mask
from faces.datasets import open_dataset
from faces.images import load_image
from faces.landmarks import NOSE, fit_landmarks, search_faces

BATCH = 128
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Faces:
    """Photos of one dataset, cut out in every way that is compared; N rows."""

    landmarks: NDArray[np.float64]  # [N, 68, 2] in pixels
    wide: Picture  # [N, 96, 96, 3], margin 0.25
    close: Picture  # [N, 32, 32, 3], margin 0
    nose: Picture  # [N, 3, 32, 32]
    stretched_nose: Picture  # [N, 3, 32, 32]
    labels: dict[str, NDArray[np.float32]]
    test: NDArray[np.bool_]


def cut(path: Path) -> tuple[NDArray[np.float64], Picture, Picture, Picture, Picture] | None:
    """Return landmarks, wide, close, nose and stretched nose of one photo; None where no face is found."""
    image = load_image(path)
    boxes = search_faces(image)
    if not boxes:
        return None
    landmarks = fit_landmarks(image, boxes[0])
    return (
        landmarks,
        align(image, landmarks, 96, margin=0.25),
        align(image, landmarks, 32, margin=0.0),
        nose_crop(image, landmarks, 32),
        stretched_nose(image, landmarks),
    )


def stretched_nose(image: Picture, landmarks: NDArray[np.float64]) -> Picture:
    """Return the paper's box around the nose, 15 % wider on each side, stretched to a square."""
    to_square = canonical_matrix(landmarks, margin=0.0)
    nose = apply(to_square, landmarks[NOSE])
    low, extent = nose.min(axis=0), np.ptp(nose, axis=0)
    low, extent = low - 0.15 * extent, 1.3 * extent
    from_square = invert(to_square)
    box = np.concatenate([from_square[:, :2] * extent, apply(from_square, low)[:, None]], axis=1)
    return np.ascontiguousarray(sample(image, box, 32).transpose(2, 0, 1))


def cut_all(root: Path, quick: bool) -> Faces:
    """Cut every photo of a folder in CelebA's layout (those of a quarter of the persons if quick)."""
    dataset = open_dataset(f"celeba={root}")
    records = [each for each in dataset.records() if not quick or int(each.person) % 4 == 0]
    with ProcessPoolExecutor(2) as pool:
        found = list(pool.map(cut, [each.source for each in records], chunksize=64))
    kept = [(record, crops) for record, crops in zip(records, found, strict=True) if crops is not None]
    persons = np.array([int(record.person) for record, _ in kept])
    everyone = np.unique(persons)
    held_out = np.random.default_rng(0).choice(everyone, len(everyone) // 5, replace=False)
    columns = [np.stack(column) for column in zip(*(crops for _, crops in kept), strict=True)]
    labels = {
        name: np.array([record.labels[name] for record, _ in kept], dtype=np.float32)
        for name in dataset.attributes
    }
    return Faces(*columns, labels=labels, test=np.isin(persons, held_out))


def auc(scores: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    """Return the share of (yes, no) pairs that the scores put in the right order."""
    rank = scores.argsort(kind="stable").argsort(kind="stable")
    yes = int(truth.sum())
    return float((rank[truth == 1].sum() - yes * (yes - 1) / 2) / (yes * (len(truth) - yes)))


def train(
    inputs: NDArray[np.generic], faces: Faces, names: list[str], epochs: int, rate: float
) -> list[float]:
    """Train a small network on these inputs; return its AUC for each attribute on the held-out persons."""
    torch.manual_seed(0)
    data, truth = torch.as_tensor(inputs), np.stack([faces.labels[name] for name in names], axis=1)
    network = jaw_network(len(names)) if inputs.ndim == 2 else picture_network(len(names))
    rows, generator = np.flatnonzero(~faces.test), np.random.default_rng(1)
    steps = epochs * (len(rows) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps + 1)
    for _ in range(epochs):
        order = generator.permutation(rows)
        for start in range(0, len(order) - BATCH + 1, BATCH):
            batch = order[start : start + BATCH]
            x = as_input(data[batch])
            if x.ndim == 4 and generator.random() < 0.5:
                x = x.flip(3)
            loss = nn.functional.binary_cross_entropy_with_logits(network(x), torch.as_tensor(truth[batch]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    network.eval()
    unseen = np.flatnonzero(faces.test)
    with torch.no_grad():
        scores = np.concatenate(
            [
                network(as_input(data[unseen[start : start + 500]])).numpy()
                for start in range(0, len(unseen), 500)
            ]
        )
    return [auc(scores[:, column], truth[unseen, column]) for column in range(len(names))]


def as_input(batch: torch.Tensor) -> torch.Tensor:
    """Scale pictures to about zero mean; leave distances as they are."""
    return batch.float() / 255 - 0.45 if batch.dtype == torch.uint8 else batch


def jaw_network(outputs: int) -> nn.Module:
    """Return the paper's network for the shape of a face: 8 → 16 → outputs, sigmoid."""
    return nn.Sequential(nn.Linear(8, 16), nn.Sigmoid(), nn.Linear(16, outputs))


def picture_network(outputs: int) -> nn.Module:
    """Return a small CNN for 32 × 32 pictures."""
    layers: list[nn.Module] = []
    for before, after in ((3, 24), (24, 48), (48, 96)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.GroupNorm(after // 6, after), nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(96 * 16, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, outputs)
    )


def jaws(faces: Faces) -> dict[str, NDArray[np.float32]]:
    """Return the jaw distances in three units, each column scaled to mean 0 and deviation 1."""
    points = faces.landmarks
    pixels = np.linalg.norm(points[:, 0:8] - points[:, 16:8:-1], axis=2)
    eyes = np.linalg.norm(points[:, 36] - points[:, 45], axis=1)
    units = {
        "average face, aligned (taken)": np.stack([jaw_distances(each) for each in points]),
        "outer eye corners": pixels / eyes[:, None],
        "the face's own width": pixels / pixels[:, :1],
    }
    seen = ~faces.test
    return {
        name: ((each - each[seen].mean(axis=0)) / (each[seen].std(axis=0) + 1e-6)).astype(np.float32)
        for name, each in units.items()
    }


def skin_masks(faces: Faces) -> dict[str, NDArray[np.bool_]]:
    """Return what each ellipse keeps of the close crop: bool [N, 32, 32]."""
    red, green, blue = np.moveaxis(faces.close.astype(np.float32), 3, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    cb, cr = 0.564 * (blue - luma) - 113 + 128, 0.713 * (red - luma) - 155.6 + 128
    cos, sin = np.cos(np.deg2rad(-43)), np.sin(np.deg2rad(-43))
    fixed = ((cos * cb + sin * cr) / 23.4) ** 2 + ((cos * cr - sin * cb) / 15.2) ** 2 <= 1
    return {
        "ellipse of Hsu et al. (taken)": np.stack([skin_mask(each) for each in faces.close]),
        "fixed ellipse": fixed,
        "no mask": np.ones_like(fixed),
    }


def coverage(faces: Faces) -> list[Row]:
    """Return how much of a face, and of what is around it, each ellipse keeps."""
    inside = np.stack([face_area(each) for each in faces.landmarks])
    light = np.array([face[area].mean() for face, area in zip(faces.close, inside, strict=True)])
    dark = light < np.quantile(light, 0.1)
    rows = []
    for name, mask in skin_masks(faces).items():
        for part, share in (
            ("of a face", mask[inside].mean()),
            ("of the darkest tenth of faces", mask[dark][inside[dark]].mean()),
            ("around a face", mask[~inside].mean()),
        ):
            rows.append(Row(f"skin: {name}, kept {part}", 100 * float(share), "%"))
    return rows


def face_area(landmarks: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which pixels of the close crop lie between jaw and brows, without eyes and mouth."""
    points = apply(canonical_matrix(landmarks, margin=0.0), landmarks) * 32
    area = Image.new("L", (32, 32))
    pen = ImageDraw.Draw(area)
    outline = [*range(17), *range(26, 16, -1)]
    for part, value in ((outline, 1), (range(36, 42), 0), (range(42, 48), 0), (range(48, 60), 0)):
        pen.polygon([tuple(points[point]) for point in part], fill=value)
    return np.asarray(area, dtype=np.bool_)


def framings(faces: Faces) -> dict[str, Picture]:
    """Return the whole face at 32 × 32 with three margins."""
    return {
        "margin 0 (taken)": channels_first(faces.close),
        "margin 0.25": channels_first(
            faces.wide.reshape(-1, 32, 3, 32, 3, 3).mean(axis=(2, 4)).astype(np.uint8)
        ),
    }


def channels_first(pictures: Picture) -> Picture:
    """Turn [N, H, W, 3] into [N, 3, H, W]."""
    return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))


def measure(quick: bool) -> list[Row]:
    """Train on each choice and return its AUCs."""
    root = real_faces()
    if root is None:
        return [Row("AUC", float("nan"), "", note="not measured: real photos are not on this machine")]
    torch.set_num_threads(1)
    faces = cut_all(root, quick)
    skins = {name: channels_first(faces.close * mask[..., None]) for name, mask in skin_masks(faces).items()}
    noses = {"square (taken)": faces.nose, "stretched": faces.stretched_nose}
    passes = 1 if quick else 3
    studies: list[tuple[str, dict[str, NDArray[np.generic]], list[str], int, float]] = [
        ("jaw unit", {**jaws(faces)}, ["Chubby"], 4 * passes, 2e-2),
        ("nose box", {**noses}, ["Pointy_Nose"], passes, 2e-3),
        ("skin", {**skins}, ["Pale_Skin", "Rosy_Cheeks"], passes, 2e-3),
        ("framing", {**framings(faces)}, ["Chubby", "Rosy_Cheeks"], passes, 2e-3),
    ]
    note = f"{int(faces.test.sum())} photos of persons not seen"
    return coverage(faces) + [
        Row(f"{study}: {choice}, {name}", value, "AUC", note=note)
        for study, choices, names, epochs, rate in studies
        for choice, inputs in choices.items()
        for name, value in zip(names, train(inputs, faces, names, epochs, rate), strict=True)
    ]


if __name__ == "__main__":
    main("What each way of cutting out a face tells", measure)
