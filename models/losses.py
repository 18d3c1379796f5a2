"""Losses that keep one value per record, because private training clips each record's gradient by itself.

Nothing here averages over the batch: the caller divides by a *public* number (the expected batch), never by
the count of records that happened to be drawn. Both losses are free of data-dependent control flow, so they
run under ``torch.func.vmap``.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mien.errors import ModelError

UNKNOWN = -1
"""The label of an attribute that nobody stated: it gives no loss and no gradient."""


def masked_binary_cross_entropy(
    logits: Tensor, labels: Tensor, positive_weights: Tensor | None = None, *, smoothing: float = 0.0
) -> Tensor:
    """Return the loss of each record, [B] float: the mean over its known attributes, 0 when it has none.

    ``logits`` [B, A] float; ``labels`` [B, A] of any number type, 1 yes, 0 no, −1 unknown. ``positive_weights``
    [A] multiplies the loss of yes-labels (rare attributes); it is a public constant of the run, not a statistic
    of a client. ``smoothing`` s moves targets to s/2 and 1 − s/2 (Szegedy et al. 2016).

    Raises ModelError when the shapes differ.
    """
    if logits.shape != labels.shape or logits.ndim != 2:
        raise ModelError(
            f"logits and labels must both be [B, A], got {list(logits.shape)} and {list(labels.shape)}"
        )
    known = (labels != UNKNOWN).to(logits.dtype)
    targets = (labels > 0).to(logits.dtype) * (1.0 - smoothing) + smoothing / 2.0
    values = functional.binary_cross_entropy_with_logits(
        logits, targets, pos_weight=positive_weights, reduction="none"
    )
    return (values * known).sum(dim=1) / known.sum(dim=1).clamp(min=1.0)


def identity_cross_entropy(logits: Tensor, classes: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Return the softmax cross-entropy of each record, [B] float, for ``logits`` [B, K], ``classes`` [B] int64.

    Raises ModelError when the shapes do not fit.
    """
    if logits.ndim != 2 or classes.shape != logits.shape[:1] or classes.dtype != torch.int64:
        raise ModelError(
            f"logits must be [B, K] and classes int64 [B], got {list(logits.shape)} and "
            f"{classes.dtype} {list(classes.shape)}"
        )
    return functional.cross_entropy(logits, classes, reduction="none", label_smoothing=smoothing)
