"""Personalisation after training: on photos that were held out, on the device alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from client.personalise import FineTuning, fine_tune, measure
from configs.schema import Training
from faces.federation import federate
from mien.errors import ConfigError, ModelError
from models.registry import build
from privacy.randomness import TestOnlySource
from simulations.personalise import personalise
from simulations.run import SimulationResult

Run = Callable[..., SimulationResult]
FACE = {"name": "face_cnn", "options": {"width": 4}}
SETTINGS: dict[str, Any] = {
    "model": FACE,
    "clients": {"holdout": 0.34},
    "privacy": {"mode": "none", "randomness": "test-only"},
}


def test_a_client_s_own_people_gain(run: Run) -> None:
    result = run(**SETTINGS)
    tuned = personalise(result.folder.path, FineTuning(steps=40, learning_rate=0.1))
    assert [client.client for client in tuned.clients] == [0, 1, 2, 3, 4]
    assert not tuned.own_heads
    loss = tuned.gain("loss")
    assert loss.after < loss.before - 0.1
    assert loss.low <= loss.gain <= loss.high < 0
    assert tuned.gain("accuracy").after > tuned.gain("accuracy").before
    again = personalise(result.folder.path, FineTuning(steps=40, learning_rate=0.1))
    assert again == tuned


def test_it_starts_from_the_client_s_own_head(run: Run) -> None:
    training = {"local": ["output.*"], "local_steps": 4, "learning_rate": 0.3}
    result = run(**SETTINGS, training=training)
    small = FineTuning(steps=1, learning_rate=1e-9)
    own = personalise(result.folder.path, small)
    assert own.own_heads
    assert all(client.before.loss == pytest.approx(client.after.loss, abs=1e-6) for client in own.clients)
    for head in (result.folder.path / "local").iterdir():
        head.unlink()
    first = personalise(result.folder.path, small)
    assert own.gain("loss").before < first.gain("loss").before - 0.05, (
        "a trained head is better than the first"
    )


def test_only_the_named_parameters_move_and_held_out_photos_are_not_read(small_config: Any) -> None:
    config = small_config(**SETTINGS)
    federation = federate(config.data, config.clients, config.seed)
    kept, held = federation.client(0), federation.client_holdout(0)
    model = build("face_cnn", width=4)
    first = {name: value.clone() for name, value in model.state_dict().items()}
    tuning = FineTuning(steps=3, only=("output.*",))
    fine_tune(model, kept, tuning, Training(augmentation=("flip",)), TestOnlySource(1), 0.0)
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, first[name])}
    assert moved == {"output.weight", "output.bias"}
    assert np.isfinite(measure(model, held).loss)
    with pytest.raises(ModelError, match="no parameter matches 'head'"):
        fine_tune(model, kept, FineTuning(only=("head",)), Training(), TestOnlySource(1), 0.0)


def test_a_run_that_held_nothing_out_is_refused_with_what_to_do(run: Run) -> None:
    result = run(model=FACE, privacy={"mode": "none"})
    with pytest.raises(ConfigError, match=r"--set clients\.holdout=0\.2"):
        personalise(result.folder.path, FineTuning())
    with pytest.raises(ConfigError, match="must all be more than 0"):
        FineTuning(steps=0)
