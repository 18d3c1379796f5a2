"""First weights that depend on a seed alone.

The rules are the usual ones: He et al. 2015 for convolutions (fan in, the gain of ReLU), Glorot and Bengio 2010
for linear layers (sigmoid units and logits), ones and zeros for norms, zeros for biases.
The global generators of torch are neither read nor moved: two clients that build the same model with the same
seed agree to the bit, and nobody's data order changes because a model was made.
"""

from __future__ import annotations

from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import nn

from mien.errors import ModelError

_NORMS = (nn.GroupNorm, nn.LayerNorm, nn.BatchNorm1d, nn.BatchNorm2d)


@runtime_checkable
class Initialises(Protocol):
    """A module that sets its own direct parameters (not its children's)."""

    def initialise(self, generator: torch.Generator) -> None:
        """Overwrite the direct parameters with values drawn from ``generator`` only."""


AnyModule = TypeVar("AnyModule", bound=nn.Module)


def initialise(model: AnyModule, seed: int | torch.Generator = 0) -> AnyModule:
    """Overwrite every parameter of ``model`` (and reset running statistics) from ``seed``; return the model.

    Modules are visited in the order of their registration. A module that has parameters of its own and is none
    of torch's convolution, linear or norm layers must offer ``initialise(generator)``.

    Raises ModelError for a module whose parameters nobody knows how to set.
    """
    generator = seed if isinstance(seed, torch.Generator) else torch.Generator().manual_seed(seed)
    for name, module in model.named_modules():
        if isinstance(module, Initialises):
            module.initialise(generator)
        elif isinstance(module, nn.Conv2d | nn.Linear):
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            else:
                nn.init.xavier_uniform_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, _NORMS):
            module.reset_parameters()
        elif next(module.parameters(recurse=False), None) is not None:
            raise ModelError(
                f"module {name or '(root)'} of type {type(module).__name__} has parameters of its own and no "
                f"rule to initialise them; give it a method initialise(generator)"
            )
    return model
