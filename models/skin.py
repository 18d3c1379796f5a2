"""Is the skin pale, are the cheeks rosy? A small convolutional network on the skin picture."""

from __future__ import annotations

from torch import Tensor, nn

from models.network import Inputs, Network, conv_block, positive
from models.registry import register


class SkinNetwork(Network):
    """Skin picture [B, 3, H, W] (H, W >= 16) -> Pale_Skin, Rosy_Cheeks logits [B, 2].

    Three convolutions with pools between them, then means over the four quarters of the map, so any picture
    size will do. One might fear that a norm by picture divides out the brightness and tint that are asked
    about; on real faces the AUC without the first norm was the same or slightly lower.
    """

    def __init__(self, width: int) -> None:
        super().__init__(inputs=("skin",), outputs=("Pale_Skin", "Rosy_Cheeks"))
        positive("width", width)
        self.features = nn.Sequential(
            conv_block(3, width, groups=4),
            nn.MaxPool2d(2),
            conv_block(width, 2 * width, groups=4),
            nn.MaxPool2d(2),
            conv_block(2 * width, 4 * width, groups=4),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
        )
        self.output = nn.Linear(16 * width, 2)

    def forward(self, inputs: Inputs) -> Tensor:
        """Return logits [B, 2]."""
        result: Tensor = self.output(self.features(self.column(inputs, "skin")))
        return result


@register(
    "skin",
    inputs=("skin",),
    outputs=("Pale_Skin", "Rosy_Cheeks"),
    summary="small CNN on the pixels that the Cr-Cb ellipse calls skin",
)
def skin(width: int = 16) -> SkinNetwork:
    """Build the network; its three convolutions have ``width``, 2 and 4 times ``width`` channels."""
    return SkinNetwork(width)
