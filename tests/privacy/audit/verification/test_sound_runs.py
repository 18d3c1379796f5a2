"""What honest runs of every kind look like to the auditor: sound. A verifier that cries wolf is of no use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from privacy.audit.verification.run import verify
from server.watching import Silent
from simulations.run import simulate


@pytest.mark.parametrize(
    ("privacy", "rounds"),
    [
        ({"mode": "silo"}, {"count": 2}),
        ({"mode": "device"}, {"count": 2}),
        ({"mode": "none"}, {"count": 2}),
        ({"mode": "distributed", "noise": "discrete_gaussian", "randomness": "test-only"}, {"count": 2}),
        ({"mode": "distributed", "adaptive": {"enabled": True}}, {"count": 3}),
    ],
    ids=["silo", "device", "none", "discrete Gaussian, repeatable", "adaptive clipping"],
)
def test_every_mode(
    privacy: dict[str, Any], rounds: dict[str, Any], small_config: Callable[..., Any], tmp_path: Path
) -> None:
    config = small_config(privacy=privacy, rounds={"cohort": 5, "min_survivors": 4, **rounds})
    run = simulate(config, tmp_path / "runs", Silent()).folder.path
    findings = verify(run)
    assert [str(fault) for fault in findings.faults] == []
    assert any(check.name == "figures of the report" and check.count for check in findings.checks)


def test_drop_outs_a_crash_and_an_abandoned_round(small_config: Callable[..., Any], tmp_path: Path) -> None:
    def faults(kind: str, times: int, partition: int) -> str | None:
        if kind == "train" and times == 1 and partition < 3:
            return "lost"  # round 2 is abandoned
        if (kind, times, partition) == ("train", 0, 4):
            return "reply_lost"
        if (kind, times, partition) == ("query.unmask", 0, 1):
            return "crash"
        return None

    config = small_config(rounds={"count": 3, "cohort": 5, "min_survivors": 4})
    run = simulate(config, tmp_path / "runs", Silent(), faults=faults).folder.path  # type: ignore[arg-type]
    findings = verify(run)
    assert [str(fault) for fault in findings.faults] == []


def test_a_run_that_died_has_no_report_and_is_sound_as_far_as_it_goes(
    small_config: Callable[..., Any], tmp_path: Path
) -> None:
    class Dies(Silent):
        def finished_round(self, line: Any) -> None:
            if line.round == 2:
                raise KeyboardInterrupt

    config = small_config(rounds={"count": 3, "cohort": 5, "min_survivors": 4})
    with pytest.raises(KeyboardInterrupt):
        simulate(config, tmp_path / "runs", Dies())
    (run,) = (tmp_path / "runs").iterdir()
    findings = verify(run)
    assert [str(fault) for fault in findings.faults] == []
    assert any("no report" in notice.message for notice in findings.notices)
