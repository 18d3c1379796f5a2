"""Whole runs: real apps, real secure aggregation, real ledgers, real report; only small."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from mien.errors import RunError
from models.weights import load_model
from privacy.accounting.of_plan import event_of
from privacy.audit.transcript import read_transcript
from privacy.ledger.report import describe, verify
from privacy.plan import RoundPlan
from simulations.run import SimulationResult


def final_weights(result: SimulationResult) -> str:
    last = sorted(result.folder.checkpoints.glob("round-*.safetensors"))[-1]
    return load_model(last)[1].weights


def lines(result: SimulationResult, kind: str) -> list[dict[str, Any]]:
    return [line for line in read_transcript(result.folder.transcript) if line["kind"] == kind]


@pytest.mark.parametrize("mode", ["distributed", "silo", "device", "none"])
def test_every_mode_runs_and_leaves_a_whole_run_folder(mode: str, run: Any) -> None:
    result = run(privacy={"mode": mode})
    folder = result.folder.path
    names = {path.name for path in folder.iterdir()}
    assert {"config.toml", "environment.json", "metrics.jsonl", "transcript.jsonl", "checkpoints"} <= names
    assert {"report.json", "report.html"} <= names
    metrics = result.folder.metrics()
    assert [line["survivors"] for line in metrics] == [5, 5]
    assert all(
        line["loss"] > 0 and math.isfinite(line["loss"]) for line in metrics
    )  # five clients: much noise
    assert {path.name for path in folder.glob("checkpoints/round-*")} == {
        "round-00001.safetensors",
        "round-00002.safetensors",
    }
    report = json.loads((folder / "report.json").read_text())
    assert report["state"] == "finished"
    if mode == "none":
        assert report["privacy"]["epsilon_spent"] is None
        assert metrics[0]["train_loss"] > 0
    else:
        assert report["privacy"]["epsilon_spent"] <= 8.0
        assert metrics[0]["train_loss"] is None, "no figure of the clients' own may be known"


def test_the_ledgers_hold_what_the_plans_cost(run: Any) -> None:
    result = run()
    plans = [RoundPlan.from_bytes(line["plan"].encode()) for line in lines(result, "plan")]
    ledgers = sorted((result.folder.path / "ledger").glob("*.jsonl"))
    assert [path.stem for path in ledgers] == [f"client-{number:06d}" for number in range(5)]
    for path in ledgers:
        anchor = result.folder.path / "anchors" / f"{path.stem}.json"
        assert verify(path, anchor) == []
        (row,) = [row for row in describe(path) if row.purpose == "attributes"]
        assert row.charges == 2
        assert row.epsilon <= 8.0
        assert row.epsilon == pytest.approx(result.last.epsilon, abs=0.05)
    assert len({event_of(plan) for plan in plans}) == 1


def test_the_same_seed_gives_the_same_bits_only_without_real_randomness(run: Any) -> None:
    repeatable = {"privacy": {"randomness": "test-only"}}
    assert final_weights(run(**repeatable)) == final_weights(run(**repeatable))
    assert final_weights(run()) != final_weights(run())


def test_a_client_that_is_lost_in_training_is_left_out_and_the_sum_is_still_opened(run: Any) -> None:
    faults = lambda kind, times, partition: "lost" if (kind, partition) == ("train", 3) else None  # noqa: E731
    result = run(faults=faults)
    assert [line["survivors"] for line in result.folder.metrics()] == [4, 4]
    (first, _) = lines(result, "opened")
    assert first["dropped"] == {"client-000003": first["dropped"]["client-000003"]}


@pytest.mark.parametrize("failure", ["lost", "reply_lost", "crash"])
@pytest.mark.parametrize("kind", ["query.setup", "train", "query.unmask"])
def test_one_client_failing_in_any_phase_does_not_stop_a_round(kind: str, failure: str, run: Any) -> None:
    def faults(now: str, times: int, partition: int) -> str | None:
        return failure if (now, times, partition) == (kind, 0, 1) else None

    result = run(faults=faults)
    metrics = result.folder.metrics()
    assert [line["aborted"] for line in metrics] == [None, None]
    assert metrics[1]["survivors"] >= 4


def test_a_round_with_too_few_survivors_opens_nothing_and_the_next_one_works(run: Any) -> None:
    def faults(kind: str, times: int, partition: int) -> str | None:
        return "lost" if kind == "train" and times == 0 and partition < 3 else None

    result = run(faults=faults, rounds={"count": 3, "cohort": 5, "min_survivors": 4})
    first, *others = result.folder.metrics()
    assert "survivors" in first["aborted"] or "upload" in first["aborted"]
    assert first["survivors"] == 0
    assert [line["survivors"] for line in others] == [5, 5]
    assert [line["round"] for line in lines(result, "opened")] == [2, 3]
    assert len(lines(result, "aborted")) == 1
    rows = describe(result.folder.path / "ledger" / "client-000004.jsonl")
    assert rows[0].charges == 3, "an abandoned round is charged all the same"


def test_a_device_whose_budget_is_spent_refuses_and_says_so(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from client.device import Device
    from privacy.ledger.records import Budget

    original = Device.budget
    monkeypatch.setattr(
        Device, "budget", lambda self: Budget(1e-3, 1e-2) if self.name == "client-000002" else original(self)
    )
    result = run()
    metrics = result.folder.metrics()
    assert [line["survivors"] for line in metrics] == [4, 4]
    assert "budget" in metrics[0]["refusals"]["client-000002"]


def test_only_the_allow_list_is_received(run: Any) -> None:
    result = run()
    seen = {(line["message"], part) for line in lines(result, "received") for part in line["parts"]}
    assert seen == {
        ("query.enrol", "enrolment"),
        ("query.setup", "setup"),
        ("query.unmask", "setup"),
        ("query.unmask", "unmask"),
        ("train", "header"),
        ("train", "receipt"),
        ("train", "vector"),
    }


def test_the_steady_state_needs_two_message_phases(run: Any) -> None:
    result = run(rounds={"count": 4, "cohort": 5, "min_survivors": 4})
    by_round: dict[int, set[str]] = {}
    for line in lines(result, "received"):
        by_round.setdefault(line["round"], set()).add(line["message"])
    assert by_round[1] == {"query.setup", "train", "query.unmask"}
    assert all(by_round[number] == {"train", "query.unmask"} for number in (2, 3, 4))


def test_too_few_clients_is_an_error_that_names_the_reasons(run: Any) -> None:
    faults = lambda kind, times, partition: "lost" if partition < 3 else None  # noqa: E731
    with pytest.raises(RunError, match="2 of 5 clients enrolled"):
        run(faults=faults)


def test_unequal_data_trains_with_weights_when_nothing_is_promised(run: Any) -> None:
    result = run(privacy={"mode": "none"}, clients={"count": 5, "partition": "iid"})
    assert math.isfinite(result.last.loss)


def test_a_run_folder_is_never_reused(run: Any, tmp_path: Path) -> None:
    first, second = run(rounds={"count": 1, "cohort": 5}), run(rounds={"count": 1, "cohort": 5})
    assert first.folder.path != second.folder.path
    assert first.folder.path.parent == tmp_path / "runs"
