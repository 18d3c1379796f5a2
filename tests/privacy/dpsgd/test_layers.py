"""Clipped sums of every kind of layer against the naive loop, in float32 and float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from privacy.dpsgd.clipping import ClippingEngine
from privacy.dpsgd.layers import conv_choice, conv_kernels
from privacy.dpsgd.layers.base import OuterSum
from privacy.dpsgd.layers.conv_choice import Method
from privacy.dpsgd.losses import LogisticLosses

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


class Called(nn.Module):
    """A bare table in a module that is called, as HSANet has it."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(6, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(x.flatten(2) * self.table)


class Attention(nn.Module):
    """Attention over tokens with PyTorch's own module, whose projections share one bare parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x, x, x, need_weights=False)[0]


LAYERS = {
    "linear": (lambda: nn.Linear(8, 4), (8,)),
    "linear, no bias": (lambda: nn.Linear(8, 4, bias=False), (8,)),
    "linear, few positions": (lambda: nn.Linear(8, 9), (3, 8)),
    "linear, many positions": (lambda: nn.Linear(4, 3), (5, 6, 4)),
    "chain": (
        lambda: nn.Sequential(nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 2)),
        (8,),
    ),
    "chain of sigmoids": (lambda: nn.Sequential(nn.Linear(8, 16), nn.Sigmoid(), nn.Linear(16, 1)), (8,)),
    "chain on tokens": (lambda: nn.Sequential(nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 3)), (4, 8)),
    "convolution": (lambda: nn.Conv2d(3, 8, 3, padding=1), (3, 9, 9)),
    "strided, dilated": (lambda: nn.Conv2d(3, 6, 3, stride=2, dilation=2, padding=(1, 2)), (3, 12, 11)),
    "grouped": (lambda: nn.Conv2d(6, 9, 3, groups=3, bias=False), (6, 8, 8)),
    "depthwise": (lambda: nn.Conv2d(6, 12, (3, 5), groups=6, padding="same"), (6, 8, 8)),
    "pointwise": (lambda: nn.Conv2d(6, 5, 1), (6, 7, 7)),
    "pointwise, small map": (lambda: nn.Conv2d(6, 5, 1, bias=False), (6, 3, 3)),
    "pointwise, strided": (lambda: nn.Conv2d(6, 5, 1, stride=2), (6, 7, 7)),
    "deep on a small map": (lambda: nn.Conv2d(32, 32, 3, padding=1), (32, 3, 3)),
    "deep and strided": (lambda: nn.Conv2d(32, 32, 3, padding=1, stride=2), (32, 5, 4)),
    "same, even window": (lambda: nn.Conv2d(3, 4, 4, padding="same"), (3, 7, 7)),
    "circular": (lambda: nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular"), (3, 7, 7)),
    "reflect, same": (lambda: nn.Conv2d(3, 4, 3, padding="same", padding_mode="reflect"), (3, 7, 7)),
    "one dimension": (lambda: nn.Conv1d(3, 6, 4, stride=2), (3, 15)),
    "three dimensions": (lambda: nn.Conv3d(2, 3, 2, padding=1), (2, 3, 4, 5)),
    "group norm": (lambda: nn.GroupNorm(2, 6), (6, 5, 5)),
    "group norm without places": (lambda: nn.GroupNorm(2, 6), (6,)),
    "layer norm": (lambda: nn.LayerNorm(6), (5, 6)),
    "layer norm over two dimensions": (lambda: nn.LayerNorm((5, 6), bias=False), (3, 5, 6)),
    "layer norm, one position": (lambda: nn.LayerNorm(6), (6,)),
    "instance norm": (lambda: nn.InstanceNorm2d(4, affine=True), (4, 6, 6)),
    "prelu": (lambda: nn.PReLU(4), (4, 5)),
    "called table": (Called, (6, 3, 3)),
    "attention": (Attention, (5, 8)),
}


@pytest.mark.filterwarnings(
    "ignore:.*performance drop.*:UserWarning", "ignore:.*even kernel lengths.*:UserWarning"
)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("stack", [1, 3])
@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_equals_the_naive_loop(reference, layer, stack, dtype):
    torch.manual_seed(len(layer))
    make, shape = LAYERS[layer]
    # A layer before it makes its input need a gradient too, which must be right for the norm to be.
    before = nn.GroupNorm(1, shape[0])
    model = nn.Sequential(before, make()).to(dtype)
    x = torch.randn(7 * stack, *shape, dtype=dtype)
    scale = torch.rand(7, dtype=dtype).repeat_interleave(stack) + 0.1

    def losses(rows):
        return model(x[rows]).flatten(1).square().sum(1) * scale[rows]

    assert reference.error(model, losses, 7, stack) <= TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("stack", [1, 2])
def test_an_embedding_equals_the_naive_loop(reference, stack, dtype):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(7, 4, padding_idx=0), nn.Flatten(), nn.Linear(24, 3)).to(dtype)
    tokens = torch.randint(0, 7, (8 * stack, 6))  # tokens repeat within a record
    assert (
        reference.error(model, lambda rows: model(tokens[rows]).square().sum(1), 8, stack) <= TOLERANCE[dtype]
    )


METHODS = [Method("ghost"), *(Method(name, keep) for name in conv_kernels.KERNELS for keep in (True, False))]
CONVOLUTIONS = {
    "plain": (lambda: nn.Conv2d(5, 6, 3, padding=1, stride=2), (5, 9, 7)),
    "pointwise": (lambda: nn.Conv2d(5, 6, 1, stride=2), (5, 9, 7)),
    "grouped": (lambda: nn.Conv2d(6, 4, 3, groups=2, dilation=2, padding=1, bias=False), (6, 9, 7)),
}


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("stack", [1, 2])
@pytest.mark.parametrize("kind", CONVOLUTIONS)
@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.kernel + (" kept" if m.keep else ""))
def test_every_method_of_clipping_a_convolution_is_right(reference, monkeypatch, method, kind, stack, dtype):
    monkeypatch.setattr("privacy.dpsgd.layers.conv.by_cost", lambda task: method)
    torch.manual_seed(0)
    make, shape = CONVOLUTIONS[kind]
    model = make().to(dtype)
    x = torch.randn(5 * stack, *shape, dtype=dtype)
    error = reference.error(model, lambda rows: model(x[rows]).flatten(1).square().sum(1), 5, stack)
    assert error <= TOLERANCE[dtype]


def test_trying_all_methods_changes_nothing_but_rounding(reference):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 1), nn.ReLU(), nn.Conv2d(8, 4, 3, groups=2)
    )
    x = torch.randn(6, 3, 10, 10)
    assert reference.error(model, lambda r: model(x[r]).flatten(1).square().sum(1), 6, autotune=True) <= 1e-5


def test_the_cost_model_chooses_ghost_norms_for_small_maps_and_gradients_for_large_ones():
    def choose(channels_in, channels_out, side, kernel=3):
        geometry = conv_kernels.Geometry((kernel,) * 2, (1, 1), (1, 1), (1, 1), 1, channels_in, channels_out)
        return conv_choice.by_cost(conv_choice.Task(geometry, 8, 1, side * side))

    assert choose(512, 512, 4) == Method("ghost")
    assert choose(64, 64, 28).keep
    assert choose(3, 64, 112, kernel=7) == Method("rows", keep=True)
    assert choose(3, 64, 56, kernel=7) == Method("tiles", keep=True)  # so small a row is slow in the library
    assert not choose(4096, 4096, 64).keep  # 8 gradients would take 4.8 GB


class Tied(nn.Module):
    """One table as embedding and as output layer; one layer called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(9, 5)
        self.twice = nn.Linear(5, 5)
        self.out = nn.Linear(5, 9, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.twice(torch.tanh(self.twice(self.embed(x).mean(1))))))


@pytest.mark.parametrize("stack", [1, 2])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_shared_parameters_are_added_up_before_the_norm(reference, dtype, stack):
    torch.manual_seed(0)
    model = Tied().to(dtype)
    tokens = torch.randint(0, 9, (6 * stack, 4))
    assert (
        reference.error(model, lambda rows: model(tokens[rows]).square().sum(1), 6, stack) <= TOLERANCE[dtype]
    )


def test_a_chain_called_twice_is_right(reference):
    torch.manual_seed(0)
    chain = nn.Sequential(nn.Linear(4, 6), nn.Sigmoid(), nn.Linear(6, 4)).double()
    x = torch.randn(9, 4, dtype=torch.float64)
    assert reference.error(chain, lambda rows: chain(chain(x[rows])).square().sum(1), 9) <= 1e-12


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_the_closed_form_of_a_logistic_loss_is_right(reference, dtype, bias):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(8, 16, bias=bias), nn.Sigmoid(), nn.Linear(16, 5), nn.ReLU(), nn.Linear(5, 1)
    )
    model = model.to(dtype)
    x, labels = torch.randn(20, 8, dtype=dtype) * 3, torch.randint(0, 2, (20,)).to(dtype)
    weights = (torch.arange(20) != 4).to(dtype)  # record 4 is padding
    losses = LogisticLosses(model, x, labels)
    general = ClippingEngine(model).clip(lambda: losses(), 0.3, weights)
    closed = ClippingEngine(model).clip(losses, 0.3, weights)
    assert np.allclose(general.norms, closed.norms, rtol=TOLERANCE[dtype], atol=0)
    assert np.allclose(general.mean_losses, closed.mean_losses, rtol=TOLERANCE[dtype], atol=0)
    for (one, a), (two, b) in zip(general.sums, closed.sums, strict=True):
        assert one is two
        first, second = (g.whole() if isinstance(g, OuterSum) else g for g in (a, b))
        assert float((first - second).norm()) <= TOLERANCE[dtype] * float(first.norm())
    naive = reference.gradients(model, lambda rows: LogisticLosses(model, x[rows], labels[rows])(), 20)
    assert np.allclose(closed.norms, reference.norms(naive) * weights, rtol=TOLERANCE[dtype], atol=0)


@pytest.mark.parametrize("poison", [math.nan, math.inf, 1e38])
def test_the_closed_form_drops_a_record_that_is_not_finite(poison):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
    x, labels = torch.randn(20, 8), torch.randint(0, 2, (20,)).float()
    others = torch.arange(20) != 7
    clean = ClippingEngine(model).clip(LogisticLosses(model, x[others], labels[others]), 0.3)
    expected = [gradient.clone() for _, gradient in clean.sums]
    x[7] = poison
    before = x.clone()
    clipped = ClippingEngine(model).clip(LogisticLosses(model, x, labels), 0.3)
    assert clipped.non_finite == 1
    assert math.isnan(clipped.norms[7])
    assert clipped.coefficients[7] == 0
    found = list(clipped.sums)
    for (_, gradient), other in zip(found, expected, strict=True):
        assert torch.allclose(gradient, other, rtol=1e-5, atol=1e-6)
    assert torch.equal(clipped.joint, torch.cat([gradient.flatten() for _, gradient in found]))
    assert torch.equal(x.nan_to_num(), before.nan_to_num())  # the caller's rows stay what they were


@pytest.mark.parametrize("wrong", [(20, 1), (1,), (19,)])
def test_labels_of_another_shape_are_not_broadcast(wrong):
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
    with pytest.raises(ValueError, match="size"):
        ClippingEngine(model).clip(LogisticLosses(model, torch.randn(20, 8), torch.zeros(wrong)), 0.3)


def test_a_logistic_loss_of_another_network_takes_the_general_way(reference):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 4), nn.LayerNorm(4), nn.Linear(4, 1)).double()
    x, labels = torch.randn(9, 8, dtype=torch.float64), torch.randint(0, 2, (9,)).double()
    error = reference.error(model, lambda rows: LogisticLosses(model, x[rows], labels[rows])(), 9)
    assert error <= 1e-12
    assert len(ClippingEngine(model).clip(LogisticLosses(model, x, labels), 1.0).norms) == 9


def test_frozen_parameters_are_left_out(reference):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(64, 5)).double()
    model[0].weight.requires_grad_(False)
    model[1].bias.requires_grad_(False)
    model[3].weight.requires_grad_(False)
    x = torch.randn(6, 3, 6, 6, dtype=torch.float64)
    assert reference.error(model, lambda rows: model(x[rows]).square().sum(1), 6) <= 1e-12


def test_padding_rows_and_row_weights(reference):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(27, 2)).double()
    x = torch.randn(12, 2, 5, 5, dtype=torch.float64)
    weights = torch.tensor([[1, 1, 1], [1, 0, 0], [1, 3, 0], [0, 0, 0]], dtype=torch.float64)
    x[weights.flatten() == 0] = 1e9  # whatever padding holds must not matter

    def record(index):
        share = weights[index] / weights[index].sum().clamp(min=1)
        rows = slice(3 * index, 3 * index + 3)
        kept = share > 0
        return (model(x[rows][kept]).square().sum(1) * share[kept]).sum().reshape(1)

    gradients = reference.gradients(model, lambda rows: record(rows.start), 4)
    expected = reference.clipped_sum(gradients, 1.0).nan_to_num()
    found, norms = reference.ours(model, lambda rows: model(x).square().sum(1), 1.0, 3, weights.flatten())
    assert norms[3] == 0
    assert (found - expected).norm() <= 1e-12 * expected.norm()


def test_the_model_is_as_before_after_a_step(reference):
    model = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 1))
    x = torch.randn(5, 3)
    reference.ours(model, lambda rows: model(x).square().sum(1), 1.0)
    assert all("forward" not in module.__dict__ for module in model.modules())
    assert all(p.grad is None for p in model.parameters())
    model(x).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
