"""Losses that a step may know more about than their values."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclasses.dataclass(frozen=True)
class LogisticLosses:
    """Binary cross-entropy of a network with one logit a row; a ``losses`` argument like any other.

    For a small fully connected network (a ``nn.Sequential`` of linear layers and activations) a private step
    recognises it and needs no autograd: the loss's derivative is ``sigmoid(logit) - label``, and the layers'
    have a closed form too. The numbers are the same.

    ``model``: [rows, ...] -> [rows, 1]; ``labels``: [rows], float, 0 to 1.
    """

    model: nn.Module
    inputs: Tensor
    labels: Tensor

    def __call__(self) -> Tensor:
        """Return the losses, [rows], by running the model."""
        return self._values(self.model(self.inputs))

    def differentiate(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return the losses, [rows], and their derivatives by the logits, [rows, 1]."""
        return self._values(logits), torch.sigmoid(logits).sub_(self.labels.unsqueeze(1))

    def _values(self, logits: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(logits.squeeze(1), self.labels, reduction="none")
