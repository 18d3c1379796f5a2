"""Many attributes from the whole face: a compact convolutional network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from models.attributes import ATTRIBUTES
from models.network import Inputs, Network, conv_block, positive
from models.registry import register


class FaceCnn(Network):
    """Face picture [B, 3, H, W] (H, W >= 16; made for 32 to 64) -> one logit per attribute [B, A].

    Four 3×3 convolutions with GroupNorm, three pools, then a linear layer on a 4×4 map: an aligned face has its
    parts at known places, so the places are kept rather than averaged away.
    """

    def __init__(self, attributes: Sequence[str], width: int) -> None:
        super().__init__(inputs=("face",), outputs=attributes)
        positive("width", width)
        self.features = nn.Sequential(
            conv_block(3, width, groups=4),
            nn.MaxPool2d(2),
            conv_block(width, 2 * width, groups=4),
            nn.MaxPool2d(2),
            conv_block(2 * width, 3 * width, groups=4),
            nn.MaxPool2d(2),
            conv_block(3 * width, 4 * width, groups=4),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
        )
        self.output = nn.Linear(4 * width * 16, len(self.outputs))

    def forward(self, inputs: Inputs) -> Tensor:
        """Return logits [B, A] in the order of ``outputs``."""
        result: Tensor = self.output(self.features(self.column(inputs, "face")))
        return result


@register(
    "face_cnn",
    inputs=("face",),
    outputs=ATTRIBUTES,
    summary="compact CNN on the whole face, any list of attributes",
)
def face_cnn(attributes: Sequence[str] = ATTRIBUTES, width: int = 32) -> FaceCnn:
    """Build the network; its convolutions have 1, 2, 3 and 4 times ``width`` channels."""
    return FaceCnn(attributes, width)
