"""The form of the loss that private training knows: the same losses and clipped sums as the general one."""

from __future__ import annotations

import pytest
import torch

from client.losses import losses_of_rows
from models import registry
from models.losses import masked_binary_cross_entropy
from privacy.dpsgd import clipping
from privacy.dpsgd.clipping import ClippingEngine


def _face_shape(rows):
    torch.manual_seed(0)
    model = registry.build("face_shape")
    labels = torch.randint(-1, 2, (rows, 1), dtype=torch.int8)
    assert {-1, 0, 1} <= set(labels.flatten().tolist())
    return model, {"jaw": torch.randn(rows, 8)}, labels


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [None, 0.0, 0.3, 7.0])
@pytest.mark.parametrize("stack", [1, 4])
@pytest.mark.parametrize("poison", [False, True])
def test_face_shape_is_trained_in_closed_form_with_the_same_numbers(
    monkeypatch, smoothing, weight, stack, poison
):
    model, inputs, labels = _face_shape(64)
    positive = None if weight is None else torch.tensor([weight])
    if poison:
        inputs["jaw"][17] = torch.inf
    taken = []
    original = clipping._clip_in_closed_form
    monkeypatch.setattr(
        clipping, "_clip_in_closed_form", lambda *arguments: taken.append(1) or original(*arguments)
    )
    padding = torch.ones(64)
    padding[5:12] = 0.0  # parts of a record, and with four rows a record a whole one

    def clip(losses):
        clipped = ClippingEngine(model, stack=stack).clip(losses, 0.3, weights=padding)
        return clipped, [(g if isinstance(g, torch.Tensor) else g.whole()).clone() for _, g in clipped.sums]

    fast, fast_sums = clip(losses_of_rows(model, inputs, labels, positive, smoothing))
    assert taken == [1]
    general, sums = clip(
        lambda: masked_binary_cross_entropy(model(inputs), labels, positive, smoothing=smoothing)
    )
    assert taken == [1]  # the general form did without it
    assert fast.non_finite == general.non_finite
    for figure in ("mean_losses", "norms", "coefficients"):
        one, other = (torch.from_numpy(getattr(clipped, figure)) for clipped in (fast, general))
        alive = torch.from_numpy(general.coefficients > 0)
        assert torch.allclose(one[alive], other[alive], rtol=1e-5, atol=1e-6), figure
        assert torch.equal(one.isfinite(), other.isfinite()), figure
    for one, other in zip(fast_sums, sums, strict=True):
        assert (one - other).norm() <= 1e-5 * max(float(other.norm()), 1e-3)


def test_the_function_gives_the_masked_loss_when_it_is_called():
    model, inputs, labels = _face_shape(40)
    positive = torch.tensor([2.5])
    losses = losses_of_rows(model, inputs, labels, positive, 0.2)()
    expected = masked_binary_cross_entropy(model(inputs), labels, positive, smoothing=0.2)
    assert torch.allclose(losses, expected, atol=1e-6)


def test_a_network_that_is_not_one_chain_takes_the_general_form():
    model = registry.build("face_cnn")
    assert model.chain({}) is None
