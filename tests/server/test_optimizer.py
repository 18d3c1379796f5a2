"""Server optimizers against torch's, against Flower's own strategies, and from a checkpoint."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.common.constant import SUPERLINK_NODE_ID
from flwr.serverapp.strategy import FedAdagrad, FedAvgM, FedYogi
from flwr.supercore.task_identity import TaskIdentity

from configs.schema import Training
from mien.errors import RunError
from server.optimizer import server_optimizer

P, ROUNDS, RATE, BETA1, BETA2, TAU = 50, 12, 0.1, 0.8, 0.95, 1e-3
NAMES = ("sgd", "momentum", "adam", "yogi", "adagrad")


def training(name: str) -> Training:
    return Training(
        server_optimizer=name,
        server_learning_rate=RATE,
        server_momentum=BETA1,
        server_beta2=BETA2,
        server_tau=TAU,
    )


@pytest.fixture(scope="module")
def updates() -> np.ndarray:
    scales = np.geomspace(1e-3, 10, P)  # coordinates of very different size, where the optimizers differ
    return (np.random.default_rng(1).normal(size=(ROUNDS, P)) * scales).astype(np.float32)


@pytest.fixture(scope="module")
def first() -> np.ndarray:
    return np.random.default_rng(2).normal(size=P).astype(np.float32)


def ours(name: str, first: np.ndarray, updates: np.ndarray) -> np.ndarray:
    optimizer, weights = server_optimizer(training(name), P), first.copy()
    for update in updates:
        weights = optimizer.step(weights, update)
        assert weights.dtype == np.float32
    return weights


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("sgd", lambda p: torch.optim.SGD(p, lr=RATE)),
        ("momentum", lambda p: torch.optim.SGD(p, lr=RATE, momentum=BETA1)),
        ("adam", lambda p: torch.optim.Adam(p, lr=RATE, betas=(BETA1, BETA2), eps=TAU)),
        ("adagrad", lambda p: torch.optim.Adagrad(p, lr=RATE, eps=TAU)),
    ],
)
def test_as_torch_s_on_the_negative_update(
    name: str, make: Any, first: np.ndarray, updates: np.ndarray
) -> None:
    parameter = torch.nn.Parameter(torch.from_numpy(first.astype(np.float64)))
    reference = make([parameter])
    for update in updates:
        parameter.grad = torch.from_numpy(-update.astype(np.float64))
        reference.step()
    np.testing.assert_allclose(ours(name, first, updates), parameter.detach().numpy(), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("name", "strategy"),
    [
        ("momentum", FedAvgM(server_learning_rate=RATE, server_momentum=BETA1)),
        ("yogi", FedYogi(eta=RATE, beta_1=BETA1, beta_2=BETA2, tau=TAU)),
        ("adagrad", FedAdagrad(eta=RATE, tau=TAU)),
    ],
)
def test_as_flower_s_strategy_on_the_same_average(
    name: str, strategy: Any, first: np.ndarray, updates: np.ndarray
) -> None:
    """Two clients whose mean is the update; Flower averages and steps by itself."""
    weights = first.astype(np.float64)
    for number, update in enumerate(updates, start=1):
        if name == "momentum":  # FedAvgM keeps what it returned itself
            strategy.current_arrays = ArrayRecord({"w": Array(weights)})
        else:
            strategy.current_arrays = {"w": weights}
        clients = [weights + update + side for side in (np.linspace(-1, 1, P), np.linspace(1, -1, P))]
        record, _ = strategy.aggregate_train(number, [reply(client) for client in clients])
        weights = record["w"].numpy()
    np.testing.assert_allclose(ours(name, first, updates), weights, rtol=2e-5, atol=2e-6)


def reply(weights: np.ndarray) -> Message:
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, SUPERLINK_NODE_ID
    request = Message(RecordDict({"config": ConfigRecord({})}), 2, "train")
    request.metadata.__dict__["_message_id"] = "request"
    content = {"arrays": ArrayRecord({"w": Array(weights)}), "metrics": MetricRecord({"num-examples": 1})}
    return Message(RecordDict(content), reply_to=request)


def test_yogi_s_second_moment_never_jumps_and_stays_positive() -> None:
    optimizer = server_optimizer(training("yogi"), 1)
    for size in (1.0, 1e-3, 1e-3, 5.0):
        before = float(optimizer.state["second"][0])
        optimizer.step(np.zeros(1, np.float32), np.full(1, size, np.float32))
        change = abs(float(optimizer.state["second"][0]) - before)
        assert change <= (1 - BETA2) * size**2 * (1 + 1e-5) + 1e-7  # Adam's may fall by (1 − β₂)·v
        assert optimizer.state["second"][0] > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_s_state_goes_on_as_if_nothing_had_happened(
    name: str, first: np.ndarray, updates: np.ndarray
) -> None:
    optimizer, weights = server_optimizer(training(name), P), first.copy()
    for update in updates[:5]:
        weights = optimizer.step(weights, update)
    saved = {key: value.copy() for key, value in optimizer.state.items()} | {"clipping_norm": np.ones(1)}
    again = server_optimizer(training(name), P)
    again.restore(saved)
    for update in updates[5:]:
        weights = again.step(weights, update)
    np.testing.assert_array_equal(weights, ours(name, first, updates))


def test_the_state_of_another_optimizer_or_model_is_refused() -> None:
    state = server_optimizer(training("momentum"), P).state
    with pytest.raises(RunError, match=r"'first' does not fit: expected \[50\], found nothing"):
        server_optimizer(training("adam"), P).restore(state)
    with pytest.raises(RunError, match=r"expected \[7\], found \[50\]"):
        server_optimizer(training("momentum"), 7).restore(state)


@pytest.mark.parametrize("name", NAMES)
def test_a_schedule_scales_the_step_and_not_the_state(
    name: str, first: np.ndarray, updates: np.ndarray
) -> None:
    full, half = server_optimizer(training(name), P), server_optimizer(training(name), P)
    for update in updates[:3]:
        whole = full.step(first, update) - first
        part = half.step(first, update, 0.5) - first
        np.testing.assert_allclose(part, whole / 2, rtol=1e-3, atol=1e-6)
    assert all(np.array_equal(full.state[key], half.state[key]) for key in full.state)
