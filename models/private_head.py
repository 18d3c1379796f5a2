"""A small head on frozen features: the part that is trained when privacy leaves room for few parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from mien.errors import ModelError
from models.attributes import ATTRIBUTES
from models.network import Inputs, Network, positive
from models.registry import register


class PrivateHead(Network):
    """Feature vector [B, D] of a public, frozen network -> one logit per attribute [B, A].

    Each vector is first brought to length √D, so that a coordinate is about 1 in size whatever the features'
    own scale is, and no person's features weigh more than another's. That is arithmetic on one record: it needs
    no statistics of the data. ``hidden`` 0 gives a linear head, otherwise one hidden layer of ReLUs.
    """

    def __init__(self, dimensions: int, hidden: int, attributes: Sequence[str]) -> None:
        super().__init__(inputs=("embedding",), outputs=attributes)
        positive("dimensions", dimensions)
        if hidden < 0:
            raise ModelError(f"model option hidden must be 0 (a linear head) or more, got {hidden!r}")
        self.dimensions = dimensions
        self.body = nn.Sequential(nn.Linear(dimensions, hidden), nn.ReLU()) if hidden else nn.Sequential()
        self.output = nn.Linear(hidden or dimensions, len(self.outputs))

    def forward(self, inputs: Inputs) -> Tensor:
        """Return logits [B, A] in the order of ``outputs``."""
        features = self.column(inputs, "embedding")
        if features.shape[-1] != self.dimensions:
            raise ModelError(
                f"private_head was built for embeddings of {self.dimensions} numbers, got {features.shape[-1]}; "
                f"set the model option dimensions"
            )
        features = functional.normalize(features, dim=-1) * math.sqrt(self.dimensions)
        result: Tensor = self.output(self.body(features))
        return result


@register(
    "private_head",
    inputs=("embedding",),
    outputs=ATTRIBUTES,
    summary="linear or one-hidden-layer head on frozen public features",
)
def private_head(
    dimensions: int = 128, hidden: int = 0, attributes: Sequence[str] = ATTRIBUTES
) -> PrivateHead:
    """Build the head; 128 is the length of dlib's face embedding."""
    return PrivateHead(dimensions, hidden, attributes)
