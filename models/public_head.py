"""A linear head on a few directions of public features: what learns most per unit of privacy.

Noise grows with the number of trained weights, so as much as possible is fixed before anyone's photo is seen:

1. Features that need no training on private photos: a public network's face embedding (brought to length 1), the
   eight jaw distances, and the mean colours of a 4 × 4 grid over the face and over the nose: 232 numbers.
2. The directions in which these features differ most between faces of the *public*: principal components
   (Pearson 1901), each scaled to variance 1. Mean and directions were computed by
   ``benchmarks/public_directions.py`` from 1,453 faces of CelebA's train partition, at most a few of a person;
   nobody on whom results are measured is among them, and no label was used.

Only the last step, from at most 32 directions to the attributes, is trained: 25 weights an attribute by default.
Fixed arithmetic on one record costs no privacy. See Tramèr and Boneh 2021, *Differentially private learning needs
better features*.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from importlib.resources import files

import torch
from torch import Tensor, nn
from torch.nn import functional

from mien.errors import ModelError
from models.attributes import ATTRIBUTES
from models.network import Inputs, Network
from models.registry import register

GRID = 4
EMBEDDING = 128
FEATURES = EMBEDDING + 8 + 2 * 3 * GRID * GRID


class PublicHead(Network):
    """Embedding [B, 128], jaw [B, 8], face and nose [B, 3, H, W] -> one logit per attribute [B, A]."""

    def __init__(self, directions: int, attributes: Sequence[str]) -> None:
        super().__init__(inputs=("embedding", "jaw", "face", "nose"), outputs=attributes)
        most = public_directions()[1].shape[1]
        if not 1 <= directions <= most:
            raise ModelError(f"model option directions must be 1 to {most}, got {directions!r}")
        self.directions = directions
        self.output = nn.Linear(directions, len(self.outputs))

    def forward(self, inputs: Inputs) -> Tensor:
        """Return logits [B, A] in the order of ``outputs``."""
        features = public_features(*(self.column(inputs, name) for name in self.inputs))
        mean, projection = (each.to(features) for each in public_directions())
        result: Tensor = self.output((features - mean) @ projection[:, : self.directions])
        return result


def public_features(embedding: Tensor, jaw: Tensor, face: Tensor, nose: Tensor) -> Tensor:
    """Return the features, [B, 232], of columns as ``models.inputs.to_inputs`` gives them.

    Raises ModelError for embeddings of another length than 128.
    """
    if embedding.shape[-1] != EMBEDDING:
        raise ModelError(
            f"public_head reads embeddings of {EMBEDDING} numbers (faces.embedding), got {embedding.shape[-1]}"
        )
    grids = [functional.adaptive_avg_pool2d(picture, GRID).flatten(1) for picture in (face, nose)]
    return torch.cat((functional.normalize(embedding, dim=-1), jaw, *grids), dim=1)


@functools.cache
def public_directions() -> tuple[Tensor, Tensor]:
    """Return the public mean, float32 [232], and the public projection, float32 [232, 32]."""
    content = json.loads(files("models").joinpath("public_directions.json").read_text("utf-8"))
    # The device is named because the first call may come from within `with torch.device("meta")`.
    return (
        torch.tensor(content["mean"], dtype=torch.float32, device="cpu"),
        torch.tensor(content["projection"], dtype=torch.float32, device="cpu"),
    )


@register(
    "public_head",
    inputs=("embedding", "jaw", "face", "nose"),
    outputs=ATTRIBUTES,
    summary="linear head on public principal directions of frozen features",
)
def public_head(directions: int = 24, attributes: Sequence[str] = ATTRIBUTES) -> PublicHead:
    """Build the head; ``directions`` is how many of the 32 public directions it reads, the strongest first."""
    return PublicHead(directions, attributes)
