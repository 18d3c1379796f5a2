"""A ledger replaced by an older copy, anchor and all: the coordinator's receipts let the device notice."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from client.app import HOME, IN_MEMORY
from client.app import app as client_app
from client.device import Device
from configs.from_flower import RESOLVED
from privacy.ledger.records import Budget
from privacy.ledger.report import describe
from privacy.randomness import TestOnlySource
from server.app import build_app
from server.coordinator import Coordinator
from server.receipts import Receipts
from server.run_folder import RunFolder
from server.watching import Silent
from simulations.in_process import run_in_process

VICTIM = "client-000002"
ROUNDS: dict[str, object] = {"count": 4, "cohort": 5, "min_survivors": 4}
Faults = Callable[[str, int, int], None]


def files(runs: Path) -> list[Path]:
    """Return the victim's ledger and its anchor in the only run there is."""
    (folder,) = (path for path in runs.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [folder / "ledger" / f"{VICTIM}.jsonl", folder / "anchors" / f"{VICTIM}.json"]


@pytest.fixture
def rolled_back(tmp_path: Path) -> Faults:
    """Return an accomplice on the victim's device: before round 3 it puts back the ledger of round 1."""

    def act(kind: str, times: int, partition: int) -> None:
        if kind != "train" or partition != 2:
            return
        for file in files(tmp_path / "runs") if times in (1, 2) else []:
            copy = tmp_path / f"old-{file.name}"
            shutil.copyfile(*((file, copy) if times == 1 else (copy, file)))

    return act


def test_a_device_with_an_older_copy_of_its_ledger_refuses_and_says_why(
    run: Any, rolled_back: Faults, tmp_path: Path
) -> None:
    metrics = run(faults=rolled_back, rounds=ROUNDS).folder.metrics()
    assert [line["survivors"] for line in metrics] == [5, 5, 4, 4]
    for line in metrics[2:]:
        assert "rolled back" in line["refusals"][VICTIM]
        assert set(line["refusals"]) == {VICTIM}
    assert describe(files(tmp_path / "runs")[0])[0].charges == 1, (
        "nothing more was charged, so nothing was trained"
    )


def test_control_without_receipts_the_rollback_is_not_noticed(
    run: Any, rolled_back: Faults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Receipts, "of", lambda *_: None)
    metrics = run(faults=rolled_back, rounds=ROUNDS).folder.metrics()
    assert [line["survivors"] for line in metrics] == [5, 5, 5, 5]
    assert describe(files(tmp_path / "runs")[0])[0].charges == 3, "of four rounds: one is forgotten"


@pytest.mark.parametrize("lie", [b"0" * 64, b"", b"\xff" * 9, b"x" * 100_000])
def test_a_coordinator_that_lies_about_receipts_can_only_keep_a_device_out(
    lie: bytes, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, asked = Receipts.of, []

    def of(self: Receipts, key: bytes) -> bytes | None:
        asked.append(key)
        return lie if len(asked) == 8 else kept(self, key)  # the third client's second round

    monkeypatch.setattr(Receipts, "of", of)
    metrics = run(rounds={**ROUNDS, "count": 3}).folder.metrics()
    assert [line["survivors"] for line in metrics] == [5, 4, 5], "and the next round it is in again"
    assert "receipt" in metrics[1]["refusals"][VICTIM]
    assert describe(files(tmp_path / "runs")[0])[0].charges == 2, "the lie cost nothing"


def test_a_later_run_remembers_what_an_earlier_one_witnessed(
    small_config: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device restored whole between two runs, keys, ledger and anchor, as a deployment keeps them."""
    monkeypatch.setattr(Device, "budget", lambda _: Budget(100.0, 1e-2))
    source = Coordinator._source  # devices pin the coordinator's key, so it has to be one for all runs
    monkeypatch.setattr(
        Coordinator,
        "_source",
        lambda self, label: TestOnlySource(1) if label == "identity" else source(self, label),
    )
    config = small_config(rounds={"count": 1, "cohort": 5, "min_survivors": 4})
    devices, backup = tmp_path / "devices", tmp_path / "backup"

    def once() -> dict[str, Any]:
        folder = RunFolder.create(tmp_path / "runs", config, engine="in-process")
        run_in_process(
            build_app(folder, Silent()),
            client_app,
            5,
            run_config={RESOLVED: config.model_dump_json()},
            node_config={HOME: str(devices), IN_MEMORY: False},
        )
        (line,) = folder.metrics()
        return line

    assert once()["survivors"] == 5
    shutil.copytree(devices, backup)
    assert once()["survivors"] == 5
    for old in backup.rglob(f"*{VICTIM}*"):
        new = devices / old.relative_to(backup)
        if old.is_dir():
            shutil.rmtree(new)
            shutil.copytree(old, new)
        elif VICTIM not in old.parent.name:
            shutil.copyfile(old, new)
    line = once()
    assert line["survivors"] == 4
    assert "rolled back" in line["refusals"][VICTIM]
