"""FedProx (Li et al. 2020): local steps are pulled back towards the global weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn


class Proximal:
    """The gradient step of µ/2·‖w − w_global‖², taken beside the step of the data's loss, from the same weights.

    Without momentum the two together are one SGD step on the sum of both. With momentum the pull stays out of the
    velocity. ``parameters`` are the shared ones, holding the global weights now.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], learning_rate: float, proximal: float) -> None:
        self._parameters = list(parameters)
        self._pull = learning_rate * proximal
        self._anchors = [parameter.detach().clone() for parameter in self._parameters] if proximal else []

    @contextmanager
    def around_step(self) -> Iterator[None]:
        """Add the pull to whatever step is taken inside the block."""
        if not self._anchors:
            yield
            return
        weights = [parameter.detach() for parameter in self._parameters]
        away = torch._foreach_sub(weights, self._anchors)
        yield
        torch._foreach_add_(weights, away, alpha=-self._pull)
