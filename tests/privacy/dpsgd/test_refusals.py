"""What cannot be clipped by record is refused, with a message that says what to do."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mien.errors import ConfigError, PrivacyError
from privacy.dpsgd.clipping import ClippingEngine, check_independence
from privacy.dpsgd.optimizer import PrivateTrainer
from privacy.randomness import TestOnlySource


def clip(model, x, losses=None):
    losses = losses or (lambda: model(x).flatten(1).sum(1))
    return ClippingEngine(model).clip(losses, 1.0)


@pytest.mark.parametrize("channels", [64, 48, 7])
def test_batch_norm_is_refused_and_group_norm_suggested(channels):
    model = nn.Sequential(nn.Conv2d(3, channels, 3), nn.BatchNorm2d(channels))
    groups = {64: 32, 48: 16, 7: 1}[channels]
    with pytest.raises(PrivacyError, match=rf"module '1' .*GroupNorm\({groups}, {channels}\)"):
        ClippingEngine(model)


def test_batch_norm_that_is_frozen_is_taken_until_someone_trains_it():
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 2))
    model[0].eval().requires_grad_(False)
    engine = ClippingEngine(model)
    x = torch.randn(5, 4)
    engine.clip(lambda: model(x).sum(1), 1.0)
    model.train()
    with pytest.raises(PrivacyError, match="normalises each record by statistics of the others"):
        engine.clip(lambda: model(x).sum(1), 1.0)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.SyncBatchNorm(4), "GroupNorm"),
        (nn.InstanceNorm1d(4, track_running_stats=True), "track_running_stats=False"),
        (nn.Embedding(4, 4, scale_grad_by_freq=True), "scale_grad_by_freq=False"),
        (nn.Embedding(4, 4, max_norm=1.0), "max_norm=None"),
    ],
)
def test_other_modules_that_mix_records_are_refused(module, words):
    with pytest.raises(PrivacyError, match=words):
        ClippingEngine(nn.Sequential(module, nn.Linear(4, 2)))


@pytest.mark.parametrize("shape", [(6, 1), (6, 2), ()])
def test_losses_must_be_one_a_row(shape):
    """The [B, 1] shape is what breaks Opacus 1.6 ghost clipping: here it cannot get in."""
    model = nn.Linear(3, 2)
    x = torch.randn(6, 3)
    with pytest.raises(PrivacyError, match="one loss a row"):
        clip(model, x, lambda: model(x).sum() * torch.ones(shape))


def test_losses_must_be_whole_records():
    model = nn.Linear(3, 2)
    x = torch.randn(5, 3)
    with pytest.raises(PrivacyError, match=r"records \* 2"):
        ClippingEngine(model, stack=2).clip(lambda: model(x).sum(1), 1.0)


class Escaping(nn.Module):
    """Reads a child's weight without calling the child."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)
        self.outer = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(functional.linear(x, self.inner.weight))


def test_a_parameter_used_outside_of_its_module_is_noticed():
    model = Escaping()
    with pytest.raises(PrivacyError, match=r"inner\.weight: used outside of the forward"):
        clip(model, torch.randn(4, 3))
    assert all(p.grad is None for p in model.parameters())


def test_a_penalty_on_weights_is_noticed():
    """It is shared by all records: no record's gradient contains it."""
    model = nn.Linear(3, 2)
    x = torch.randn(4, 3)
    with pytest.raises(PrivacyError, match="weight: used outside"):
        clip(model, x, lambda: model(x).sum(1) + model.weight.square().sum())


class Table(nn.Module):
    """Returns its table instead of being called on rows."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(3))

    def forward(self) -> Tensor:
        return self.table * 2


def test_a_table_without_rows_is_refused():
    table, x = Table(), torch.randn(4, 3)
    model = nn.ModuleList([table])
    with pytest.raises(PrivacyError, match=r"first dimension"):
        clip(model, x, lambda: (x + table()).sum(1))


def test_rows_folded_into_another_dimension_are_refused():
    model = nn.Linear(3, 2)
    x = torch.randn(4, 5, 3)
    with pytest.raises(PrivacyError, match=r"\(20, 3\).* 4 rows"):
        clip(model, x, lambda: model(x.flatten(0, 1)).view(4, -1).sum(1))


def test_a_module_that_cannot_be_vectorised_is_refused():
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, x: Tensor) -> Tensor:
            return x * self.scale if float(x.sum()) > 0 else -x * self.scale

    with pytest.raises(PrivacyError, match=r"type Counting.*freeze it"):
        clip(nn.Sequential(Counting()), torch.randn(4, 3))


def test_an_input_of_an_unknown_module_must_not_be_changed_in_place():
    scale = nn.PReLU()
    x = torch.randn(4, 3)

    def losses():
        inner = x * 2
        output = scale(inner)
        inner.zero_()
        return output.sum(1)

    with pytest.raises(PrivacyError, match="changed in place"):
        clip(nn.Sequential(scale), x, losses)


def test_nothing_to_train_and_losses_that_do_not_depend_on_it():
    with pytest.raises(PrivacyError, match="no parameter to train"):
        ClippingEngine(nn.ReLU())
    with pytest.raises(PrivacyError, match="do not depend on"):
        clip(nn.Linear(3, 2), None, lambda: torch.zeros(4))


def test_dependence_between_rows_is_found():
    inputs = {"x": torch.randn(4, 3)}
    check_independence(lambda i: torch.tanh(i["x"]), inputs)
    with pytest.raises(PrivacyError, match="changes with the other rows"):
        check_independence(lambda i: i["x"] - i["x"].mean(0), inputs)


OPTIONS = {"clipping_norm": 1.0, "noise_multiplier": 1.0, "divisor": 8.0, "learning_rate": 0.1}


@pytest.mark.parametrize(
    "wrong",
    [
        {"clipping_norm": 0.0},
        {"clipping_norm": float("inf")},
        {"noise_multiplier": -1.0},
        {"divisor": 0.0},
        {"learning_rate": float("nan")},
        {"momentum": 1.0},
        {"weight_decay": -0.1},
        {"stack": 0},
        {"clipping_norm": None},  # noise without a norm
    ],
    ids=str,
)
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError):
        PrivateTrainer(nn.Linear(3, 2), **{**OPTIONS, **wrong}, source=TestOnlySource(0))


def test_parameters_that_cannot_be_updated_in_place_are_refused():
    model = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    with pytest.raises(PrivacyError, match="contiguous"):
        PrivateTrainer(model, **OPTIONS, source=TestOnlySource(0))


def test_row_weights_are_checked():
    model = nn.Linear(3, 2)
    x = torch.randn(4, 3)
    for weights in (torch.ones(3), -torch.ones(4)):
        with pytest.raises(PrivacyError, match="row weights"):
            ClippingEngine(model).clip(lambda: model(x).sum(1), 1.0, weights)
