"""Forty attributes of a face at once, small enough for a phone: a residual network, and a mobile one.

Both look at the whole aligned face, keep a 4×4 map to the end (an aligned face has its parts at known places), and
have one linear layer for all attributes. Labels may be unknown; ``models.losses`` leaves those out.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.network import Inputs, Network, group_norm, positive
from models.registry import register

CELEBA_ATTRIBUTES = (
    "5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs", "Big_Lips",
    "Big_Nose", "Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows", "Chubby", "Double_Chin",
    "Eyeglasses", "Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones", "Male", "Mouth_Slightly_Open",
    "Mustache", "Narrow_Eyes", "No_Beard", "Oval_Face", "Pale_Skin", "Pointy_Nose", "Receding_Hairline",
    "Rosy_Cheeks", "Sideburns", "Smiling", "Straight_Hair", "Wavy_Hair", "Wearing_Earrings", "Wearing_Hat",
    "Wearing_Lipstick", "Wearing_Necklace", "Wearing_Necktie", "Young",
)  # fmt: skip
"""The labels of CelebA (Liu et al. 2015), in its order. A benchmark of the learning machinery; advice uses none."""

MAP_SIDE = 4
MakeConvolution = Callable[..., nn.Module]


class StandardisedConv2d(nn.Module):
    """A convolution whose filters have mean zero and variance one over their inputs (Qiao et al. 2019).

    With GroupNorm it takes the place of BatchNorm without looking at other records, which is what clipping by
    record needs. De et al. 2022 found it to help private training. [B, I, H, W] -> [B, O, H', W'].
    """

    def __init__(self, channels_in: int, channels_out: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.stride, self.padding = stride, size // 2
        self.weight = nn.Parameter(torch.empty(channels_out, channels_in, size, size))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the filters as any other convolution's."""
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu", generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of ``x`` with the standardised filters."""
        mean = self.weight.mean(dim=(1, 2, 3), keepdim=True)
        spread = self.weight.var(dim=(1, 2, 3), unbiased=False, keepdim=True)
        fan_in = self.weight[0].numel()
        standard = (self.weight - mean) / torch.sqrt(spread * fan_in + 1e-6)
        return functional.conv2d(x, standard, stride=self.stride, padding=self.padding)


def plain_convolution(channels_in: int, channels_out: int, size: int, stride: int = 1) -> nn.Module:
    """Return a convolution without bias that keeps the size of the map at stride 1."""
    return nn.Conv2d(channels_in, channels_out, size, stride, padding=size // 2, bias=False)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with GroupNorm and a shortcut (He et al. 2016, the basic block)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, make: MakeConvolution) -> None:
        super().__init__()
        self.first = nn.Sequential(
            make(channels_in, channels_out, 3, stride), group_norm(channels_out, 8), nn.ReLU()
        )
        self.second = nn.Sequential(make(channels_out, channels_out, 3), group_norm(channels_out, 8))
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = make(channels_in, channels_out, 1, stride)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels_in, H, W] -> [B, channels_out, H/stride, W/stride]."""
        result: Tensor = self.relu(self.second(self.first(x)) + self.shortcut(x))
        return result


class MobileBlock(nn.Module):
    """1×1 widening, 3×3 by channel, 1×1 narrowing (Sandler et al. 2018), GroupNorm between."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, widening: int) -> None:
        super().__init__()
        inner = channels_in * widening
        self.same = stride == 1 and channels_in == channels_out
        self.layers = nn.Sequential(
            plain_convolution(channels_in, inner, 1),
            group_norm(inner, 8),
            nn.ReLU(),
            nn.Conv2d(inner, inner, 3, stride, padding=1, groups=inner, bias=False),
            group_norm(inner, 8),
            nn.ReLU(),
            plain_convolution(inner, channels_out, 1),
            group_norm(channels_out, 8),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels_in, H, W] -> [B, channels_out, H/stride, W/stride]."""
        result: Tensor = self.layers(x)
        return x + result if self.same else result


class WholeFace(Network):
    """Face picture [B, 3, H, W] (H, W >= 32; made for 64) -> one logit per attribute [B, A]."""

    def __init__(self, attributes: Sequence[str], features: nn.Sequential, channels: int) -> None:
        super().__init__(inputs=("face",), outputs=attributes)
        self.features = features
        self.output = nn.Sequential(
            nn.AdaptiveAvgPool2d(MAP_SIDE), nn.Flatten(), nn.Linear(channels * MAP_SIDE**2, len(self.outputs))
        )

    def forward(self, inputs: Inputs) -> Tensor:
        """Return logits [B, A] in the order of ``outputs``."""
        result: Tensor = self.output(self.features(self.column(inputs, "face")))
        return result


@register(
    "multi_attribute",
    inputs=("face",),
    outputs=CELEBA_ATTRIBUTES,
    summary="small residual network, 40 attributes of the whole face",
)
def multi_attribute(
    attributes: Sequence[str] = CELEBA_ATTRIBUTES, width: int = 24, standardise: bool = False
) -> WholeFace:
    """Build the residual network; ``standardise`` takes weight-standardised convolutions."""
    positive("width", width)
    make: MakeConvolution = StandardisedConv2d if standardise else plain_convolution
    one, two, four, seven = width, 2 * width, 4 * width, 7 * width
    features = nn.Sequential(
        make(3, one, 3, 2),
        group_norm(one, 8),
        nn.ReLU(),
        ResidualBlock(one, one, 1, make),
        ResidualBlock(one, two, 2, make),
        ResidualBlock(two, four, 2, make),
        ResidualBlock(four, seven, 2, make),
    )
    return WholeFace(attributes, features, seven)


@register(
    "mobile_face",
    inputs=("face",),
    outputs=CELEBA_ATTRIBUTES,
    summary="MobileFaceNet-class network (Chen et al. 2018) with GroupNorm, 40 attributes of the whole face",
)
def mobile_face(attributes: Sequence[str] = CELEBA_ATTRIBUTES, width: int = 32) -> WholeFace:
    """Build the mobile network; ``width`` is the number of channels after the first layer."""
    positive("width", width)
    half = width // 2
    block = functools.partial(MobileBlock, widening=2)
    features = nn.Sequential(
        plain_convolution(3, width, 3, 2),
        group_norm(width, 8),
        nn.ReLU(),
        block(width, width, 1),
        block(width, 3 * half, 2),
        block(3 * half, 3 * half, 1),
        block(3 * half, 3 * half, 1),
        MobileBlock(3 * half, 3 * width, 2, 4),
        block(3 * width, 3 * width, 1),
        block(3 * width, 3 * width, 1),
        MobileBlock(3 * width, 4 * width, 2, 4),
        block(4 * width, 4 * width, 1),
        plain_convolution(4 * width, 8 * width, 1),
        group_norm(8 * width, 8),
        nn.ReLU(),
    )
    return WholeFace(attributes, features, 8 * width)
