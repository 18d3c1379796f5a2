"""Bottleneck residual networks (He et al. 2016), with a seam where HSANet puts its attention.

The layers, their names and their order are those of torchvision's ``resnet50`` (stride in the 3×3, "v1.5"), so
its weights load by name and ``torchsummary`` counts the same rows. Nothing is done in place: hooks that
record activations for per-record gradients would see overwritten tensors.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn import functional

from mien.errors import ModelError
from models.network import Inputs, Network, group_norm, positive
from models.registry import register

Norm = Literal["batch", "group"]
Head = Literal["logits", "embedding"]
MakeNorm = Callable[[int], nn.Module]
MakeMiddle = Callable[[int, int, MakeNorm], nn.Module]
"""(channels, stride, norm) -> the layer between a bottleneck's two 1×1 convolutions."""

EXPANSION = 4
PAPER_CLASSES = 26


def make_norm(norm: Norm) -> MakeNorm:
    """Return the maker of the norm layers: BatchNorm as in the papers, or GroupNorm for private training."""
    if norm == "batch":
        return nn.BatchNorm2d
    if norm == "group":
        return functools.partial(group_norm, groups=32)
    raise ModelError(f"model option norm must be one of {', '.join(get_args(Norm))}, got {norm!r}")


def convolution_3x3(channels: int, stride: int, norm: MakeNorm) -> nn.Module:  # noqa: ARG001 - a MakeMiddle
    """Return ResNet's own middle layer."""
    return nn.Conv2d(channels, channels, 3, stride=stride, padding=1, bias=False)


class Bottleneck(nn.Module):
    """1×1, norm, ReLU, middle layer, norm, ReLU, 1×1, norm, plus the shortcut, ReLU."""

    def __init__(
        self, channels_in: int, channels: int, stride: int, norm: MakeNorm, middle: MakeMiddle
    ) -> None:
        super().__init__()
        channels_out = channels * EXPANSION
        self.conv1 = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.bn1 = norm(channels)
        self.conv2 = middle(channels, stride, norm)
        self.bn2 = norm(channels)
        self.conv3 = nn.Conv2d(channels, channels_out, 1, bias=False)
        self.bn3 = norm(channels_out)
        self.relu = nn.ReLU()
        self.downsample: nn.Sequential | None = None
        if stride != 1 or channels_in != channels_out:
            shortcut = nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(shortcut, norm(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels_in, H, W] -> [B, 4·channels, H/stride, W/stride]."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        result: Tensor = self.relu(x + shortcut)
        return result


class ResidualNetwork(Network):
    """Face picture [B, 3, H, W] (H, W >= 33) -> class logits [B, K], or unit embeddings [B, D].

    ``blocks`` counts the bottlenecks of the four stages, ``width`` is the first stage's inner width (64 in
    ResNet-50), ``middles`` gives each stage's middle layer. ``size`` is K or D.
    """

    def __init__(
        self,
        *,
        size: int,
        head: Head,
        norm: Norm,
        middles: Sequence[MakeMiddle],
        blocks: Sequence[int] = (3, 4, 6, 3),
        width: int = 64,
    ) -> None:
        super().__init__(inputs=("face",), outputs=(head,))
        positive("classes" if head == "logits" else "dimensions", size)
        make = make_norm(norm)
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = make(width)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        stages = []
        channels_in = width
        for index, (count, middle) in enumerate(zip(blocks, middles, strict=True)):
            channels, stride = width << index, 1 if index == 0 else 2
            stage = [Bottleneck(channels_in, channels, stride, make, middle)]
            channels_in = channels * EXPANSION
            stage += [Bottleneck(channels_in, channels, 1, make, middle) for _ in range(count - 1)]
            stages.append(nn.Sequential(*stage))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels_in, size)

    def features(self, pictures: Tensor) -> Tensor:
        """Return the pooled features [B, 32·width] of float pictures [B, 3, H, W] in [-1, 1]."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(pictures))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        pooled: Tensor = self.avgpool(x)
        return pooled.flatten(1)

    def forward(self, inputs: Inputs) -> Tensor:
        """Return logits [B, K], or embeddings [B, D] of length 1."""
        result: Tensor = self.fc(self.features(self.column(inputs, "face")))
        return functional.normalize(result, dim=1) if self.outputs == ("embedding",) else result


@register(
    "resnet50",
    inputs=("face",),
    outputs=("logits",),
    summary="ResNet-50, the HSANet paper's baseline (BatchNorm)",
    private_ready=False,
)
def resnet50(classes: int = PAPER_CLASSES) -> ResidualNetwork:
    """Build the baseline: 23,561,306 parameters at 26 classes."""
    return ResidualNetwork(size=classes, head="logits", norm="batch", middles=[convolution_3x3] * 4)


@register(
    "resnet50_private",
    inputs=("face",),
    outputs=("logits",),
    summary="ResNet-50 with GroupNorm",
)
def resnet50_private(classes: int = PAPER_CLASSES) -> ResidualNetwork:
    """Build the baseline for private training."""
    return ResidualNetwork(size=classes, head="logits", norm="group", middles=[convolution_3x3] * 4)
