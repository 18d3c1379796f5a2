"""Local training, piece by piece: what each setting of a plan does to the update that a device computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from client.training import LocalTraining
from faces.federation import federate
from mien.errors import ProtocolError
from models.inputs import to_inputs
from models.losses import masked_binary_cross_entropy
from models.registry import build
from models.weights import from_vector, layout_of, to_vector
from privacy.randomness import TestOnlySource
from server.planning import Planner

Config = Callable[..., Any]
FACE = {"name": "face_cnn", "options": {"width": 4}}
PLAIN = {"sampling_rate": 1.0, "photos_per_person": 3, "local_steps": 3, "learning_rate": 0.2}


class Local:
    """One simulated device of a small config, trained with a seed of its own."""

    def __init__(self, config: Any) -> None:
        self.config, self.model = config, build(config.model.name, seed=1, **config.model.options)
        self.layout = layout_of(self.model, without=config.training.local)
        self.weights = to_vector(self.model, self.layout)
        planner = Planner(config, "r", self.layout.length, self.model.outputs)
        self.plan = planner.plan(1, tuple("abcde"), config.privacy.clipping_norm)
        self.table = federate(config.data, config.clients, config.seed).client(0)

    def update(self, seed: int = 1, weights: Any = None, **options: Any) -> np.ndarray:
        from_vector(self.model, self.layout, self.weights)
        source = TestOnlySource(seed)
        training = LocalTraining(self.model, self.layout, self.table, self.plan, source, **options)
        return training.run(self.weights if weights is None else weights).update


@pytest.fixture
def local(small_config: Config) -> Callable[..., Local]:
    def make(mode: str = "none", **training: object) -> Local:
        settings = {**PLAIN, **training} if mode != "distributed" else {**PLAIN, "local_steps": 1, **training}
        return Local(small_config(model=FACE, training=settings, privacy={"mode": mode}))

    return make


@pytest.mark.parametrize("mode", ["none", "device", "silo", "distributed"])
def test_augmentation_changes_the_update_and_is_repeatable(mode: str, local: Any) -> None:
    plain, changed = local(mode), local(mode, augmentation=["flip", "brightness"])
    assert np.array_equal(changed.update(1), changed.update(1)), "test-only runs repeat to the bit"
    assert not np.array_equal(changed.update(1), plain.update(1))


def test_augmentation_draws_anew_for_each_row_and_device(local: Any) -> None:
    changed = local(augmentation=["rotation"], photos_per_person=3)  # all photos: nothing else is drawn
    plain = local(photos_per_person=3)
    # the plan's sampling rate is 1 and every photo is used, so only the changes of the pictures differ
    np.testing.assert_allclose(plain.update(1), plain.update(2), atol=1e-6)
    assert np.abs(changed.update(1) - changed.update(2)).max() > 1e-4


def test_one_person_stays_one_record_under_augmentation(local: Any) -> None:
    """``distributed``: the clipped sum of n persons is at most n·C, however many changed photos they have."""
    device = local("distributed", augmentation=["flip", "rotation", "crop", "brightness", "mask"])
    persons = len(device.table.persons_present())
    result = LocalTraining(device.model, device.layout, device.table, device.plan, TestOnlySource(1)).run(
        device.weights
    )
    assert result.within + result.beyond == persons
    assert np.linalg.norm(result.update) <= persons * device.plan.training.clipping_norm * (1 + 2**-11)


def test_occlusions_are_told_the_margin(local: Any) -> None:
    device = local(augmentation=["mask"])
    assert not np.array_equal(device.update(1), device.update(1, margin=0.5))


def one_step_gradient(device: Local, weights: Any, smoothing: float) -> np.ndarray:
    """The gradient step on all photos, every person weighing the same, written out."""
    table, model = device.table, build("face_cnn", seed=1, width=4)
    labels = torch.from_numpy(np.stack([table.label(name) for name in model.outputs], axis=1))
    losses = masked_binary_cross_entropy(
        model(to_inputs({"face": table.face})), labels, weights, smoothing=smoothing
    )
    shares = torch.tensor([1.0 / len(table.rows_of_person(person)) for person in table.persons])
    (losses * shares).sum().backward()
    gradients = dict(model.named_parameters())
    flat = np.concatenate([gradients[name].grad.numpy().ravel() for name in device.layout.names])
    return -device.plan.training.learning_rate / len(table.persons_present()) * flat


def test_smoothing_and_class_weights_are_in_the_loss(local: Any) -> None:
    table = {"Chubby": 3.0, "Pointy_Nose": 0.5}
    device = local(local_steps=1, label_smoothing=0.1, class_weights=table)
    assert device.plan.training.positive_weights == (3.0, 1.0, 1.0, 0.5)
    expected = one_step_gradient(device, torch.tensor([3.0, 1.0, 1.0, 0.5]), 0.1)
    np.testing.assert_allclose(device.update(), expected, rtol=1e-3, atol=1e-6)
    plain = one_step_gradient(device, None, 0.0)
    assert np.abs(plain - expected).max() > 1e-3


def test_a_plan_that_weighs_other_outputs_is_refused(local: Any) -> None:
    device = local(class_weights={"Chubby": 3.0})
    short = device.plan.training.model_copy(update={"positive_weights": (1.0,)})
    device.plan = device.plan.model_copy(update={"training": short})
    with pytest.raises(ProtocolError, match="weighs 1 outputs, the model face_cnn has 4"):
        device.update()


def fedprox_by_torch(device: Local, mu: float) -> np.ndarray:
    """Full-batch SGD on loss + µ/2·‖w − w_global‖² by autograd."""
    table, model = device.table, build("face_cnn", seed=1, width=4)
    labels = torch.from_numpy(np.stack([table.label(name) for name in model.outputs], axis=1))
    shares = torch.tensor([1.0 / len(table.rows_of_person(person)) for person in table.persons])
    anchors = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), lr=device.plan.training.learning_rate)
    for _ in range(device.plan.training.steps):
        optimizer.zero_grad()
        losses = masked_binary_cross_entropy(model(to_inputs({"face": table.face})), labels)
        pull = sum(((w - a) ** 2).sum() for w, a in zip(model.parameters(), anchors, strict=True))
        ((losses * shares).sum() / len(table.persons_present()) + mu / 2 * pull).backward()
        optimizer.step()
    return to_vector(model, device.layout) - device.weights


@pytest.mark.parametrize("mu", [0.0, 2.0])
def test_fedprox_is_sgd_on_the_loss_with_its_proximal_term(mu: float, local: Any) -> None:
    device = local(proximal=mu, local_steps=5)
    np.testing.assert_allclose(device.update(), fedprox_by_torch(device, mu), rtol=5e-3, atol=2e-6)


def test_the_proximal_term_draws_the_update_in_and_is_not_clipped(local: Any) -> None:
    """In mode ``silo`` it is added beside the noised gradient: the first step is equal."""
    free, pulled = (local("silo", proximal=mu, local_steps=6).update() for mu in (0.0, 3.0))
    assert np.linalg.norm(pulled) < 0.9 * np.linalg.norm(free)
    one, same = (local("silo", proximal=mu, local_steps=1).update() for mu in (0.0, 3.0))
    np.testing.assert_array_equal(one, same)


@pytest.mark.parametrize("mode", ["none", "device", "silo"])
def test_local_parameters_are_trained_and_are_not_in_the_update(mode: str, local: Any) -> None:
    device = local(mode, local=["output.*"])
    first = {name: value.clone() for name, value in device.model.state_dict().items()}
    update = device.update()
    assert device.layout.left_out == ("output.bias", "output.weight")
    assert len(update) == sum(value.numel() for name, value in first.items() if not name.startswith("output"))
    after = device.model.state_dict()
    assert not torch.equal(after["output.weight"], first["output.weight"])


def test_in_a_silo_the_local_head_takes_the_noise_of_every_step(local: Any) -> None:
    """What one person teaches it is covered by the same accounting as if it had left (A4)."""
    device = local("silo", local=["output.*"], local_steps=1)
    training = device.plan.training
    heads = []
    for seed in (1, 2):
        from_vector(device.model, device.layout, device.weights)
        with torch.no_grad():
            device.model.get_parameter("output.weight").zero_()
        LocalTraining(device.model, device.layout, device.table, device.plan, TestOnlySource(seed)).run(
            device.weights
        )
        heads.append(device.model.get_parameter("output.weight").detach().clone())
    deviation = training.noise_multiplier * training.clipping_norm * training.learning_rate / training.divisor
    assert float((heads[0] - heads[1]).std()) == pytest.approx(deviation * 2**0.5, rel=0.15)
