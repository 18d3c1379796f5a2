"""HSANet: ResNet-50 whose last three bottlenecks attend instead of convolving.

The paper is "Hybrid Self-Attention Network" for faces changed by micro-surgery (26 persons). Its text and its
Table 2 do not fix one architecture; this is a reconstruction, chosen because it is the simplest known one that
is true to the text and gives the table's sizes for ResNet-50 and HSANet(x). It does NOT give those of
HSANet(3×3). Sizes by torchsummary 1.5.1 at 3×224×224 and 26 classes, in MiB:

==============  ============  ============  ==================  ==================
network         paper params  here          paper forward/back  here
==============  ============  ============  ==================  ==================
ResNet-50       89.88         89.88         286.55              286.55
HSANet(x)       66.64         66.64         300.76              300.76
HSANet(3×3)     97.54         93.65 (−3.89) 302.35              301.91 (−0.44)
==============  ============  ============  ==================  ==================

Call results of these networks "HSANet-style". docs/hsanet.md has the reasoning.

A block's middle layer is HSA(u) = SA(u) + Id(u). SA: queries and keys of m/8 channels and values of m channels,
each from a 1×1 convolution with bias; keys and values are read over the 3×3 window around every pixel; per
head, a = q·k/√d + q·P with P a learned table over the nine places; softmax over the nine; the weighted sum
of the values. Id(u) is u itself (x), or a 3×3 convolution with norm (3×3).
"""

from __future__ import annotations

import functools
import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from mien.errors import ModelError
from models.registry import register
from models.resnet import PAPER_CLASSES, Head, MakeMiddle, MakeNorm, Norm, ResidualNetwork, convolution_3x3

Identity = Literal["x", "3x3"]

WINDOW = 3
PLACES = WINDOW * WINDOW
REDUCTION = 8  # channels of the values per channel of queries and keys
HEAD_SIZE = 8  # channels of a head's queries and keys: 8 heads at ResNet-50's 512 channels


class KeyWindows(nn.Module):
    """Keys over each pixel's window, with the relative-position table added to them.

    q·k/√d + q·P = q·(k + √d·P)/√d, so adding ``table`` = √d·P to the keys states the same family of functions
    as a separate position term. It also makes the table the parameter of a *called* module whose output is
    "input plus table": per-record gradients need that (a table read from outside its module's call silently gets
    none), and it costs neither a second product with the queries nor another row in torchsummary's count.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(channels * PLACES, 1))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the table small: at first a window's places differ a little, and no place is preferred."""
        nn.init.normal_(self.table, std=0.02, generator=generator)

    def forward(self, keys: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C·9, H·W]."""
        return functional.unfold(keys, WINDOW, padding=WINDOW // 2) + self.table


class WindowAttention(nn.Module):
    """Self-attention of every pixel to the 3×3 window around it: [B, m, H, W] -> [B, m, H, W]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels % (REDUCTION * HEAD_SIZE):
            raise ModelError(
                f"window attention needs a multiple of {REDUCTION * HEAD_SIZE} channels "
                f"({REDUCTION} of values for each of {HEAD_SIZE} queries a head), got {channels}"
            )
        inner = channels // REDUCTION
        self.heads = inner // HEAD_SIZE
        self.query = nn.Conv2d(channels, inner, 1)
        self.key = nn.Conv2d(channels, inner, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.key_windows = KeyWindows(inner)
        self.value_windows = nn.Unfold(WINDOW, padding=WINDOW // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Return what each pixel gathers from its window."""
        batch, channels, height, width = x.shape
        places = (PLACES, height * width)
        query = self.query(x).reshape(batch, self.heads, -1, 1, places[1])
        keys = self.key_windows(self.key(x)).reshape(batch, self.heads, -1, *places)
        values = self.value_windows(self.value(x)).reshape(batch, self.heads, -1, *places)
        scores = (query * keys).sum(dim=2) / math.sqrt(query.shape[2])
        attention = torch.softmax(scores, dim=2)  # [B, heads, 9, H·W]
        gathered: Tensor = (attention.unsqueeze(2) * values).sum(dim=3)
        return gathered.reshape(batch, channels, height, width)


class HybridSelfAttention(nn.Module):
    """SA(u) + Id(u): attention and, beside it, the identity connection; a bottleneck's middle layer.

    At stride 2 the attention works at the input's resolution and its result is averaged over 2×2 (partial
    windows at the border allowed: 7 -> 4). The identity is averaged likewise (x) or convolved with stride 2.
    """

    def __init__(self, channels: int, stride: int, norm: MakeNorm, identity: Identity) -> None:
        super().__init__()
        self.stride = stride
        self.attention = WindowAttention(channels)
        self.identity: nn.Sequential | None = None
        if identity == "3x3":
            self.identity = nn.Sequential(convolution_3x3(channels, stride, norm), norm(channels))
        elif identity != "x":
            raise ModelError(f"model option identity must be 'x' or '3x3', got {identity!r}")

    def forward(self, x: Tensor) -> Tensor:
        """[B, m, H, W] -> [B, m, H/stride, W/stride], sizes rounded up."""
        attended = self._pool(self.attention(x))
        shortcut = self._pool(x) if self.identity is None else self.identity(x)
        return attended + shortcut

    def _pool(self, x: Tensor) -> Tensor:
        return x if self.stride == 1 else functional.avg_pool2d(x, self.stride, ceil_mode=True)


def _middles(identity: Identity) -> list[MakeMiddle]:
    """Return the middle layers by stage: attention in the last one only."""
    hybrid: MakeMiddle = functools.partial(HybridSelfAttention, identity=identity)
    return [convolution_3x3, convolution_3x3, convolution_3x3, hybrid]


def _hsanet(identity: Identity, norm: Norm, size: int, head: Head = "logits") -> ResidualNetwork:
    return ResidualNetwork(size=size, head=head, norm=norm, middles=_middles(identity))


def _small(identity: Identity, size: int, head: Head = "logits") -> ResidualNetwork:
    middles = _middles(identity)
    return ResidualNetwork(size=size, head=head, norm="group", middles=middles, blocks=(2, 2, 2, 2), width=24)


@register(
    "hsanet_x",
    inputs=("face",),
    outputs=("logits",),
    summary="HSANet(x) as in the paper (BatchNorm)",
    private_ready=False,
)
def hsanet_x(classes: int = PAPER_CLASSES) -> ResidualNetwork:
    """Build HSANet with the plain identity connection."""
    return _hsanet("x", "batch", classes)


@register(
    "hsanet_3x3",
    inputs=("face",),
    outputs=("logits",),
    summary="HSANet(3×3) as in the paper's text (BatchNorm); its Table 2 is not met",
    private_ready=False,
)
def hsanet_3x3(classes: int = PAPER_CLASSES) -> ResidualNetwork:
    """Build HSANet with a 3×3 convolution on the identity connection."""
    return _hsanet("3x3", "batch", classes)


@register("hsanet_x_private", inputs=("face",), outputs=("logits",), summary="HSANet(x) with GroupNorm")
def hsanet_x_private(classes: int = PAPER_CLASSES) -> ResidualNetwork:
    """Build HSANet(x) for private training."""
    return _hsanet("x", "group", classes)


@register("hsanet_3x3_private", inputs=("face",), outputs=("logits",), summary="HSANet(3×3) with GroupNorm")
def hsanet_3x3_private(classes: int = PAPER_CLASSES) -> ResidualNetwork:
    """Build HSANet(3×3) for private training."""
    return _hsanet("3x3", "group", classes)


@register(
    "hsanet_small",
    inputs=("face",),
    outputs=("logits",),
    summary="eight bottlenecks of width 24, the last two hybrid (GroupNorm)",
)
def hsanet_small(classes: int = PAPER_CLASSES, identity: Identity = "3x3") -> ResidualNetwork:
    """Build the network for phones and quick tests."""
    return _small(identity, classes)


@register(
    "hsanet_embedder",
    inputs=("face",),
    outputs=("embedding",),
    summary="HSANet with GroupNorm, giving a unit embedding: class weights stay at home",
)
def hsanet_embedder(dimensions: int = 128, identity: Identity = "3x3") -> ResidualNetwork:
    """Build the shared backbone of identity training; losses with class weights are the client's own."""
    return _hsanet(identity, "group", dimensions, "embedding")


@register(
    "hsanet_small_embedder",
    inputs=("face",),
    outputs=("embedding",),
    summary="the small HSANet, giving a unit embedding",
)
def hsanet_small_embedder(dimensions: int = 128, identity: Identity = "3x3") -> ResidualNetwork:
    """Build the small backbone of identity training."""
    return _small(identity, dimensions, "embedding")
