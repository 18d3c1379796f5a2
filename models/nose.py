"""Is the nose pointed? AlexNet (Krizhevsky et al. 2012) on the crop around the nose."""

from __future__ import annotations

from torch import Tensor, nn

from mien.errors import ModelError
from models.network import Inputs, Network, group_norm, positive
from models.registry import register

_CHANNELS = (96, 256, 384, 384, 256)  # of the five convolutions, in the 2012 paper
_UNITS = 4096  # of the first two fully connected layers


class NoseNetwork(Network):
    """Nose crop [B, 3, H, W] (H, W >= 16; made for 32 to 64) -> Pointy_Nose logit [B, 1].

    Five convolutions, three max pools (3×3, stride 2: overlapping, as in the paper), three fully connected
    layers. Two changes for crops a quarter of AlexNet's 224 pixels, and for clipping by record: the first
    window is 5×5 with stride 1 instead of 11×11 with stride 4 (the same share of the picture), and the two
    local response normalisations are GroupNorms. An adaptive pool before the fully connected layers takes any
    crop size.

    ``width`` scales every layer (1 is AlexNet's own), ``pooled`` is the side of the map that the fully
    connected layers see (AlexNet's is 6), ``dropout`` is between those layers (AlexNet's is 0.5; noise for
    privacy is a strong regulariser already, so the default is none).
    """

    def __init__(self, width: float, pooled: int, dropout: float) -> None:
        super().__init__(inputs=("nose",), outputs=("Pointy_Nose",))
        positive("width", width)
        positive("pooled", pooled)
        if not 0 <= dropout < 1:
            raise ModelError(f"model option dropout must be in [0, 1), got {dropout!r}")
        one, two, three, four, five = (_scaled(channels, width) for channels in _CHANNELS)
        units = _scaled(_UNITS, width)
        self.features = nn.Sequential(
            nn.Conv2d(3, one, 5, padding=2),
            nn.ReLU(),
            group_norm(one, 8),
            nn.MaxPool2d(3, 2, padding=1),
            nn.Conv2d(one, two, 5, padding=2),
            nn.ReLU(),
            group_norm(two, 8),
            nn.MaxPool2d(3, 2, padding=1),
            nn.Conv2d(two, three, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(three, four, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(four, five, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, padding=1),
            nn.AdaptiveAvgPool2d(pooled),
            nn.Flatten(),
        )
        self.classifier = nn.Sequential(
            *_dropout(dropout),
            nn.Linear(five * pooled * pooled, units),
            nn.ReLU(),
            *_dropout(dropout),
            nn.Linear(units, units),
            nn.ReLU(),
            nn.Linear(units, 1),
        )

    def forward(self, inputs: Inputs) -> Tensor:
        """Return logits [B, 1]."""
        result: Tensor = self.classifier(self.features(self.column(inputs, "nose")))
        return result


def _scaled(size: int, width: float) -> int:
    """Return ``size * width`` rounded to a positive multiple of 8."""
    return max(8, 8 * round(size * width / 8))


def _dropout(probability: float) -> tuple[nn.Module, ...]:
    return (nn.Dropout(probability),) if probability else ()


@register(
    "nose",
    inputs=("nose",),
    outputs=("Pointy_Nose",),
    summary="AlexNet at an eighth of its width on the nose crop",
)
def nose(width: float = 0.125, pooled: int = 3, dropout: float = 0.0) -> NoseNetwork:
    """Build the laptop-sized network."""
    return NoseNetwork(width, pooled, dropout)


@register(
    "nose_paper",
    inputs=("nose",),
    outputs=("Pointy_Nose",),
    summary="AlexNet at its own width on the nose crop, as in the makeup paper",
)
def nose_paper(dropout: float = 0.5) -> NoseNetwork:
    """Build the network of AlexNet's own width."""
    return NoseNetwork(1.0, 6, dropout)
