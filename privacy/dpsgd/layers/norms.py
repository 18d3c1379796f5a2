"""Normalisation inside one row: GroupNorm, LayerNorm. (BatchNorm mixes records and is refused.)"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from typing_extensions import override

from privacy.dpsgd.layers.base import LayerRecorder


class _AffineRecorder(LayerRecorder):
    """A scale and a shift a channel: their per-record gradients are small and are simply kept."""

    module: nn.GroupNorm | nn.LayerNorm

    def _in_order(self, scale: Tensor, shift: Tensor | None) -> tuple[Tensor, ...]:
        """Return the gradients of the trained parameters among scale and shift, summed over each record."""
        found = {self.module.weight: scale, self.module.bias: shift}
        return tuple(self.sum_rows(found[parameter]) for parameter in self.parameters)  # type: ignore[arg-type]

    @override
    def per_record(self, x: Tensor, grad: Tensor) -> tuple[Tensor, ...]:
        return self._gradients

    _gradients: tuple[Tensor, ...] = ()


class GroupNormRecorder(_AffineRecorder):
    """``nn.GroupNorm`` on [rows, channels, ...].

    One call of the native backward gives everything: seen as a batch of one with rows * channels channels,
    its "sum over the batch" is the per-row gradient.
    """

    module: nn.GroupNorm

    @override
    def compute(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        m = self.module
        rows, channels = x.shape[:2]
        size = x[0, 0].numel() if rows else 1
        y, mean, rstd = torch.native_group_norm(
            x.contiguous(), m.weight, m.bias, rows, channels, size, m.num_groups, m.eps
        )
        return y, (mean, rstd)

    @override
    def differentiate(
        self, x: Tensor, saved: tuple[Tensor, ...], grad: Tensor, wanted: bool
    ) -> Tensor | None:
        mean, rstd = saved
        rows, channels = x.shape[:2]
        flat = (1, rows * channels, -1)
        dx, scale, shift = torch.ops.aten.native_group_norm_backward(
            grad.reshape(flat),
            x.reshape(flat),
            mean.view(1, -1),
            rstd.view(1, -1),
            self.module.weight.repeat(rows),
            1,
            rows * channels,
            x[0, 0].numel(),
            rows * self.module.num_groups,
            [wanted, True, True],
        )
        self._gradients = self._in_order(scale.view(rows, channels), shift.view(rows, channels))
        self.capture(x, grad)
        return dx.view_as(x) if wanted else None


class LayerNormRecorder(_AffineRecorder):
    """``nn.LayerNorm`` on [rows, ..., *normalized_shape]."""

    module: nn.LayerNorm

    @override
    def compute(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        m = self.module
        y, mean, rstd = torch.native_layer_norm(x, m.normalized_shape, m.weight, m.bias, m.eps)
        return y, (mean, rstd)

    @override
    def differentiate(
        self, x: Tensor, saved: tuple[Tensor, ...], grad: Tensor, wanted: bool
    ) -> Tensor | None:
        m = self.module
        mean, rstd = saved
        middle = list(range(1, x.dim() - len(m.normalized_shape)))
        scale = grad * ((x - mean) * rstd)
        shift = grad.clone()
        if middle:
            scale, shift = scale.sum(middle), grad.sum(middle)
        self._gradients = self._in_order(scale, shift)
        self.capture(x, grad)
        if not wanted:
            return None
        dx: Tensor = torch.ops.aten.native_layer_norm_backward(
            grad.contiguous(), x, m.normalized_shape, mean, rstd, m.weight, m.bias, [True, False, False]
        )[0]
        return dx
