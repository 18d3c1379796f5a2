"""One loss per record, unknown labels silent, nothing averaged over people."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from mien.errors import ModelError
from models.losses import identity_cross_entropy, masked_binary_cross_entropy


def test_mean_over_known_attributes() -> None:
    logits = torch.tensor([[0.3, -2.0, 5.0], [1.0, 1.0, 1.0]])
    labels = torch.tensor([[1, -1, 0], [0, 1, 1]], dtype=torch.int8)
    losses = masked_binary_cross_entropy(logits, labels)
    softplus = functional.softplus
    first = (softplus(torch.tensor(-0.3)) + softplus(torch.tensor(5.0))) / 2
    second = (softplus(torch.tensor(1.0)) + 2 * softplus(torch.tensor(-1.0))) / 3
    torch.testing.assert_close(losses, torch.stack([first, second]))


def test_unknown_labels_give_no_gradient() -> None:
    logits = torch.randn(2, 3, requires_grad=True)
    masked_binary_cross_entropy(logits, torch.tensor([[1, -1, 0], [-1, -1, -1]])).sum().backward()
    assert logits.grad is not None
    assert logits.grad[0, 1] == 0
    assert (logits.grad[1] == 0).all()
    assert logits.grad[0, 0] != 0


def test_record_without_labels_costs_nothing() -> None:
    losses = masked_binary_cross_entropy(torch.full((1, 2), 50.0), torch.full((1, 2), -1))
    assert losses.tolist() == [0.0]


def test_positive_weights_multiply_the_yes_side_only() -> None:
    logits, weights = torch.tensor([[0.7, 0.7]]), torch.tensor([3.0, 3.0])
    yes, no = torch.ones(1, 2), torch.zeros(1, 2)
    plain = masked_binary_cross_entropy
    torch.testing.assert_close(plain(logits, yes, weights), 3 * plain(logits, yes))
    torch.testing.assert_close(plain(logits, no, weights), plain(logits, no))


def test_smoothing_mixes_the_two_answers() -> None:
    logits = torch.tensor([[1.5]])
    yes, no = torch.ones(1, 1), torch.zeros(1, 1)
    smooth = masked_binary_cross_entropy(logits, yes, smoothing=0.2)
    mixed = 0.9 * masked_binary_cross_entropy(logits, yes) + 0.1 * masked_binary_cross_entropy(logits, no)
    torch.testing.assert_close(smooth, mixed)


def test_huge_logits_stay_finite() -> None:
    losses = masked_binary_cross_entropy(torch.tensor([[1e4, -1e4]]), torch.tensor([[0, 1]]))
    assert torch.isfinite(losses).all()


def test_runs_under_vmap() -> None:
    logits, labels = torch.randn(4, 3), torch.tensor([[1, 0, -1]] * 4)
    one = torch.func.vmap(lambda x, y: masked_binary_cross_entropy(x[None], y[None])[0])(logits, labels)
    torch.testing.assert_close(one, masked_binary_cross_entropy(logits, labels))


def test_identity_loss_is_per_record() -> None:
    logits, classes = torch.randn(5, 3), torch.tensor([0, 2, 1, 1, 0])
    losses = identity_cross_entropy(logits, classes)
    expected = logits.logsumexp(dim=1) - logits[torch.arange(5), classes]
    torch.testing.assert_close(losses, expected)


@pytest.mark.parametrize("shapes", [((2, 3), (2, 4)), ((2,), (2,)), ((2, 1), (2,))])
def test_refuses_shapes_that_would_broadcast(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(ModelError, match=r"\[B, A\]"):
        masked_binary_cross_entropy(torch.zeros(shapes[0]), torch.zeros(shapes[1]))


def test_identity_loss_refuses_soft_or_misshapen_classes() -> None:
    with pytest.raises(ModelError, match=r"int64 \[B\]"):
        identity_cross_entropy(torch.zeros(2, 3), torch.zeros(2, 3))
    with pytest.raises(ModelError, match=r"int64 \[B\]"):
        identity_cross_entropy(torch.zeros(2, 3), torch.zeros(3, dtype=torch.int64))
