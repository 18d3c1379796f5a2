"""Embedding tables: a record touches few rows of the table, so only those are looked at."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from privacy.dpsgd.layers.base import Gradient, LayerRecorder


class EmbeddingRecorder(LayerRecorder):
    """``nn.Embedding`` on integer inputs [rows, ...]; the padding index gets no gradient."""

    module: nn.Embedding

    @override
    def compute(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        return functional.embedding(x, self.module.weight, self.module.padding_idx), ()

    @override
    def differentiate(
        self, x: Tensor, saved: tuple[Tensor, ...], grad: Tensor, wanted: bool
    ) -> Tensor | None:
        self.capture(x, grad)
        return None

    @override
    def per_record(self, x: Tensor, grad: Tensor) -> tuple[Tensor, ...]:
        tokens, grads = self._tokens(x, grad)
        dense = grads.new_zeros(len(tokens), *self.module.weight.shape)
        return (dense.scatter_add_(1, tokens.unsqueeze(2).expand_as(grads), grads),)

    @override
    def observe(self, x: Tensor, grad: Tensor) -> Tensor:
        """Sum each record's gradients by token, after sorting, and keep the sums."""
        tokens, grads = self._tokens(x, grad)
        ordered, order = tokens.sort(dim=1)
        grads = grads.gather(1, order.unsqueeze(2).expand_as(grads))
        new = torch.ones_like(ordered, dtype=torch.bool)
        new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
        group = new.cumsum(1) - 1
        sums = torch.zeros_like(grads).scatter_add_(1, group.unsqueeze(2).expand_as(grads), grads)
        self._kept = [tokens, self._tokens(x, grad)[1]]
        return sums.square().sum((1, 2))

    @override
    def contract(self, weights: Tensor) -> Sequence[Gradient]:
        (tokens, grads), self._kept = self._kept, []
        total = grads.new_zeros(self.module.weight.shape)
        scaled = (grads * weights.view(-1, 1, 1)).flatten(0, 1)
        return [total.index_add_(0, tokens.flatten(), scaled)]

    def _tokens(self, x: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
        """Return tokens [records, n] and their gradients [records, n, features], padding's set to zero."""
        records = self.tape.records
        tokens, grads = x.reshape(records, -1), grad.reshape(records, -1, grad.shape[-1])
        if self.module.padding_idx is not None:
            grads = grads.masked_fill((tokens == self.module.padding_idx).unsqueeze(2), 0.0)
        return tokens, grads
