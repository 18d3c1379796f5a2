"""Is the face full? Eight jaw distances through one hidden layer of sigmoids (the makeup paper's "BP network")."""

from __future__ import annotations

from torch import Tensor, nn
from typing_extensions import override

from models.inputs import JAW_DISTANCES
from models.network import Inputs, Network, positive
from models.registry import register


class FaceShapeNetwork(Network):
    """Jaw distances [B, 8] -> Chubby logit [B, 1].

    The paper's network is 8 -> hidden -> 1 with sigmoid units and binary cross-entropy. The last sigmoid is in
    the loss (``binary_cross_entropy_with_logits``), where it is exact for large values too.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__(inputs=("jaw",), outputs=("Chubby",))
        positive("hidden", hidden)
        # A Sequential, so that private training recognises the chain and needs one autograd node for it.
        self.layers = nn.Sequential(nn.Linear(JAW_DISTANCES, hidden), nn.Sigmoid(), nn.Linear(hidden, 1))

    def forward(self, inputs: Inputs) -> Tensor:
        """Return logits [B, 1]."""
        result: Tensor = self.layers(self.column(inputs, "jaw"))
        return result

    @override
    def chain(self, inputs: Inputs) -> tuple[nn.Sequential, Tensor]:
        return self.layers, self.column(inputs, "jaw")


@register(
    "face_shape",
    inputs=("jaw",),
    outputs=("Chubby",),
    summary="the paper's fully connected network on 8 jaw distances",
)
def face_shape(hidden: int = 16) -> FaceShapeNetwork:
    """Build the network with ``hidden`` sigmoid units."""
    return FaceShapeNetwork(hidden)
