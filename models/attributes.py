"""The makeup paper's three networks as one model."""

from __future__ import annotations

import torch
from torch import Tensor

from models.face_shape import FaceShapeNetwork
from models.network import Inputs, Network
from models.nose import NoseNetwork
from models.registry import register
from models.skin import SkinNetwork

ATTRIBUTES = ("Chubby", "Pale_Skin", "Rosy_Cheeks", "Pointy_Nose")
"""The four attributes of the paper, in the fixed order of the logits."""


class AttributeTrio(Network):
    """Jaw distances, skin picture and nose crop -> logits [B, 4] in the order of :data:`ATTRIBUTES`.

    It is one module, not three, so that private training clips one gradient per person over all three
    networks: three gradients clipped apart would be three releases, and cost √3 times the sensitivity.
    """

    def __init__(self, shape: FaceShapeNetwork, skin: SkinNetwork, nose: NoseNetwork) -> None:
        super().__init__(
            inputs=shape.inputs + skin.inputs + nose.inputs,
            outputs=shape.outputs + skin.outputs + nose.outputs,
        )
        self.shape = shape
        self.skin = skin
        self.nose = nose

    def forward(self, inputs: Inputs) -> Tensor:
        """Return logits [B, 4]."""
        return torch.cat((self.shape(inputs), self.skin(inputs), self.nose(inputs)), dim=1)


@register(
    "attributes",
    inputs=("jaw", "skin", "nose"),
    outputs=ATTRIBUTES,
    summary="the paper's three networks (face shape, skin, nose) as one module",
)
def attributes(shape_hidden: int = 16, skin_width: int = 16, nose_width: float = 0.125) -> AttributeTrio:
    """Build the three networks; the options are theirs."""
    return AttributeTrio(
        FaceShapeNetwork(shape_hidden),
        SkinNetwork(skin_width),
        NoseNetwork(nose_width, pooled=3, dropout=0.0),
    )
