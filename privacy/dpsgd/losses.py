"""Losses that a step may know more about than their values."""

from __future__ import annotations

import dataclasses

from torch import Tensor, nn
from torch.nn import functional


@dataclasses.dataclass(frozen=True)
class LogisticLosses:
    """Binary cross-entropy of a network with one logit a row; a ``losses`` argument like any other.

    For a small fully connected network (a ``nn.Sequential`` of linear layers and activations) a private step
    recognises it and needs no autograd: the loss's derivative is ``sigmoid(logit) - label``, and the layers'
    have a closed form too. The numbers are the same.

    ``model``: [rows, ...] -> [rows, 1]; ``labels``: [rows], float, 0 to 1; ``factors``: [rows], what each loss is
    multiplied by (None: 1). Whoever weighs the two classes by a and b has the label a y / (a y + b (1 - y)) and
    the factor a y + b (1 - y).
    """

    model: nn.Module
    inputs: Tensor
    labels: Tensor
    factors: Tensor | None = None

    def __call__(self) -> Tensor:
        """Return the losses, [rows], by running the model."""
        logits = self.model(self.inputs).squeeze(1)
        losses = functional.binary_cross_entropy_with_logits(logits, self.labels, reduction="none")
        return losses if self.factors is None else losses * self.factors
