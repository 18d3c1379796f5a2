"""Local parameters: on the device's disk, in nothing that leaves, and not for the coordinator to ask for."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from flwr.app import Message

from client.app import HOME, IN_MEMORY, forget_devices
from client.app import app as client_app
from client.device import Device
from client.local_head import LocalHead
from client.participation import take_part
from configs.from_flower import RESOLVED
from faces.federation import federate
from mien.errors import ModelError, ProtocolError
from mien.wire import unpack
from models.registry import build
from models.weights import layout_of, load_model, to_vector, weights_hash
from server.app import build_app
from server.planning import Planner
from server.run_folder import RunFolder
from server.watching import Silent
from simulations.in_process import InProcessGrid

Config = Callable[..., Any]
FACE = {"name": "face_cnn", "options": {"width": 4}}
LOCAL = {"local": ["output.*"], "local_steps": 2, "learning_rate": 0.5}


@pytest.fixture
def config(small_config: Config) -> Any:
    return small_config(model=FACE, training=LOCAL, privacy={"mode": "none", "randomness": "test-only"})


class Eavesdropper(InProcessGrid):
    """Keeps every part of every answer, as it left the device."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.seen: list[bytes] = []

    def stream(self, messages: Any, *, timeout: float | None = None) -> Iterator[Message]:
        for message in super().stream(messages, timeout=timeout):
            for part in unpack(message.content).values():
                self.seen.append(part if isinstance(part, bytes) else part.tobytes())
            yield message


def test_no_value_of_a_local_head_is_in_what_leaves(config: Any, tmp_path: Path) -> None:
    """A whole run: nothing sent holds two neighbouring values of any head, and the head is not the first one."""
    folder = RunFolder.create(tmp_path, config, engine="test")
    grid = Eavesdropper(
        client_app,
        5,
        run_config={RESOLVED: config.model_dump_json()},
        node_config={HOME: str(folder.path), IN_MEMORY: True},
    )
    from flwr.app import Context, RecordDict

    context = Context(
        run_id=1,
        node_id=1,
        node_config={},
        state=RecordDict(),
        run_config={RESOLVED: config.model_dump_json()},
    )
    build_app(folder, Silent())(grid, context)
    forget_devices(folder.path)
    first = build("face_cnn", seed=config.seed, width=4)
    shared = layout_of(first, without=config.training.local)
    heads = sorted((folder.path / "local").glob("*.safetensors"))
    assert len(heads) == 5
    everything = b"\0".join(grid.seen)
    assert len(everything) > 10 * 4 * shared.length, "both rounds of five devices were overheard"
    values = [safetensors.numpy.load(path.read_bytes()) for path in heads]
    for head in values:
        assert set(head) == {"output.weight", "output.bias"}
        assert (
            np.abs(head["output.weight"] - first.get_parameter("output.weight").detach().numpy()).max() > 1e-3
        )
        flat = head["output.weight"].ravel()
        for start in range(0, len(flat) - 1, 2):
            assert flat[start : start + 2].tobytes() not in everything
    assert not np.array_equal(values[0]["output.weight"], values[1]["output.weight"]), "each has its own"
    # the server's model keeps its first head, and no mean of heads was formed
    model, _ = load_model(folder.checkpoints / "round-00002.safetensors")
    assert torch.equal(model.get_parameter("output.weight"), first.get_parameter("output.weight"))
    assert not torch.equal(
        model.get_parameter("features.0.0.weight"), first.get_parameter("features.0.0.weight")
    )
    plan = next(
        json.loads(json.loads(line)["plan"])
        for line in folder.transcript.read_text().splitlines()
        if '"kind":"plan"' in line
    )
    assert plan["secagg"]["vector_length"] == shared.length + 3  # weight, count, loss


@pytest.fixture
def device(config: Any, tmp_path: Path) -> Device:
    return Device(tmp_path, "client-000000", config, in_memory=False)


def plan_for(config: Any, layout: Any, model_hash: str) -> Any:
    plan = Planner(config, "r", layout.length).plan(1, tuple("abcde"), 1.0)
    return plan.model_copy(update={"model_hash": model_hash})


def test_a_coordinator_that_asks_for_the_head_is_refused(config: Any, device: Device) -> None:
    """It cannot send a plan that makes the head shared: what is local is the device's own config."""
    model = build("face_cnn", seed=config.seed, width=4)
    whole, shared = layout_of(model), layout_of(model, without=config.training.local)
    weights = to_vector(model, whole)
    with pytest.raises(ProtocolError, match=rf"expected float32 \({shared.length},\)"):
        take_part(device, plan_for(config, whole, weights_hash(whole, weights)), weights, {"partition-id": 0})


def test_the_head_is_kept_from_round_to_round_for_its_owner_alone(config: Any, device: Device) -> None:
    model = build("face_cnn", seed=config.seed, width=4)
    whole, shared = layout_of(model), layout_of(model, without=config.training.local)
    plan = plan_for(config, shared, weights_hash(whole, to_vector(model, whole)))
    vectors = [
        take_part(device, plan, to_vector(model, shared), {"partition-id": 0}).vector for _ in range(2)
    ]
    assert all(vector.shape == (shared.length + 3,) for vector in vectors)
    assert not np.array_equal(*vectors), "the second round went on from the head of the first"
    assert stat.S_IMODE(device.local_head.stat().st_mode) == 0o600
    assert LocalHead(device.local_head, shared).load(model)


def test_what_was_local_stays_local(config: Any, device: Device) -> None:
    model = build("face_cnn", seed=1, width=4)
    LocalHead(device.local_head, layout_of(model, without=["output.*"])).save(model)
    fewer = layout_of(model, without=["output.bias"])
    with pytest.raises(ModelError, match="what was local stays local"):
        LocalHead(device.local_head, fewer).load(model)


def test_a_damaged_file_and_a_head_that_is_not_finite_are_refused(device: Device) -> None:
    model = build("face_cnn", seed=1, width=4)
    head = LocalHead(device.local_head, layout_of(model, without=["output.*"]))
    assert not head.load(model), "nothing was kept yet"
    with torch.no_grad():
        model.get_parameter("output.bias")[0] = torch.inf
    with pytest.raises(ModelError, match=r"'output.bias' became infinite"):
        head.save(model)
    device.local_head.parent.mkdir(parents=True)
    device.local_head.write_bytes(b"nothing")
    with pytest.raises(ModelError, match="not a readable file"):
        head.load(model)


def test_held_out_photos_are_not_trained_on(small_config: Config, device: Device) -> None:
    config = small_config(clients={"holdout": 0.34})
    federation = federate(config.data, config.clients, config.seed)
    for number in range(5):
        kept, held = federation.client(number), federation.client_holdout(number)
        assert len(kept) == 2 * len(held) > 0
        assert not set(kept.image_ids) & set(held.image_ids)
        assert set(kept.persons) == set(held.persons)
