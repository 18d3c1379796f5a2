"""Per-record weight gradients and ghost norms of convolutions: several ways to the same numbers.

Which way is fastest depends on the shape: maps with few positions favour Gram matrices, layers with few
weights favour forming the gradients. :mod:`privacy.dpsgd.layers.conv_choice` chooses.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from privacy.dpsgd.layers.ghost import gram_product

_FEW_POSITIONS = 32
_FEW_CHANNELS = 8  # with fewer, gathering channels last copies too few elements at a time


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
        return cls(
            kernel=tuple(module.kernel_size),
            stride=tuple(module.stride),
            padding=padding,
            dilation=tuple(module.dilation),
            groups=module.groups,
            channels_in=module.in_channels,
            channels_out=module.out_channels,
        )

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weight."""
        return (self.channels_out, self.channels_in // self.groups, *self.kernel)

    @property
    def pointwise(self) -> bool:
        """True where every output position reads one input position."""
        return math.prod(self.kernel) == 1 and not any(self.padding)

    @property
    def matrix(self) -> bool:
        """True where the convolution is one matrix at every position it reads."""
        return self.pointwise and self.groups == 1


def weight_gradient(geometry: Geometry, x: Tensor, grad: Tensor) -> Tensor:
    """Return the weight gradient summed over the rows, of the weight's shape."""
    g = geometry
    if not g.matrix:
        weight = x.new_empty(()).expand(g.weight_shape)  # only its shape is looked at
        return _backward(g, x, grad, weight, g.groups, (False, True, False))[1]
    read, written = _strided(g, x).flatten(2), grad.flatten(2)
    if read.shape[2] <= _FEW_POSITIONS:  # one product; the copies that it takes are small
        total = written.transpose(0, 1).flatten(1) @ read.transpose(0, 1).flatten(1).t()
    else:
        total = torch.addbmm(x.new_empty(()), written, read.transpose(1, 2), beta=0)
    return total.view(g.weight_shape)


def input_gradient(geometry: Geometry, x: Tensor, grad: Tensor, weight: Tensor) -> Tensor:
    """Return the gradient of the input, of its shape."""
    g = geometry
    if not g.matrix:
        return _backward(g, x, grad, weight, g.groups, (True, False, False))[0]
    # The library's own routine takes up to three times as long for 1×1 windows on small batches.
    matrix = weight.detach().view(g.channels_out, g.channels_in).t().expand(len(x), -1, -1)
    result = torch.bmm(matrix, grad.flatten(2)).view(len(x), g.channels_in, *grad.shape[2:])
    if max(g.stride) == 1:
        return result
    spread = torch.zeros_like(x)
    _strided(g, spread).copy_(result)
    return spread


def _strided(geometry: Geometry, x: Tensor) -> Tensor:
    """Return the view of ``x`` that a pointwise convolution reads."""
    if max(geometry.stride) == 1:
        return x
    return x[(slice(None), slice(None), *(slice(None, None, s) for s in geometry.stride))]


def _backward(
    geometry: Geometry, x: Tensor, grad: Tensor, weight: Tensor, groups: int, wanted: tuple[bool, bool, bool]
) -> tuple[Tensor, Tensor, Tensor]:
    g = geometry
    zeros = [0] * len(g.kernel)
    result: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        grad, x, weight, None, g.stride, g.padding, g.dilation, False, zeros, groups, wanted
    )
    return result


def patches(geometry: Geometry, x: Tensor, positions: tuple[int, ...]) -> Tensor:
    """Return what each output position reads: [rows, groups, features, positions] (im2col).

    ``x``: [rows, channels, ...]; ``positions``: the spatial shape of the output.
    """
    g = geometry
    if g.pointwise:
        return _strided(g, x).reshape(len(x), g.groups, g.channels_in // g.groups, -1)
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


def by_tiles(geometry: Geometry, x: Tensor, grad: Tensor) -> Tensor:
    """Return per-row weight gradients by one product a row, from patches that never leave the cache.

    With many channels the patches are gathered channels last, [positions, features], which makes both factors
    of the product lie as the library likes them best; the gradients then lie as [rows, outputs, *kernel, inputs]
    in memory, though their shape is the usual one. Convolutions with groups are left to :func:`by_patches`.
    """
    g, size = geometry, grad.shape[2:]
    if g.groups > 1:
        return by_patches(g, x, grad)
    if any(g.padding):
        x = functional.pad(x, [p for margin in reversed(g.padding) for p in (margin, margin)])
    last = g.channels_in > _FEW_CHANNELS
    x = x.movedim(1, -1).contiguous() if last else x.contiguous()
    row, *steps = x.stride()
    channel = steps.pop(-1 if last else 0)
    within = [step * d for step, d in zip(steps, g.dilation, strict=True)]
    across = [step * s for step, s in zip(steps, g.stride, strict=True)]
    shape: tuple[int, ...] = (*g.kernel, g.channels_in)
    strides = (row, *across, *within, channel)
    read = (*size, *shape)
    if not last:
        shape, strides = (g.channels_in, *g.kernel), (row, channel, *within, *across)
        read = (*shape, *size)
    view, gathered = x.as_strided((len(x), *read), strides), x.new_empty(read)
    features, written = math.prod(shape), grad.flatten(2)
    if last:
        result = x.new_empty(len(x), g.channels_out, *shape)
        for source, factor, out in zip(view, written, result.flatten(2), strict=True):
            torch.mm(factor, gathered.copy_(source).view(-1, features), out=out)
        return result.movedim(-1, 2)
    result = x.new_empty(len(x), features, g.channels_out)
    for source, factor, out in zip(view, written, result, strict=True):
        torch.mm(gathered.copy_(source).view(features, -1), factor.t(), out=out)
    return result.transpose(1, 2).reshape(len(x), *g.weight_shape)


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
KERNELS: dict[str, PerRow] = {"patches": by_patches, "rows": by_rows, "groups": by_groups, "tiles": by_tiles}


def ghost(geometry: Geometry, x: Tensor, grad: Tensor, records: int) -> Tensor:
    """Return the squared norms of the records' weight gradients, [records], from Gram matrices."""
    g = geometry
    positions = tuple(grad.shape[2:])
    if gram_by_window(g, len(x) // records, tuple(x.shape[2:]), positions):
        read = window_gram(g, x, positions)
    else:
        gathered = _by_record(patches(g, x, positions), records)
        read = torch.bmm(gathered.transpose(1, 2), gathered)
    written = _by_record(grad.reshape(len(x), g.groups, g.channels_out // g.groups, -1), records)
    return gram_product(read, torch.bmm(written.transpose(1, 2), written)).view(records, g.groups).sum(1)


def gram_by_window(geometry: Geometry, stack: int, size: tuple[int, ...], positions: tuple[int, ...]) -> bool:
    """Return True where the Gram matrix of the patches is cheaper from that of the input's positions."""
    g = geometry
    if g.groups > 1 or stack > 1 or math.prod(g.kernel) == 1:
        return False
    padded = math.prod(s + 2 * p for s, p in zip(size, g.padding, strict=True))
    return padded**2 <= 2 * math.prod(positions) ** 2 * math.prod(g.kernel)


def window_gram(geometry: Geometry, x: Tensor, positions: tuple[int, ...]) -> Tensor:
    """Return the Gram matrices of the patches, [rows, t, t], without forming patches.

    Two patches' product is the sum, over the places of the window, of products of two input positions: the
    input's own Gram matrix, shifted along both of its positions at once, summed over the shifts.
    """
    g = geometry
    if any(g.padding):
        x = functional.pad(x, [p for size in reversed(g.padding) for p in (size, size)])
    flat = x.flatten(2)
    gram = torch.bmm(flat.transpose(1, 2), flat).view(len(x), *x.shape[2:], *x.shape[2:])
    total = x.new_zeros(len(x), *positions, *positions)
    for place in itertools.product(*(range(k) for k in g.kernel)):
        window = tuple(
            slice(i * d, i * d + s * (n - 1) + 1, s)
            for i, d, s, n in zip(place, g.dilation, g.stride, positions, strict=True)
        )
        total += gram[(slice(None), *window, *window)]
    length = math.prod(positions)
    return total.view(len(x), length, length)


def _by_record(tensor: Tensor, records: int) -> Tensor:
    """Return [rows, groups, features, positions] as [records * groups, features, stack * positions]."""
    if len(tensor) != records:
        tensor = tensor.view(records, -1, *tensor.shape[1:]).movedim(1, 3).flatten(3)
    return tensor.flatten(0, 1)
