"""Per-record weight gradients and ghost norms of convolutions: several ways to the same numbers.

Which way is fastest depends on the shape: maps with few positions favour Gram matrices, layers with few
weights favour forming the gradients. :mod:`privacy.dpsgd.layers.conv_choice` chooses.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from privacy.dpsgd.layers.ghost import gram_product


@dataclasses.dataclass(frozen=True)
class Geometry:
    """The numbers that fix a convolution, one entry a spatial dimension. Zero padding is symmetric."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    channels_in: int
    channels_out: int

    @classmethod
    def of(cls, module: nn.Conv1d | nn.Conv2d | nn.Conv3d, padding: tuple[int, ...]) -> Geometry:
        """Return the geometry of ``module`` with ``padding`` for its own."""
        sizes = (module.kernel_size, module.stride, padding, module.dilation)
        return cls(*(tuple(s) for s in sizes), module.groups, module.in_channels, module.out_channels)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weight."""
        return (self.channels_out, self.channels_in // self.groups, *self.kernel)

    @property
    def pointwise(self) -> bool:
        """True where every output position reads one input position."""
        return math.prod(self.kernel) == 1 and not any(self.padding)


def weight_gradient(geometry: Geometry, x: Tensor, grad: Tensor) -> Tensor:
    """Return the weight gradient summed over the rows."""
    weight = x.new_empty(()).expand(geometry.weight_shape)  # only its shape is looked at
    return _backward(geometry, x, grad, weight, geometry.groups, (False, True, False))[1]


def input_gradient(geometry: Geometry, x: Tensor, grad: Tensor, weight: Tensor) -> Tensor:
    """Return the gradient of the input."""
    return _backward(geometry, x, grad, weight, geometry.groups, (True, False, False))[0]


def _backward(
    geometry: Geometry, x: Tensor, grad: Tensor, weight: Tensor, groups: int, wanted: tuple[bool, bool, bool]
) -> Any:
    g = geometry
    zeros = [0] * len(g.kernel)
    return torch.ops.aten.convolution_backward(
        grad, x, weight, None, g.stride, g.padding, g.dilation, False, zeros, groups, wanted
    )


def patches(geometry: Geometry, x: Tensor, positions: tuple[int, ...]) -> Tensor:
    """Return what each output position reads: [rows, groups, features, positions] (im2col).

    ``x``: [rows, channels, ...]; ``positions``: the spatial shape of the output.
    """
    g = geometry
    if g.pointwise:
        strided = x[(..., *(slice(None, None, s) for s in g.stride))] if max(g.stride) > 1 else x
        return strided.reshape(len(x), g.groups, g.channels_in // g.groups, -1)
    if any(g.padding):
        x = functional.pad(x, [p for size in reversed(g.padding) for p in (size, size)])
    else:
        x = x.contiguous()
    row, channel, *steps = x.stride()
    view = x.as_strided(
        (len(x), g.channels_in, *g.kernel, *positions),
        (
            row,
            channel,
            *(step * d for step, d in zip(steps, g.dilation, strict=True)),
            *(step * s for step, s in zip(steps, g.stride, strict=True)),
        ),
    )
    return view.reshape(len(x), g.groups, g.channels_in // g.groups * math.prod(g.kernel), -1)


def by_patches(geometry: Geometry, x: Tensor, grad: Tensor) -> Tensor:
    """Return per-row weight gradients by one batched product of output gradients and patches."""
    g = geometry
    rows = len(x)
    read = patches(g, x, tuple(grad.shape[2:])).flatten(0, 1)
    written = grad.reshape(rows * g.groups, g.channels_out // g.groups, -1)
    return torch.bmm(written, read.transpose(1, 2)).view(rows, *g.weight_shape)


def by_rows(geometry: Geometry, x: Tensor, grad: Tensor) -> Tensor:
    """Return per-row weight gradients by one library call a row."""
    result = x.new_empty(len(x), *geometry.weight_shape)
    for row in range(len(x)):
        result[row] = weight_gradient(geometry, x[row : row + 1], grad[row : row + 1])
    return result


def by_groups(geometry: Geometry, x: Tensor, grad: Tensor) -> Tensor:
    """Return per-row weight gradients by one library call that takes rows for groups."""
    g = geometry
    rows = len(x)
    weight = x.new_empty(()).expand(rows * g.channels_out, *g.weight_shape[1:])
    flat_x, flat_grad = x.reshape(1, -1, *x.shape[2:]), grad.reshape(1, -1, *grad.shape[2:])
    result: Tensor = _backward(g, flat_x, flat_grad, weight, rows * g.groups, (False, True, False))[1]
    return result.view(rows, *g.weight_shape)


PerRow = Callable[[Geometry, Tensor, Tensor], Tensor]
KERNELS: dict[str, PerRow] = {"patches": by_patches, "rows": by_rows, "groups": by_groups}


def ghost(geometry: Geometry, x: Tensor, grad: Tensor, records: int) -> Tensor:
    """Return the squared norms of the records' weight gradients, [records], from Gram matrices."""
    g = geometry
    read = _by_record(patches(g, x, tuple(grad.shape[2:])), records)
    written = _by_record(grad.reshape(len(x), g.groups, g.channels_out // g.groups, -1), records)
    grams = [torch.bmm(tensor.transpose(1, 2), tensor) for tensor in (read, written)]
    return gram_product(grams[0], grams[1]).view(records, g.groups).sum(1)


def _by_record(tensor: Tensor, records: int) -> Tensor:
    """Return [rows, groups, features, positions] as [records * groups, features, stack * positions]."""
    if len(tensor) != records:
        tensor = tensor.unflatten(0, (records, -1)).movedim(1, 3).flatten(3)
    return tensor.flatten(0, 1)
