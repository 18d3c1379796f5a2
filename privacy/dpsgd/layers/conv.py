"""Convolutions in one, two and three dimensions: stride, padding, dilation, groups."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from privacy.dpsgd.layers.base import Gradient, LayerRecorder, Tape, squared_norms, weighted_sum
from privacy.dpsgd.layers.conv_choice import Method, Task, by_cost, by_trial
from privacy.dpsgd.layers.conv_kernels import KERNELS, Geometry, ghost, input_gradient, weight_gradient

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d


class ConvolutionRecorder(LayerRecorder):
    """``nn.Conv1d``, ``nn.Conv2d`` or ``nn.Conv3d`` on inputs [rows, channels, ...]."""

    module: Convolution

    def __init__(self, name: str, module: Convolution, tape: Tape, autotune: bool) -> None:
        super().__init__(name, module, tape)
        self._autotune = autotune
        self._tried: dict[Task, Method] = {}
        self._method = Method("patches")
        self._margins, padding = _split_padding(module)
        self._geometry = Geometry.of(module, padding)

    @override
    def forward(self, x: Tensor) -> Tensor:
        """Pad outside of the layer where its padding is not the same zeros on both sides."""
        if self._margins is not None:
            mode = self.module.padding_mode
            x = functional.pad(x, self._margins, mode="constant" if mode == "zeros" else mode)
        return super().forward(x)

    @override
    def compute(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        g, m = self._geometry, self.module
        zeros = [0] * len(g.kernel)
        return torch.convolution(
            x, m.weight, m.bias, g.stride, g.padding, g.dilation, False, zeros, g.groups
        ), ()

    @override
    def differentiate(
        self, x: Tensor, saved: tuple[Tensor, ...], grad: Tensor, wanted: bool
    ) -> Tensor | None:
        grad = grad.contiguous()
        result = input_gradient(self._geometry, x, grad, self.module.weight) if wanted else None
        self.capture(x, grad)
        return result

    @override
    def per_record(self, x: Tensor, grad: Tensor) -> tuple[Tensor, ...]:
        kernel = KERNELS[self._method.kernel if self._method.kernel in KERNELS else "patches"]
        gradients = []
        if self.trains(self.module.weight):
            gradients.append(self.sum_rows(kernel(self._geometry, x, grad)))
        if self.trains(self.module.bias):
            gradients.append(self._bias_gradients(grad))
        return tuple(gradients)

    @override
    def observe(self, x: Tensor, grad: Tensor) -> Tensor:
        if not self.trains(self.module.weight):
            return super().observe(x, grad)
        self._method = self._choose(x, grad)
        if self._method.keep:
            return super().observe(x, grad)
        self._kept = [x, grad]
        if self._method.kernel == "ghost":
            total = ghost(self._geometry, x, grad, self.tape.records)
        else:
            total = squared_norms(self.sum_rows(KERNELS[self._method.kernel](self._geometry, x, grad)))
        if self.trains(self.module.bias):
            self._kept.append(self._bias_gradients(grad))
            total = total + squared_norms(self._kept[-1])
        return total

    @override
    def contract(self, weights: Tensor) -> Sequence[Gradient]:
        if self._method.keep or not self.trains(self.module.weight):
            return super().contract(weights)
        (x, grad, *bias), self._kept = self._kept, []
        rows = weights.repeat_interleave(self.tape.stack).view(-1, *[1] * (grad.dim() - 1))
        result: list[Gradient] = [weight_gradient(self._geometry, x, grad * rows)]
        return result + [weighted_sum(weights, gradients) for gradients in bias]

    def _bias_gradients(self, grad: Tensor) -> Tensor:
        return self.sum_rows(grad.flatten(2).sum(2))

    def _choose(self, x: Tensor, grad: Tensor) -> Method:
        task = Task(self._geometry, self.tape.records, self.tape.stack, grad[0, 0].numel())
        if not self._autotune:
            return by_cost(task)
        if task not in self._tried:
            self._tried[task] = by_trial(task, x, grad)
        return self._tried[task]


def _split_padding(module: Convolution) -> tuple[list[int] | None, tuple[int, ...]]:
    """Return margins to pad with beforehand (or None), and the symmetric zero padding of the layer itself."""
    size = len(module.kernel_size)
    if module.padding == "valid":
        return None, (0,) * size
    if module.padding == "same":
        totals = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
        if module.padding_mode == "zeros" and not any(total % 2 for total in totals):
            return None, tuple(total // 2 for total in totals)
        return [m for total in reversed(totals) for m in (total // 2, total - total // 2)], (0,) * size
    padding = tuple(int(p) for p in module.padding)
    if module.padding_mode == "zeros":
        return None, padding
    return [m for p in reversed(padding) for m in (p, p)], (0,) * size
