"""A device's own opinions take part only where its owner switched sharing on; the refusal is the device's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client.app import HOME, IN_MEMORY, forget_devices
from client.app import app as client_app
from client.data import device_table
from client.feedback import SOURCE, shared_feedback
from configs.from_flower import RESOLVED
from configs.load import load_config
from faces.feedback import FEATURES
from mien.errors import EmptyClientError, PolicyError
from models.weights import load_model
from privacy.vault import Vault
from recommend.feedback.store import Feedback
from recommend.preferences import Preferences
from server.app import build_app
from server.run_folder import RunFolder
from server.watching import RoundLine
from simulations.in_process import run_in_process

NAMES = ["blush-flush", "base-prep", "contour-jaw-soften", "blush-round-lengthen"]
SMALL = [
    "clients.count=4", "rounds.count=1", "rounds.cohort=4", "rounds.min_survivors=3", "rounds.evaluate_every=1",
    "privacy.collusion=0.0", "training.local_steps=2", "name=small",
]  # fmt: skip


def opinions(folder: Path, *, sharing: bool) -> Feedback:
    feedback = Feedback.open(folder)
    for number, name in enumerate(NAMES):
        feedback.record(name, number % 2 == 0, Preferences())
    feedback.sharing(sharing)
    return feedback


def test_shared_rows_are_the_owners_opinions(tmp_path: Path) -> None:
    feedback = opinions(tmp_path, sharing=True)
    table = device_table(load_config("rule_prior", []), {"data": f"{SOURCE}{tmp_path}"})
    assert table.label("liked").tolist() == [1, 0, 1, 0]
    assert table.persons_present().tolist() == [0]
    first = feedback.opinions()[0].features
    row = table.columns(("advice",))["advice"][0]
    np.testing.assert_allclose(row, [first.get(name, 0.0) for name in FEATURES], rtol=1e-6)


def test_off_is_the_default_and_every_way_to_be_off_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="not switched sharing on"):
        shared_feedback(tmp_path / "never opened")
    assert not (tmp_path / "never opened").exists()
    Feedback.open(tmp_path / "empty")
    with pytest.raises(PolicyError, match="not switched sharing on"):
        shared_feedback(tmp_path / "empty")
    feedback = opinions(tmp_path / "kept", sharing=False)
    with pytest.raises(PolicyError, match="not switched sharing on"):
        shared_feedback(tmp_path / "kept")
    feedback.sharing(True)
    assert len(shared_feedback(tmp_path / "kept")) == len(NAMES)
    feedback.sharing(False)
    with pytest.raises(PolicyError):
        shared_feedback(tmp_path / "kept")
    feedback.sharing(True)
    feedback.reset()
    with pytest.raises(PolicyError):
        shared_feedback(tmp_path / "kept")


def test_only_true_switches_it_on(tmp_path: Path) -> None:
    opinions(tmp_path, sharing=True)
    vault = Vault.open(tmp_path)
    state = json.loads(vault.read("feedback"))
    for forged in (1, "on", "true", [True], None):
        vault.write("feedback", json.dumps({**state, "sharing": forged}).encode())
        with pytest.raises(PolicyError):
            shared_feedback(tmp_path)


def test_what_the_coordinator_is_told_of_a_locked_vault_has_no_path(tmp_path: Path) -> None:
    feedback = opinions(tmp_path, sharing=True)
    feedback.protect("open sesame")
    with pytest.raises(PolicyError) as caught:
        shared_feedback(tmp_path)
    assert str(tmp_path) not in str(caught.value)
    assert "passphrase" not in str(caught.value)


def test_sharing_nothing_is_not_taking_part(tmp_path: Path) -> None:
    Feedback.open(tmp_path).sharing(True)
    with pytest.raises(EmptyClientError):
        device_table(load_config("rule_prior", []), {"data": f"{SOURCE}{tmp_path}"})


class Lines:
    def __init__(self) -> None:
        self.rounds: list[RoundLine] = []

    def started(self, *_: Any) -> None: ...

    def phase(self, *_: Any) -> None: ...

    def finished_round(self, line: RoundLine) -> None:
        self.rounds.append(line)


def run(tmp_path: Path, folder: Path) -> tuple[RoundLine, RunFolder]:
    """Run one federated round over four devices whose data are the opinions in ``folder``."""
    config = load_config("rule_prior", SMALL)
    place, lines = RunFolder.create(tmp_path / "runs", config, engine="in-process"), Lines()
    run_in_process(
        build_app(place, lines), client_app, 4,
        run_config={RESOLVED: config.model_dump_json()},
        node_config={HOME: str(place.path), IN_MEMORY: True, "data": f"{SOURCE}{folder}"},
    )  # fmt: skip
    forget_devices(place.path)
    return lines.rounds[-1], place


def test_a_whole_round_refuses_when_off_and_trains_when_on(tmp_path: Path) -> None:
    feedback = opinions(tmp_path / "own", sharing=False)
    line, _ = run(tmp_path, tmp_path / "own")
    assert line.survivors == 0
    assert line.aborted
    assert len(line.refusals) == 4
    assert all("not switched sharing on" in reason for reason in line.refusals.values())

    feedback.sharing(True)
    line, place = run(tmp_path, tmp_path / "own")
    assert (line.survivors, line.aborted) == (4, None)
    assert line.epsilon is not None
    assert line.epsilon <= 8.0
    model, about = load_model(sorted((place.path / "checkpoints").glob("round-*.safetensors"))[-1])
    assert about.model == "rule_prior"
    assert float(dict(model.named_parameters())["output.weight"].detach().abs().sum()) > 0
