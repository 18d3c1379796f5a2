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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from configs.load import load_config
from faces.shards import CropSizes, crop_face
from mien.errors import ModelError
from models.inputs import to_inputs
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


def hints(run: Path, image: NDArray[np.uint8], points: Points) -> tuple[Hint, ...]:
    """Ask the model of a run folder about a photo (uint8 RGB [H, W, 3]) with these landmarks ([68, 2]).

    Raises ModelError where the folder holds no model, or one that reads something else than a photo of a face;
    ConfigError where its config cannot be read.
    """
    model, about = load_model(weights_of(run))
    wanted = [label for label in QUESTIONS if label in model.outputs]
    if not wanted:
        return ()
    data = load_config(run / "config.toml").data
    # As faces.prepare cuts them for training; it would bring process pools in here.
    sizes = CropSizes(data.face_size, data.skin_size, data.nose_size, data.face_margin, skin_margin=0.0)
    jaw, skin, nose, face, _ = crop_face(image, points, sizes)
    columns: dict[str, NDArray[Any]] = {"jaw": jaw, "skin": skin, "nose": nose, "face": face}
    if missing := [name for name in model.inputs if name not in columns]:
        raise ModelError(
            f"{run}: the model {about.model!r} reads {', '.join(missing)}, which a photo alone does not give: "
            f"expected a model that reads {', '.join(columns)}. Name another run."
        )
    model.eval()
    with torch.inference_mode():
        logits = model.forward(to_inputs({name: column[None] for name, column in columns.items()}))[0]
    likely = {label: float(torch.sigmoid(logits[model.outputs.index(label)])) for label in wanted}
    return tuple(
        Hint(label, QUESTIONS[label], p, about.weights) for label, p in likely.items() if p >= LIKELY
    )


def weights_of(run: Path) -> Path:
    """Return the file of a run's best model, or of its last round."""
    folder = run / "checkpoints"
    found = [*folder.glob("best.safetensors"), *sorted(folder.glob("round-*.safetensors"), reverse=True)]
    if not found:
        raise ModelError(
            f"{run} holds no trained model: expected {folder}/round-….safetensors. Name a run folder."
        )
    return found[0]
