"""Fully connected layers: the gradient of one position is an outer product, so its norm costs almost nothing.

For a record with positions t (photos of the stack, tokens), inputs a_t and output gradients g_t, the weight
gradient is sum_t g_t a_t^T and its squared norm is sum_{t,u} (a_t . a_u)(g_t . g_u): the *ghost norm* of Li
et al. 2022, after Goodfellow 2015 for one position. Where positions are many it is cheaper to form the
gradient. The weighted sum over records is one ordinary matrix product (book-keeping, Bu et al. 2023).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from privacy.dpsgd.layers.base import Gradient, LayerRecorder, OuterSum, squared_norms
from privacy.dpsgd.layers.ghost import ghost_norms


class LinearRecorder(LayerRecorder):
    """``nn.Linear`` on inputs [rows, ..., features]."""

    module: nn.Linear
    _formed = False

    @override
    def compute(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        return functional.linear(x, self.module.weight, self.module.bias), ()

    @override
    def differentiate(
        self, x: Tensor, saved: tuple[Tensor, ...], grad: Tensor, wanted: bool
    ) -> Tensor | None:
        self.capture(x, grad)
        return grad @ self.module.weight if wanted else None

    @override
    def per_record(self, x: Tensor, grad: Tensor) -> tuple[Tensor, ...]:
        inputs, outputs = self._positions(x), self._positions(grad)
        gradients = []
        if self.trains(self.module.weight):
            gradients.append(torch.bmm(outputs.transpose(1, 2), inputs))
        if self.trains(self.module.bias):
            gradients.append(outputs.sum(1))
        return tuple(gradients)

    @override
    def observe(self, x: Tensor, grad: Tensor) -> Tensor:
        inputs, outputs = self._positions(x), self._positions(grad)
        _, positions, features = inputs.shape
        has_weight = self.module.weight.requires_grad
        # Gram matrices cost positions^2 (features + channels), the gradient positions * features * channels.
        self._formed = has_weight and positions * (features + outputs.shape[2]) > features * outputs.shape[2]
        if self._formed:
            return super().observe(x, grad)
        self._kept = [inputs, outputs]
        total = ghost_norms(inputs, outputs) if has_weight else inputs.new_zeros(len(inputs))
        if self.trains(self.module.bias):
            total = total + squared_norms(outputs if positions == 1 else outputs.sum(1))
        return total

    @override
    def contract(self, weights: Tensor) -> Sequence[Gradient]:
        if self._formed:
            return super().contract(weights)
        (inputs, outputs), self._kept = self._kept, []
        scaled = (outputs * weights.view(-1, 1, 1)).flatten(0, 1)
        result: list[Gradient] = []
        if self.trains(self.module.weight):
            result.append(OuterSum(scaled, inputs.flatten(0, 1)))
        if self.trains(self.module.bias):
            result.append(scaled.sum(0))
        return result

    def _positions(self, tensor: Tensor) -> Tensor:
        """Return [rows, ..., features] as [records, positions, features]."""
        return tensor.reshape(self.tape.records, -1, tensor.shape[-1])
