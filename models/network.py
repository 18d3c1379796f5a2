"""What every network of Mien has in common: named inputs, named outputs, and one way to be called."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from mien.errors import ModelError

Inputs = Mapping[str, Tensor]


class Network(nn.Module):
    """A network that is called with one mapping, column name -> float32 tensor [B, ...], and gives [B, K].

    ``inputs`` are the columns it reads (others in the mapping are ignored); ``outputs`` name the K results:
    one attribute each, whose values are logits, or a single ``"logits"`` (identity classes) or ``"embedding"``
    (a unit vector) that stands for all K of them.
    """

    def __init__(self, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        super().__init__()
        if not outputs:
            raise ModelError(f"{type(self).__name__}: outputs must name at least one result, got none")
        if len(set(outputs)) != len(outputs):
            raise ModelError(
                f"{type(self).__name__}: outputs must differ from each other, got {list(outputs)}"
            )
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)

    def column(self, inputs: Inputs, name: str) -> Tensor:
        """Return one input column. Raises ModelError that says which are there when it is missing."""
        try:
            return inputs[name]
        except KeyError:
            raise ModelError(
                f"{type(self).__name__} needs the input column {name!r}, got {sorted(inputs)}; "
                f"make the inputs by models.inputs.to_inputs from a table that has it"
            ) from None

    def forward(self, inputs: Inputs) -> Tensor:
        """Return [B, K]; every network says what its K results are."""
        raise NotImplementedError

    def chain(self, inputs: Inputs) -> tuple[nn.Sequential, Tensor] | None:  # noqa: ARG002
        """Return a Sequential and its input where ``forward`` is no more than that one call; else None.

        Private training differentiates a small chain with one output in closed form.
        """
        return None


def group_norm(channels: int, groups: int) -> nn.GroupNorm:
    """Return a GroupNorm (Wu and He 2018) with at most ``groups`` groups that divide ``channels`` evenly.

    It sees one record at a time, so a record's gradient depends on that record alone, which is what clipping
    by record needs; batch statistics would mix people.
    """
    return nn.GroupNorm(math.gcd(groups, channels), channels)


def conv_block(channels_in: int, channels_out: int, *, groups: int, stride: int = 1) -> nn.Sequential:
    """Return 3×3 convolution, GroupNorm, ReLU; the map keeps its size at stride 1."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False),
        group_norm(channels_out, groups),
        nn.ReLU(),
    )


def positive(name: str, value: float) -> None:
    """Refuse an option that has to be greater than zero."""
    if not value > 0:
        raise ModelError(f"model option {name} must be greater than 0, got {value!r}")
