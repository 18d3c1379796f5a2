"""The same numbers as Opacus where Opacus is right; and its known traps, shown and avoided."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from opacus import GradSampleModule, PrivacyEngine
from opacus.optimizers import DPOptimizer
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from mien.errors import PrivacyError
from models import registry
from privacy.dpsgd.optimizer import PrivateTrainer
from privacy.dpsgd.sampling import poisson_batches
from privacy.randomness import TestOnlySource

pytestmark = pytest.mark.filterwarnings("ignore")  # Opacus warns about itself and about torch's hooks


class Tensors(nn.Module):
    """A registered network, called on the values of its columns."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.network = registry.build(name)

    def forward(self, *values):
        return self.network(dict(zip(self.network.inputs, values, strict=False)))


def trio_inputs(rows):
    return (torch.randn(rows, 8), torch.randn(rows, 3, 32, 32), torch.randn(rows, 3, 32, 32))


CASES = {
    "linear": (lambda: nn.Linear(8, 3), lambda rows: (torch.randn(rows, 8),)),
    "sigmoid network": (
        lambda: nn.Sequential(nn.Linear(8, 16), nn.Sigmoid(), nn.Linear(16, 1)),
        lambda rows: (torch.randn(rows, 8),),
    ),
    "convolutions": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, stride=2),
            nn.GroupNorm(4, 8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, groups=4),
        ),
        lambda rows: (torch.randn(rows, 3, 12, 12),),
    ),
    "tokens": (
        lambda: nn.Sequential(nn.Embedding(9, 8), nn.LayerNorm(8), nn.Linear(8, 4)),
        lambda rows: (torch.randint(0, 9, (rows, 5)),),
    ),
    "one dimension": (lambda: nn.Conv1d(3, 5, 4), lambda rows: (torch.randn(rows, 3, 11),)),
    "three attribute networks": (lambda: Tensors("attributes"), trio_inputs),
    "small HSANet": (lambda: Tensors("hsanet_small"), lambda rows: (torch.randn(rows, 3, 48, 48),)),
}


def losses(model, inputs):
    return 10 * model(*inputs).flatten(1).square().sum(1)


@pytest.mark.parametrize("case", CASES)
def test_per_record_norms_equal_opacus_in_float64(case, reference):
    torch.manual_seed(0)
    make, draw = CASES[case]
    model = make().double()
    inputs = [v.double() if v.is_floating_point() else v for v in draw(6)]
    _, norms = reference.ours(model, lambda rows: losses(model, inputs), 1.0)
    hooked = GradSampleModule(copy.deepcopy(model))
    losses(hooked, inputs).mean().backward()
    squares = sum(p.grad_sample.flatten(1).square().sum(1) for p in hooked.parameters())
    assert torch.allclose(norms, squares.sqrt(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("case", CASES)
def test_a_step_equals_opacus_in_float32(case):
    torch.manual_seed(0)
    make, draw = CASES[case]
    ours = make()
    theirs, inputs = GradSampleModule(copy.deepcopy(ours)), draw(6)
    start = torch.cat([p.detach().flatten() for p in ours.parameters()])
    optimizer = DPOptimizer(
        torch.optim.SGD(theirs.parameters(), lr=1.0),
        noise_multiplier=0.0,
        max_grad_norm=5.0,
        expected_batch_size=4,
    )
    losses(theirs, inputs).mean().backward()
    optimizer.step()
    trainer = PrivateTrainer(
        ours, clipping_norm=5.0, noise_multiplier=0.0, divisor=4, learning_rate=1.0, source=TestOnlySource(0)
    )
    report = trainer.step(lambda: losses(ours, inputs))
    assert report.clipped_fraction > 0
    one, two = (torch.cat([p.detach().flatten() for p in m.parameters()]) for m in (ours, theirs))
    assert float((one - two).norm()) <= 1e-5 * float((start - two).norm())


def test_opacus_rate_and_noise_depend_on_the_number_of_records_and_ours_do_not():
    """One record more changes Opacus' divisor from 30 to 27, and with it the noise, by 9 %."""

    def opacus_divisor(records):
        model = nn.Linear(2, 1)
        loader = DataLoader(TensorDataset(torch.zeros(records, 2)), batch_size=30)
        _, optimizer, private = PrivacyEngine().make_private(
            module=model,
            optimizer=torch.optim.SGD(model.parameters(), lr=1.0),
            data_loader=loader,
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )
        return optimizer.expected_batch_size, len(private)

    assert opacus_divisor(390) != opacus_divisor(391)

    def released_std(records):
        model = nn.Linear(1000, 100, bias=False)
        before = model.weight.detach().clone()
        trainer = PrivateTrainer(
            model,
            clipping_norm=1.0,
            noise_multiplier=1.0,
            divisor=30,
            learning_rate=1.0,
            source=TestOnlySource(0),
        )
        (chosen,) = poisson_batches(records, 0.08, 1, TestOnlySource(1))
        x = torch.zeros(len(chosen), 1000)
        trainer.step(lambda: model(x).sum(1))
        return float((before - model.weight.detach()).std()), len(
            list(poisson_batches(records, 0.08, 13, TestOnlySource(1)))
        )

    assert released_std(390) == released_std(391)


def test_opacus_ghost_clipping_breaks_its_bound_with_a_column_of_logits_and_ours_cannot():
    torch.manual_seed(0)
    x, y = torch.randn(64, 8), torch.rand(64, 1).round()
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
    ours = copy.deepcopy(model)
    module, optimizer, criterion, _ = PrivacyEngine().make_private(
        module=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        data_loader=DataLoader(TensorDataset(x, y), batch_size=64),
        criterion=nn.BCEWithLogitsLoss(),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        grad_sample_mode="ghost",
        poisson_sampling=False,
    )
    optimizer.zero_grad()
    criterion(module(x), y).backward()
    theirs = torch.sqrt(sum(p.grad.square().sum() for p in module.parameters()))
    assert float(theirs) > 64 * 1.0  # above records * C: the noise is calibrated for less

    trainer = PrivateTrainer(
        ours, clipping_norm=1.0, noise_multiplier=0.0, divisor=1, learning_rate=1.0, source=TestOnlySource(0)
    )
    with pytest.raises(PrivacyError, match="one loss a row"):
        trainer.step(lambda: functional.binary_cross_entropy_with_logits(ours(x), y, reduction="none"))
    before = [p.detach().clone() for p in ours.parameters()]
    trainer.step(lambda: functional.binary_cross_entropy_with_logits(ours(x), y, reduction="none")[:, 0])
    moved = [(old - new.detach()).square().sum() for old, new in zip(before, ours.parameters(), strict=False)]
    assert float(torch.sqrt(sum(moved))) <= 64 * (1 + 1e-6)


def test_one_poisoned_record_destroys_opacus_update_and_not_ours():
    x = torch.randn(6, 4)
    x[2] = float("inf")
    model = nn.Linear(4, 2)
    theirs = GradSampleModule(copy.deepcopy(model))
    optimizer = DPOptimizer(
        torch.optim.SGD(theirs.parameters(), lr=1.0),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        expected_batch_size=6,
    )
    theirs(x).sum(1).mean().backward()
    optimizer.step()
    assert any(bool(torch.isnan(p).any()) for p in theirs.parameters())
    trainer = PrivateTrainer(
        model, clipping_norm=1.0, noise_multiplier=1.0, divisor=6, learning_rate=1.0, source=TestOnlySource(0)
    )
    assert trainer.step(lambda: model(x).sum(1)).non_finite == 1
    assert all(bool(torch.isfinite(p).all()) for p in model.parameters())


def test_empty_batches_are_steps_like_others():
    """Opacus' distributed sampler drops them; here they are drawn, and take the same noise."""
    batches = list(poisson_batches(3, 0.1, 200, TestOnlySource(0)))
    assert sum(len(batch) == 0 for batch in batches) > 100
    model = nn.Linear(300, 100, bias=False)
    trainer = PrivateTrainer(
        model, clipping_norm=1.0, noise_multiplier=1.0, divisor=1, learning_rate=1.0, source=TestOnlySource(0)
    )
    before = model.weight.detach().clone()
    trainer.step_empty()
    assert np.isclose(float((before - model.weight.detach()).std()), 1.0, atol=5 / np.sqrt(2 * 30_000))
