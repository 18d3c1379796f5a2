"""A small fully connected network under a logistic loss: norms and clipped sums without autograd.

For a network such as 8-16-1 the arithmetic of a step takes microseconds and the machinery around it all the
rest. The loss's derivative is ``sigmoid(logit) - label`` and that of a chain of linear layers is a product, so
a step is a few dozen small operations, done here on plain arrays. The numbers are those of
:mod:`privacy.dpsgd.layers`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from privacy.dpsgd.layers.chain import SLOPES
from privacy.dpsgd.losses import LogisticLosses

Array = NDArray[Any]

_LARGEST = 1 << 14
"""Parameters; a larger network spends its time on arithmetic, and its gradient need not exist whole."""


class ClosedForm:
    """Differentiates one chain (:func:`privacy.dpsgd.layers.chain.is_chain`), ``stack`` rows a record."""

    def __init__(self, chain: nn.Sequential, stack: int) -> None:
        self._chain = chain
        self.stack = stack
        self._layers = [_Layer.of(module) for module in chain]
        self._hooks = [hooks for m in chain for hooks in (m._forward_hooks, m._forward_pre_hooks)]
        parameters = list(chain.parameters())
        self._joint = torch.empty(sum(p.numel() for p in parameters), dtype=parameters[0].dtype)
        sizes = [p.numel() for p in parameters]
        parts = torch.split_with_sizes(self._joint, sizes)
        self._sums = [part.view(p.shape) for part, p in zip(parts, parameters, strict=True)]
        self._pairs: list[tuple[Tensor, Tensor, bool]] = []

    @classmethod
    def of(cls, chain: nn.Sequential, stack: int) -> ClosedForm | None:
        """Return the closed form of a small chain with one output; None for another one."""
        parameters = list(chain.parameters())
        small = sum(parameter.numel() for parameter in parameters) <= _LARGEST
        last = chain[-1]
        one_kind = len({parameter.dtype for parameter in parameters}) == 1
        return cls(chain, stack) if small and one_kind and getattr(last, "out_features", 0) == 1 else None

    def takes(self, losses: LogisticLosses) -> bool:
        """Return True where the closed form holds: this chain on rows of features, and nobody listens in."""
        x, labels, factors = losses.inputs, losses.labels, losses.factors
        if losses.model is not self._chain or any(self._hooks) or x.requires_grad or labels.requires_grad:
            return False
        if factors is not None and (factors.requires_grad or factors.shape != labels.shape):
            return False
        whole = x.dim() == 2 and x.numel() > 0 and len(x) % self.stack == 0
        return whole and labels.shape == x.shape[:1]

    def measure(self, losses: LogisticLosses, share: Array | None) -> tuple[Array, Array]:
        """Return the losses, [rows], and the squared norms of the records' gradients, [records].

        ``share`` [rows]: what each loss counts within its record (None: 1).
        """
        value = losses.inputs
        values = [value]
        for layer in self._layers:
            if layer.slope is not None:
                value = layer.activation(value)
            elif layer.bias is None:
                value = torch.mm(value, layer.weight.t())
            else:
                value = torch.addmm(layer.bias, value, layer.weight.t())
            values.append(value)
        grad = torch.sigmoid(value)
        logits, labels, slopes = value.numpy()[:, 0], losses.labels.numpy(), grad.numpy()[:, 0]
        slopes -= labels
        if share is not None:
            slopes *= share
        rows = np.logaddexp(0, logits)
        rows -= logits * labels
        if losses.factors is not None:
            factors = losses.factors.numpy()
            slopes *= factors
            rows *= factors
        return rows, self._squared_norms(values, grad)

    def _squared_norms(self, values: list[Tensor], grad: Tensor) -> Array:
        """Go back through the layers, keeping the linear ones' inputs and output gradients."""
        self._pairs.clear()
        total: Array | None = None
        for place in range(len(self._layers) - 1, -1, -1):
            layer = self._layers[place]
            if layer.slope is not None:
                grad = layer.slope(grad, values[place + 1])
                continue
            x = values[place]
            self._pairs.append((x, grad, layer.bias is not None))
            squares = self._products(x)
            if layer.bias is not None:
                squares += 1.0
            squares *= self._products(grad)
            total = squares if total is None else np.add(total, squares, out=total)
            if place:
                grad = torch.mm(grad, layer.weight)
        if total is None:
            raise RuntimeError("a chain has at least two linear layers")
        return total if self.stack == 1 else total.sum(axis=(1, 2))

    def _products(self, matrix: Tensor) -> Array:
        """Return the products of each record's rows with one another: [records, stack, stack], or [records]."""
        if self.stack == 1:
            return _squares(matrix)
        rows = matrix.reshape(-1, self.stack, matrix.shape[1])
        products: Array = torch.bmm(rows, rows.transpose(1, 2)).numpy()
        return products

    def drop(self, bad: Array) -> None:
        """Replace by zero what was kept of the records in the mask ``bad``."""
        mask = self._of_rows(bad)
        self._pairs = [(x.masked_fill(mask, 0.0), g.masked_fill(mask, 0.0), b) for x, g, b in self._pairs]

    def sums(self, coefficients: Array) -> tuple[list[Tensor], Tensor]:
        """Return the weighted sums of the records' gradients, one a parameter, and the same side by side.

        They lie in a buffer that the next step reuses.
        """
        column, place = self._of_rows(coefficients), 0
        for x, grad, biased in reversed(self._pairs):
            grad.mul_(column)
            torch.mm(grad.t(), x, out=self._sums[place])
            if biased:
                torch.sum(grad, 0, out=self._sums[place + 1])
            place += 2 if biased else 1
        self._pairs.clear()
        return self._sums, self._joint

    def _of_rows(self, of_records: Array) -> Tensor:
        """Return what is known of records, [records], for their rows, [rows, 1]."""
        values = of_records if self.stack == 1 else of_records.repeat(self.stack)
        return torch.from_numpy(values).unsqueeze(1)


@dataclasses.dataclass(frozen=True)
class _Layer:
    """A linear layer, or an activation with its slope."""

    weight: Tensor
    bias: Tensor | None
    activation: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor, Tensor], Tensor] | None

    @classmethod
    def of(cls, module: Any) -> _Layer:
        slope = SLOPES.get(type(module))
        if slope is not None:
            return cls(torch.empty(0), None, module.forward, slope)
        return cls(module.weight, module.bias, module.forward, None)


def _squares(matrix: Tensor) -> Array:
    """Return the squared norms of the rows, [rows]."""
    array = matrix.numpy()
    if array.shape[1] == 1:
        column: Array = array[:, 0]
        return np.multiply(column, column)
    squares: Array = np.einsum("ij,ij->i", array, array)
    return squares
