"""What a federated attribute model may add to advice: a hint which question to ask, and nothing else.

Of the labels that such models learn from CelebA, only those of ``QUESTIONS`` are looked at: one that is about
the colour of this photo, and one that is plainly to be seen. Neither changes a card. Where the model holds one
for likely, the question about it is asked first, with a sentence that says where it came from; the person
answers, or does not. Labels that judge a person (attractive, young, male, chubby, pale) or that annotators do not
agree on (pointed nose, oval face) are never read out of the model, whatever it was trained for: they are a
benchmark of the learning, not advice.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs.load import load_config
from configs.schema import Data
from faces.shards import CropSizes, crop_face
from mien.errors import ModelError
from models.inference import OnnxNetwork
from models.metrics import logistic
from models.scoring import score
from models.weights import load_model
from recommend.reading.geometry import Points

QUESTIONS: Mapping[str, str] = {"Rosy_Cheeks": "redness", "Eyeglasses": "glasses"}
"""CelebA's label → the attribute of the knowledge base whose question it may bring forward."""

LIKELY = 0.5


@dataclasses.dataclass(frozen=True)
class Hint:
    """A model holds ``label`` for likely on this photo, so the question about ``attribute`` is asked first.

    ``probability`` is the model's own and not calibrated; ``weights`` is the SHA-256 of the model's weights.
    """

    label: str
    attribute: str
    probability: float
    weights: str


@dataclasses.dataclass(frozen=True)
class _Asked:
    """A model that can be asked about a photo: which crops it reads, and what it makes of them."""

    model: str
    weights: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    sizes: CropSizes
    logits: Callable[[Mapping[str, NDArray[Any]]], NDArray[np.float32]]


def hints(source: Path, image: NDArray[np.uint8], points: Points) -> tuple[Hint, ...]:
    """Ask the model of a run folder, or an exported file, about a photo (uint8 RGB [H, W, 3], landmarks [68, 2]).

    Raises ModelError where there is no model, or one that reads something else than a photo of a face; ConfigError
    where a run's config cannot be read.
    """
    asked = _exported(source) if source.suffix == ".onnx" else _trained(source)
    wanted = [label for label in QUESTIONS if label in asked.outputs]
    if not wanted:
        return ()
    jaw, skin, nose, face, _ = crop_face(image, points, asked.sizes)
    columns: dict[str, NDArray[Any]] = {"jaw": jaw, "skin": skin, "nose": nose, "face": face}
    if missing := [name for name in asked.inputs if name not in columns]:
        raise ModelError(
            f"{source}: the model {asked.model!r} reads {', '.join(missing)}, which a photo alone does not give: "
            f"expected a model that reads {', '.join(columns)}. Name another one."
        )
    logits = asked.logits({name: columns[name][None] for name in asked.inputs})[0]
    likely = {label: float(logistic(logits[asked.outputs.index(label)])) for label in wanted}
    return tuple(
        Hint(label, QUESTIONS[label], p, asked.weights) for label, p in likely.items() if p >= LIKELY
    )


def _trained(run: Path) -> _Asked:
    model, about = load_model(weights_of(run))
    data = load_config(run / "config.toml").data
    # As faces.prepare cuts them for training; it would bring process pools in here.
    sizes = CropSizes(data.face_size, data.skin_size, data.nose_size, data.face_margin, skin_margin=0.0)
    return _Asked(
        about.model, about.weights, model.inputs, model.outputs, sizes, functools.partial(score, model)
    )


def _exported(file: Path) -> _Asked:
    network = OnnxNetwork(file)
    about, default = network.about, Data()
    side = {name: shape[-1] for name, shape in about.columns.items()}
    sizes = CropSizes(
        face_size=side.get("face", default.face_size),
        skin_size=side.get("skin", default.skin_size),
        nose_size=side.get("nose", default.nose_size),
        face_margin=about.margins["face"],
        skin_margin=about.margins["skin"],
    )
    return _Asked(about.model, about.weights, network.inputs, network.outputs, sizes, network.results)


def weights_of(run: Path) -> Path:
    """Return the file of a run's best model, or of its last round."""
    folder = run / "checkpoints"
    found = [*folder.glob("best.safetensors"), *sorted(folder.glob("round-*.safetensors"), reverse=True)]
    if not found:
        raise ModelError(
            f"{run} holds no trained model: expected {folder}/round-….safetensors. Name a run folder."
        )
    return found[0]
