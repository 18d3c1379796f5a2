"""The head on public directions: what it reads, and that its fixed part is fixed."""

from __future__ import annotations

import pytest
import torch

from mien.errors import ModelError
from models import registry
from models.public_head import FEATURES, public_directions


def test_only_the_last_layer_is_trained() -> None:
    model = registry.build("public_head")
    assert {name: tuple(each.shape) for name, each in model.named_parameters()} == {
        "output.weight": (4, 24),
        "output.bias": (4,),
    }
    assert registry.build("public_head", directions=5, attributes=["Bald"]).output.weight.shape == (1, 5)


@pytest.mark.parametrize("directions", [0, 33])
def test_directions_that_are_not_there_are_refused(directions: int) -> None:
    with pytest.raises(ModelError, match="1 to 32"):
        registry.build("public_head", directions=directions)


def test_the_public_projection_fits_the_features() -> None:
    mean, projection = public_directions()
    assert mean.shape == (FEATURES,)
    assert projection.shape == (FEATURES, 32)
    assert mean.isfinite().all()
    assert torch.linalg.matrix_rank(projection) == 32


def test_the_length_of_an_embedding_does_not_matter(tiny_batch) -> None:
    model = registry.build("public_head")
    inputs = tiny_batch(model, 3)
    longer = {**inputs, "embedding": inputs["embedding"] * 7}
    torch.testing.assert_close(model(longer), model(inputs))


def test_pictures_are_read_as_a_grid_of_mean_colours(tiny_batch) -> None:
    model = registry.build("public_head")
    inputs = tiny_batch(model, 2)
    coarse = {
        name: torch.nn.functional.adaptive_avg_pool2d(value, 4) if value.ndim == 4 else value
        for name, value in inputs.items()
    }
    torch.testing.assert_close(model(coarse), model(inputs))


def test_an_embedding_of_another_length_is_refused(tiny_batch) -> None:
    model = registry.build("public_head")
    inputs = tiny_batch(model, 1)
    inputs["embedding"] = torch.zeros(1, 512)
    with pytest.raises(ModelError, match=r"128 numbers.*got 512"):
        model(inputs)
