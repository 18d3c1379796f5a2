"""The loss of each row, in the form that private training differentiates fastest."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from models.losses import UNKNOWN, masked_binary_cross_entropy
from models.network import Network
from privacy.dpsgd.losses import LogisticLosses


def losses_of_rows(
    model: Network,
    inputs: Mapping[str, Tensor],
    labels: Tensor,
    positive_weights: Tensor | None,
    smoothing: float,
) -> Callable[[], Tensor]:
    """Return a function that runs ``model`` and gives :func:`masked_binary_cross_entropy` of each row, [rows].

    ``labels`` [rows, outputs]: 1 yes, 0 no, -1 unknown. Where the model is one chain with one output, the function
    is a :class:`LogisticLosses` of the same value: with weight p on yes-labels, a loss at the target t is
    ``p t + 1 - t`` times the cross-entropy at ``p t / (p t + 1 - t)``; an unknown label has the factor zero.
    """
    chain = model.chain(inputs)
    if chain is None or labels.shape[1] != 1:
        return lambda: masked_binary_cross_entropy(
            model(inputs), labels, positive_weights, smoothing=smoothing
        )
    layers, x = chain
    label = labels[:, 0]
    targets = (label > 0).to(x.dtype) * (1.0 - smoothing) + smoothing / 2.0
    factors = (label != UNKNOWN).to(x.dtype)
    if positive_weights is not None:
        yes = targets * positive_weights[0]
        total = yes + 1.0 - targets
        targets, factors = yes / total.clamp(min=1e-30), factors * total
    return LogisticLosses(layers, x, targets, factors)
