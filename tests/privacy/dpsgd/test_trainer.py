"""The private step as a whole: what it computes, what it reports, what it never does."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from privacy.dpsgd.noise import BLOCK
from privacy.dpsgd.optimizer import PrivateTrainer
from privacy.randomness import SystemSource, TestOnlySource


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4)
    )


def batch(rows: int = 12) -> torch.Tensor:
    return torch.randn(rows, 3, 6, 6, generator=torch.Generator().manual_seed(1))


def losses(model, x):
    return lambda: model(x).square().sum(1)


def trainer(model, **changes):
    options = {"clipping_norm": 0.5, "noise_multiplier": 0.0, "divisor": 10.0, "learning_rate": 0.3}
    return PrivateTrainer(model, **{**options, "source": TestOnlySource(0), **changes})


def weights(model) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_a_step_without_noise_is_the_clipped_sum_over_the_divisor(reference):
    model, x = network(), batch()
    before = weights(model)
    expected = reference.clipped_sum(
        reference.gradients(model, lambda r: model(x[r]).square().sum(1), 12), 0.5
    )
    report = trainer(model).step(losses(model, x))
    assert torch.allclose((before - weights(model)) / 0.3 * 10.0, expected, rtol=1e-4, atol=1e-5)
    assert report.records == 12
    assert report.clipped_fraction == 1.0
    assert report.non_finite == 0


def test_momentum_and_decay_are_those_of_torch(reference):
    model, x = network(), batch()
    twin = copy.deepcopy(model)
    ours = trainer(model, clipping_norm=None, learning_rate=0.01, momentum=0.9, weight_decay=0.01)
    theirs = torch.optim.SGD(twin.parameters(), lr=0.01, momentum=0.9, weight_decay=0.01)
    for _ in range(4):
        ours.step(losses(model, x))
        theirs.zero_grad()
        (losses(twin, x)().sum() / 10.0).backward()
        theirs.step()
    assert torch.allclose(weights(model), weights(twin), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_the_clipped_path_with_a_huge_norm_is_the_plain_path(momentum, decay):
    plain, clipped, x = network(), network(), batch()
    options = {"learning_rate": 0.01, "momentum": momentum, "weight_decay": decay}
    one = trainer(plain, clipping_norm=None, **options)
    two = trainer(clipped, clipping_norm=1e9, **options)
    for _ in range(3):
        assert one.step(losses(plain, x)).mean_loss == pytest.approx(
            two.step(losses(clipped, x)).mean_loss, rel=1e-4
        )
    assert torch.allclose(weights(plain), weights(clipped), rtol=1e-4, atol=1e-6)


def test_a_stack_of_photos_is_one_record(reference):
    """Copies of a photo in a record change nothing: the person counts, not the photos."""
    single, stacked, x = network(), network(), batch(4)
    trainer(single).step(losses(single, x))
    photos = x.repeat_interleave(3, 0)
    report = trainer(stacked, stack=3).step(losses(stacked, photos))
    assert report.records == 4
    assert torch.allclose(weights(single), weights(stacked), rtol=1e-4, atol=1e-6)


def test_padding_changes_nothing():
    one, two, x = network(), network(), batch(4)
    trainer(one, stack=2).step(losses(one, x))
    padded = torch.cat((x.view(2, 2, 3, 6, 6), torch.full((2, 1, 3, 6, 6), 7.0)), 1).flatten(0, 1)
    report = trainer(two, stack=3).step(losses(two, padded), torch.tensor([1, 1, 0, 1, 1, 0]))
    assert report.records == 2
    assert torch.allclose(weights(one), weights(two), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("poison", [math.nan, math.inf, 1e30])
@pytest.mark.parametrize("stack", [1, 2])
def test_a_record_that_is_not_finite_counts_zero_and_the_others_as_if_it_were_not_there(poison, stack):
    clean, poisoned, x = network(), network(), batch(8 * stack)
    x[3 * stack] = poison  # one photo of record 3
    healthy = torch.cat((x[: 3 * stack], x[4 * stack :]))
    expected = trainer(clean, stack=stack).step(losses(clean, healthy))
    report = trainer(poisoned, stack=stack).step(losses(poisoned, x))
    assert report.non_finite == 1
    assert report.records == 8
    assert report.mean_loss == pytest.approx(expected.mean_loss, rel=1e-5)
    assert torch.allclose(weights(clean), weights(poisoned), rtol=1e-5, atol=1e-7)


def test_poison_in_every_kind_of_layer_is_removed():
    """Ghost norms, kept gradients, shared layers, embeddings: what is dropped must be dropped everywhere."""

    class Many(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.small = nn.Conv2d(16, 16, 3, padding=1)
            self.large = nn.Conv2d(3, 16, 3, padding=1)
            self.embed = nn.Embedding(5, 16)
            self.twice = nn.Linear(16, 16)
            self.chain = nn.Sequential(nn.Linear(16, 4), nn.Tanh(), nn.Linear(4, 2))
            self.scale = nn.PReLU(2)

        def forward(self, x, tokens):
            x = self.small(nn.functional.avg_pool2d(self.large(x), 4)).mean((2, 3))
            return self.scale(self.chain(self.twice(self.twice(x + self.embed(tokens)))))

    torch.manual_seed(0)
    clean = Many()
    poisoned = copy.deepcopy(clean)
    x, tokens = torch.randn(6, 3, 12, 12), torch.randint(0, 5, (6,))
    x[2] = math.nan
    keep = [0, 1, 3, 4, 5]
    trainer(clean).step(lambda: clean(x[keep], tokens[keep]).sum(1))
    assert trainer(poisoned).step(lambda: poisoned(x, tokens).sum(1)).non_finite == 1
    assert torch.allclose(weights(clean), weights(poisoned), rtol=1e-5, atol=1e-7)
    assert bool(torch.isnan(x[2]).all())  # the caller's data is not touched


def test_a_batch_of_nothing_but_poison_is_an_empty_batch():
    model, x = network(), batch(3) * math.nan
    before = weights(model)
    report = trainer(model).step(losses(model, x))
    assert report.non_finite == 3
    assert math.isnan(report.mean_loss)
    assert torch.equal(weights(model), before)


def test_the_plain_path_skips_a_poisoned_batch():
    model, x = network(), batch(3)
    x[0] = math.nan
    before = weights(model)
    report = trainer(model, clipping_norm=None).step(losses(model, x))
    assert report.non_finite == 1
    assert torch.equal(weights(model), before)


def test_an_empty_batch_takes_noise_on_every_parameter():
    model = network()
    before = weights(model)
    report = trainer(model, noise_multiplier=1.0).step_empty()
    moved = (before - weights(model)) / 0.3 * 10.0 / 0.5
    assert (report.records, report.clipped_fraction, report.non_finite) == (0, 0.0, 0)
    assert float(moved.std()) == pytest.approx(1.0, abs=5 / math.sqrt(2 * len(moved)))
    assert torch.count_nonzero(moved) > 0.9 * len(moved)


def test_an_unused_parameter_takes_noise_too():
    """T3: which layers a batch used must not show."""
    model = nn.ModuleDict({"used": nn.Linear(4, 300), "unused": nn.Linear(70, 900)})
    before = model["unused"].weight.detach().clone()
    x = torch.randn(5, 4)
    trainer(model, noise_multiplier=1.0).step(lambda: model["used"](x).sum(1))
    moved = (before - model["unused"].weight.detach()) / 0.3 * 10.0 / 0.5
    assert float(moved.std()) == pytest.approx(1.0, abs=5 / math.sqrt(2 * moved.numel()))


def test_the_released_weights_lie_on_the_grid_whatever_the_data():
    """From zero weights, one step leaves integer multiples of rate * grid / divisor in float64."""
    model = nn.Linear(50, 20, bias=False).double()
    nn.init.zeros_(model.weight)
    steps = trainer(model, noise_multiplier=0.7, learning_rate=1.0, divisor=1.0)
    x = torch.randn(6, 50, dtype=torch.float64)
    steps.step(lambda: model(x).sum(1))
    integers = model.weight.detach() / steps._update._noise.grid
    assert torch.allclose(integers, integers.round(), rtol=0, atol=1e-9)
    assert len(torch.unique(integers.round())) > 20


@pytest.mark.parametrize("size", [(7, 5), (300, 1000), (3, BLOCK + 17)])
def test_all_sizes_of_layers_are_updated_wholly(size):
    """Small layers share blocks, large ones are cut into them; with noise off nothing may be lost."""
    model = nn.Linear(size[1], size[0])
    x = torch.randn(4, size[1])
    before = [p.detach().clone() for p in model.parameters()]
    trainer(model, clipping_norm=1e9, momentum=0.5).step(lambda: model(x).sum(1))
    moved = [(old - new.detach()) / 0.3 * 10.0 for old, new in zip(before, model.parameters(), strict=False)]
    assert torch.allclose(moved[0], x.sum(0).expand(size), rtol=1e-2, atol=1e-2)
    assert torch.allclose(moved[1], torch.full((size[0],), 4.0), rtol=1e-2)


def test_the_same_seed_gives_the_same_bits_and_the_system_source_does_not():
    def run(source):
        model, x = network(), batch()
        steps = trainer(model, noise_multiplier=1.0, momentum=0.9, source=source)
        for _ in range(3):
            steps.step(losses(model, x))
        return weights(model)

    assert torch.equal(run(TestOnlySource(4)), run(TestOnlySource(4)))
    assert not torch.equal(run(TestOnlySource(4)), run(TestOnlySource(5)))
    assert not torch.equal(run(SystemSource()), run(SystemSource()))


def test_private_training_learns():
    """A linear rule over 2000 records at sigma 1: better than 90 % right after 60 steps."""
    torch.manual_seed(0)
    x = torch.randn(2000, 8)
    y = (x[:, 0] + x[:, 1] > 0).float()
    model = nn.Sequential(nn.Linear(8, 16), nn.Sigmoid(), nn.Linear(16, 1))
    steps = trainer(
        model, clipping_norm=1.0, noise_multiplier=1.0, divisor=200.0, learning_rate=2.0, momentum=0.5
    )
    for step in range(60):
        rows = slice(step % 10 * 200, step % 10 * 200 + 200)

        def row_losses(rows=rows):
            output = model(x[rows])[:, 0]
            return nn.functional.binary_cross_entropy_with_logits(output, y[rows], reduction="none")

        steps.step(row_losses)
    assert float(((model(x)[:, 0] > 0) == (y > 0.5)).float().mean()) > 0.9
