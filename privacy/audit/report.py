"""The report of a run: ``report.json`` for machines and ``report.html`` for people, from the run folder alone.

Nothing in it is taken from memory: every figure is read from the config, the metrics, the transcript and the
ledgers that the run left on the disk, and ε is computed anew from the plans in the transcript.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mien.errors import RunError
from mien.files import write_atomic
from privacy.accounting.epsilon import attack_bounds, epsilon
from privacy.accounting.events import Event
from privacy.accounting.of_plan import event_of
from privacy.audit.page import render
from privacy.audit.transcript import read_transcript
from privacy.plan import RoundPlan

SCHEMA = "mien-report/1"


def write_report(run: Path) -> dict[str, Any]:
    """Write both forms of the report into the run folder and return the machine-readable one."""
    report = build_report(run)
    write_atomic(run / "report.json", (json.dumps(report, indent=1, ensure_ascii=False) + "\n").encode())
    write_atomic(run / "report.html", render(report).encode())
    return report


def build_report(run: Path) -> dict[str, Any]:
    """Return the report's figures. Raises RunError where the folder lacks what a report is made of."""
    config = tomllib.loads(_read(run / "config.toml").decode())
    metrics = [json.loads(line) for line in _read(run / "metrics.jsonl").splitlines()]
    lines = list(read_transcript(run / "transcript.jsonl"))
    start = next((line for line in lines if line["kind"] == "start"), None)
    if start is None:
        raise RunError(f"{run}: the transcript has no start line; the run did not begin")
    plans = [RoundPlan.from_bytes(line["plan"].encode()) for line in lines if line["kind"] == "plan"]
    opened = [line for line in lines if line["kind"] == "opened"]
    finished = any(line["kind"] == "finished" for line in lines)
    return {
        "schema": SCHEMA,
        "run": run.name,
        "state": "finished" if finished else "interrupted",
        "config": config,
        "config_sha256": hashlib.sha256(_read(run / "config.toml")).hexdigest(),
        "environment": json.loads(_read(run / "environment.json")),
        "data": start["data"],
        "model": start["model"],
        "privacy": _privacy(config, plans),
        "rounds": metrics,
        "opened": len(opened),
        "aborted": [
            {"round": line["round"], "reason": line["aborted"]} for line in metrics if line.get("aborted")
        ],
        "best": _best(metrics),
        "left_the_devices": _left(lines),
        "transcript": {"lines": len(lines), "head": lines[-1]["hash"]},
    }


def _privacy(config: Mapping[str, Any], plans: Iterable[RoundPlan]) -> dict[str, Any]:
    section = config["privacy"]
    charged: dict[str, list[Event]] = defaultdict(list)
    for plan in plans:
        for client in plan.cohort:
            charged[client].append(event_of(plan))
    busiest = max(charged.values(), key=len, default=[])
    private = section["mode"] != "none" and bool(busiest)
    statement = epsilon(busiest, section["delta"]) if private else None
    bounds = attack_bounds(busiest) if private else None
    return {
        "mode": section["mode"],
        "unit": "person",
        "delta": section["delta"],
        "epsilon_promised": section["epsilon"] if private else None,
        "epsilon_spent": statement.epsilon if statement else None,
        "mu_gdp": bounds.mu_gdp if bounds else None,
        "tpr_at_fpr_1_percent": bounds.tpr_at_fpr_1_percent if bounds else None,
        "accountant": statement.accountant if statement else None,
        "rounds_of_busiest_client": len(busiest),
        "clients_charged": len(charged),
        "randomness": section["randomness"],
    }


def _best(metrics: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    evaluated = [line for line in metrics if line.get("loss") is not None]
    if not evaluated:
        return None
    last = evaluated[-1]
    return {"round": last["round"], "loss": last["loss"], "auc": last["auc"]}


def _left(lines: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Sum what clients sent by kind of message and part: how many, how large, of what type."""
    count: Counter[tuple[str, str]] = Counter()
    total: Counter[tuple[str, str]] = Counter()
    kinds: dict[tuple[str, str], str] = {}
    for line in lines:
        if line["kind"] == "received":
            for name, part in line["parts"].items():
                key = (line["message"], name)
                count[key] += 1
                total[key] += part["bytes"]
                kinds[key] = f"{part['dtype']} vector" if "dtype" in part else "signed bytes"
    return [
        {"message": message, "part": name, "type": kinds[message, name], "count": count[message, name],
         "bytes": total[message, name]}
        for message, name in sorted(count)
    ]  # fmt: skip


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}); a report needs it") from None
