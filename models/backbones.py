"""Classic networks as backbones for attributes of the whole face, from torchvision where it has them.

LeNet (LeCun et al. 1998) is a few lines of its own. AlexNet, VGG and ResNet are torchvision's layers with two
changes that clipping by record needs: GroupNorm for BatchNorm, and no ReLU in place. Dropout is left out; the noise
of private training regularises enough.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
import torchvision
from torch import Tensor, nn

from models.multi_attribute import CELEBA_ATTRIBUTES
from models.network import Inputs, Network, group_norm
from models.registry import register


class Backbone(Network):
    """Face picture [B, 3, H, W] (H, W >= 40) -> logits [B, A]: features, an average, one linear layer."""

    def __init__(self, attributes: Sequence[str], features: nn.Module, channels: int, side: int) -> None:
        super().__init__(inputs=("face",), outputs=attributes)
        self.features = _without_in_place(features)
        self.pool = nn.AdaptiveAvgPool2d(side)
        self.output = nn.Linear(channels * side * side, len(self.outputs))

    def forward(self, inputs: Inputs) -> Tensor:
        """Return logits [B, A] in the order of ``outputs``."""
        features = self.pool(self.features(self.column(inputs, "face")))
        result: Tensor = self.output(torch.flatten(features, 1))
        return result


@register("lenet", inputs=("face",), outputs=CELEBA_ATTRIBUTES, summary="LeNet-5 on the whole face")
def lenet(attributes: Sequence[str] = CELEBA_ATTRIBUTES) -> Backbone:
    """Build LeNet's two convolutions and pools, with ReLU."""
    features = nn.Sequential(
        nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)
    )
    return Backbone(attributes, features, 16, 5)


@register("alexnet", inputs=("face",), outputs=CELEBA_ATTRIBUTES, summary="torchvision's AlexNet trunk")
def alexnet(attributes: Sequence[str] = CELEBA_ATTRIBUTES) -> Backbone:
    """Build AlexNet's five convolutions; its pools round up, so that small pictures leave something to pool."""
    features = torchvision.models.alexnet().features
    for layer in features:
        if isinstance(layer, nn.MaxPool2d):
            layer.ceil_mode = True
    return Backbone(attributes, features, 256, 1)


@register(
    "vgg11", inputs=("face",), outputs=CELEBA_ATTRIBUTES, summary="torchvision's VGG-11 trunk, GroupNorm"
)
def vgg11(attributes: Sequence[str] = CELEBA_ATTRIBUTES) -> Backbone:
    """Build VGG-11's eight convolutions (Simonyan and Zisserman 2015) with a GroupNorm after each."""
    features = torchvision.models.vgg11_bn().features
    for index, layer in enumerate(features):
        if isinstance(layer, nn.BatchNorm2d):
            features[index] = group_norm(layer.num_features, 32)
    return Backbone(attributes, features, 512, 1)


@register(
    "resnet18", inputs=("face",), outputs=CELEBA_ATTRIBUTES, summary="torchvision's ResNet-18, GroupNorm"
)
def resnet18(attributes: Sequence[str] = CELEBA_ATTRIBUTES) -> Backbone:
    """Build ResNet-18 (He et al. 2016) without its head."""
    network = torchvision.models.resnet18(norm_layer=functools.partial(_norm, groups=32))
    features = nn.Sequential(*list(network.children())[:-2])
    return Backbone(attributes, features, 512, 1)


def _norm(channels: int, groups: int) -> nn.GroupNorm:
    return group_norm(channels, groups)


def _without_in_place(features: nn.Module) -> nn.Module:
    """Hooks that record activations would see overwritten tensors."""
    for module in features.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]
    return features
