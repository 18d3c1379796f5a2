"""A tiny batch for any model of the registry."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from models.network import Network

Batch = Callable[[Network, int], dict[str, Tensor]]


@pytest.fixture(scope="session")
def tiny_batch() -> Batch:
    """Return a maker of standardised inputs: (model, records) -> the columns that the model reads."""

    def make(model: Network, records: int, *, side: int = 40, seed: int = 1) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        shapes = {
            "jaw": (8,),
            "embedding": (128,),
            "advice": (29,),
            "skin": (3, side, side),
            "nose": (3, side, side),
            "face": (3, side, side),
        }
        return {name: torch.randn(records, *shapes[name], generator=generator) for name in model.inputs}

    return make
