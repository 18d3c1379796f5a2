"""Heads on frozen features run as whole federations, with secure aggregation and privacy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mien.errors import ModelError
from simulations.run import SimulationResult


@pytest.mark.parametrize(("name", "weights"), [("private_head", 4 * 129), ("public_head", 4 * 25)])
def test_a_head_on_frozen_features_trains_privately(
    run: Callable[..., SimulationResult], name: str, weights: int
) -> None:
    result = run(
        data={"embedding": True},
        model={"name": name, "options": {}},
        training={"sampling_rate": 1.0},
        privacy={"clipping_norm": 0.2},
    )
    assert result.last is not None
    assert result.last.round == 2
    assert result.last.survivors == 5
    assert result.last.epsilon is not None
    assert 7.5 < result.last.epsilon <= 8.0
    assert set(result.last.auc) == {"Chubby", "Pale_Skin", "Rosy_Cheeks", "Pointy_Nose"}
    assert 0 < result.bytes_up < 5 * 3 * 20_000 + 16 * weights * 10  # a head's upload is small


def test_a_model_that_reads_embeddings_says_what_the_config_lacks(
    run: Callable[..., SimulationResult],
) -> None:
    with pytest.raises(ModelError, match=r"embedding = true"):
        run(model={"name": "private_head", "options": {}})
