"""Federated settings in whole runs: each trains, is written down, and is found right by the verifier."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from mien.errors import ConfigError, ModelError
from models.weights import load_model
from privacy.audit.verification.run import verify
from server.best import BestModel
from server.watching import RoundLine
from simulations.run import SimulationResult

Run = Callable[..., SimulationResult]
FACE = {"name": "face_cnn", "options": {"width": 4}}
EVERYTHING = {
    "augmentation": ["glasses", "flip", "crop"],
    "label_smoothing": 0.05,
    "class_weights": {"Chubby": 2.0},
    "schedule": "cosine",
    "warmup_rounds": 1,
    "server_optimizer": "yogi",
    "server_learning_rate": 0.01,
}


def plans(result: SimulationResult) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in result.folder.transcript.read_text().splitlines()]
    return [json.loads(line["plan"]) for line in lines if line["kind"] == "plan"]


@pytest.mark.parametrize(
    ("mode", "more"),
    [
        ("distributed", {}),
        ("silo", {"proximal": 0.5, "local_steps": 2, "local": ["output.*"]}),
        ("device", {"proximal": 0.5, "local_steps": 2, "local": ["output.*"]}),
        ("none", {"proximal": 0.5, "local_steps": 2, "server_optimizer": "adagrad"}),
    ],
)
def test_all_pieces_together_in_every_mode(mode: str, more: dict[str, object], run: Run) -> None:
    result = run(
        model=FACE, privacy={"mode": mode}, training={**EVERYTHING, **more}, clients={"holdout": 0.34}
    )
    assert [line["survivors"] for line in result.folder.metrics()] == [5, 5]
    training = [plan["training"] for plan in plans(result)]
    assert training[0]["augmentation"] == ["glasses", "flip", "crop"]
    assert training[0]["positive_weights"] == [2.0, 1.0, 1.0, 1.0]
    assert training[0]["learning_rate"] > training[1]["learning_rate"]
    findings = verify(result.folder.path)
    assert findings.faults == []
    state = safetensors.numpy.load((result.folder.checkpoints / "optimizer-00002.safetensors").read_bytes())
    assert np.abs(state["second"]).max() > 0


def test_a_plan_that_asks_for_nothing_new_says_nothing_new(run: Run) -> None:
    """So plans, their hashes and recorded vectors from before stay what they were."""
    training = plans(run(privacy={"mode": "none"}))[0]["training"]
    assert not {"augmentation", "label_smoothing", "positive_weights", "proximal"} & training.keys()


def test_a_repeatable_run_repeats_with_augmentation(run: Run) -> None:
    def weights() -> str:
        result = run(
            model=FACE,
            privacy={"mode": "none", "randomness": "test-only"},
            training={"augmentation": ["flip", "rotation", "brightness"]},
        )
        return load_model(result.folder.checkpoints / "round-00002.safetensors")[1].weights

    assert weights() == weights()


def test_patience_ends_a_run_that_gets_no_better_and_keeps_its_best_model(run: Run) -> None:
    """A rate that overshoots: the first round is the best, and two more are looked at."""
    result = run(
        rounds={"count": 9, "cohort": 5, "patience": 2},
        privacy={"mode": "none"},
        training={"learning_rate": 30.0, "local_steps": 3, "server_optimizer": "momentum"},
    )
    metrics = result.folder.metrics()
    losses = [line["loss"] for line in metrics]
    best = int(np.argmin(losses)) + 1
    assert len(losses) == best + 2 < 9
    model = load_model(result.folder.checkpoints / "best.safetensors")[1]
    assert model.notes["round"] == str(best)
    findings = verify(result.folder.path)
    assert findings.faults == []
    assert json.loads((result.folder.path / "report.json").read_text())["state"] == "finished"


def test_ending_early_spends_less_and_plans_the_same_noise(run: Run) -> None:
    whole = run(rounds={"count": 4, "cohort": 5}, privacy={"mode": "device"})
    settings = {"learning_rate": 30.0}
    early = run(
        rounds={"count": 4, "cohort": 5, "patience": 1}, training=settings, privacy={"mode": "device"}
    )
    spent = [line["epsilon"] for line in early.folder.metrics()]
    assert len(spent) < 4
    assert spent == [line["epsilon"] for line in whole.folder.metrics()][: len(spent)]
    assert plans(early)[0]["update"] == plans(whole)[0]["update"], "calibrated for all four rounds"
    ledger = (early.folder.path / "ledger" / "client-000000.jsonl").read_text()
    assert ledger.count('"charge"') == len(spent), "the keys of the round that did not happen cost nothing"


def line_of(number: int, loss: float | None, aborted: str | None = None) -> RoundLine:
    return RoundLine(number, 5, 5, 1.0, 0, 0, None, loss=loss, aborted=aborted)


def test_patience_counts_evaluations_and_only_those_of_opened_rounds(
    small_config: Any, tmp_path: Path
) -> None:
    from models.registry import build

    config = small_config(rounds={"patience": 2})
    best, model = BestModel(tmp_path, config), build(config.model.name, **config.model.options)
    for number, (loss, aborted) in enumerate(
        [(1.0, None), (None, None), (1.0, "too few"), (float("nan"), None), (0.9, None), (0.9, None)], start=1
    ):
        best.take(line_of(number, loss, aborted), model)
        assert not best.exhausted
    best.take(line_of(7, 1.1), model)
    assert best.exhausted
    assert load_model(tmp_path / "best.safetensors")[1].notes["round"] == "5"


def test_a_best_model_that_is_not_the_best_is_found(run: Run) -> None:
    result = run(rounds={"count": 2, "cohort": 5}, privacy={"mode": "none"})
    losses = [line["loss"] for line in result.folder.metrics()]
    worse = int(np.argmax(losses)) + 1
    assert losses[0] != losses[1]
    folder = result.folder.checkpoints
    (folder / "best.safetensors").write_bytes((folder / f"round-{worse:05d}.safetensors").read_bytes())
    (result.folder.path / "report.json").unlink()
    faults = [fault.message for fault in verify(result.folder.path).faults]
    assert any("another round than the best" in message for message in faults)


def test_names_that_the_model_does_not_have_are_refused_before_anyone_is_asked(run: Run) -> None:
    with pytest.raises(ConfigError, match=r"training.class_weights.Chuby: .* did you mean Chubby"):
        run(training={"class_weights": {"Chuby": 2.0}})
    with pytest.raises(ModelError, match=r"no parameter matches 'head.\*'"):
        run(training={"local": ["head.*"]}, privacy={"mode": "none"})
    with pytest.raises(ModelError, match="augmentation 'mask' changes face"):
        run(training={"augmentation": ["mask"]})


@pytest.mark.parametrize("alpha", [0.1, 1.0, "inf"])
def test_every_alpha_runs(alpha: float | str, run: Run) -> None:
    result = run(
        clients={"partition": "dirichlet", "alpha": alpha}, privacy={"mode": "none"}, rounds={"count": 1}
    )
    assert result.folder.metrics()[0]["survivors"] == 5
