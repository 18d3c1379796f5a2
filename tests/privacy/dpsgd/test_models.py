"""Whole networks of the registry against the naive loop."""

from __future__ import annotations

import contextlib

import pytest
import torch

from mien.errors import PrivacyError
from models import registry
from privacy.dpsgd.clipping import ClippingEngine, check_independence

SHAPES = {"jaw": (8,), "skin": (3, 32, 32), "nose": (3, 32, 32), "face": (3, 48, 48)}
SHAPES |= {"embedding": (128,), "advice": (29,)}
LARGE = {"nose_paper", "resnet50_private", "hsanet_x_private", "hsanet_3x3_private", "hsanet_embedder"}
PRIVATE = [name for name in registry.names() if registry.spec(name).private_ready]


@contextlib.contextmanager
def default(dtype):
    """Let constants that a network makes on the way have the precision of its weights."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def marked(name):
    return pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name


def task(name, dtype, records, stack):
    """Return a network and a function from rows to losses; the losses use every output."""
    torch.manual_seed(3)
    model = registry.build(name).to(dtype).eval()  # eval: the paper's AlexNet has dropout
    inputs = {c: torch.randn(records * stack, *SHAPES[c], dtype=torch.float64) for c in model.inputs}
    inputs = {column: values.to(dtype) for column, values in inputs.items()}
    aim = torch.randn(records * stack, 1, dtype=torch.float64).to(dtype)

    def losses(rows):
        output = model({column: values[rows] for column, values in inputs.items()})
        return torch.nn.functional.softplus(output * aim[rows]).sum(1)

    return model, losses


@pytest.mark.parametrize("stack", [1, 2])
@pytest.mark.parametrize("name", [marked(name) for name in PRIVATE])
def test_a_network_equals_the_naive_loop_in_float64(reference, name, stack):
    with default(torch.float64):
        model, losses = task(name, torch.float64, 3, stack)
        assert reference.error(model, losses, 3, stack) <= 1e-12


@pytest.mark.parametrize("name", [marked(name) for name in PRIVATE])
def test_a_network_in_float32_is_as_near_to_the_truth_as_the_naive_loop(reference, name):
    """Both are compared with float64: deep networks amplify rounding in forward, whoever clips."""
    with default(torch.float64):
        gradients = reference.gradients(*task(name, torch.float64, 3, 1), 3)
    norm = float(reference.norms(gradients).median())
    exact = reference.clipped_sum(gradients, norm)
    model, losses = task(name, torch.float32, 3, 1)
    naive = reference.clipped_sum(reference.gradients(model, losses, 3), norm).double()
    ours = reference.ours(model, losses, norm)[0].double()
    limit = max(1e-5, 2 * float((naive - exact).norm() / exact.norm()))
    assert float((ours - exact).norm() / exact.norm()) <= limit


def test_the_networks_that_mix_records_are_refused(reference):
    for name in sorted(set(registry.names()) - set(PRIVATE)):
        with pytest.raises(PrivacyError, match="GroupNorm"):
            ClippingEngine(registry.build(name))


@pytest.mark.parametrize("name", [name for name in PRIVATE if name not in LARGE])
def test_the_networks_treat_rows_independently(name):
    model = registry.build(name)
    check_independence(model, {column: torch.randn(4, *SHAPES[column]) for column in model.inputs})


def test_the_step_gives_the_same_bits_twice(reference):
    model, losses = task("attributes", torch.float32, 5, 1)
    first = reference.ours(model, losses, 0.1)[0]
    assert torch.equal(first, reference.ours(model, losses, 0.1)[0])
