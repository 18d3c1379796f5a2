"""The report of a run: ``report.json`` for machines and ``report.html`` for people, from the run folder alone.

Nothing in it is taken from memory: every figure is read from the config, the metrics, the transcript, the ledgers
and the results of attacks that lie in the run folder, and ε is computed anew from the plans in the transcript. The
schema is :mod:`privacy.audit.report_schema`; the seal :mod:`privacy.audit.seal`; ``mien audit verify`` derives all
of it a second time.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import math
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mien.errors import RunError
from privacy.accounting.composition import compose
from privacy.accounting.curve import ONLINE_GRID, REPORT_GRID, PrivacyCurve
from privacy.accounting.epsilon import PROFILE_DELTAS, cross_check, epsilon, group_table
from privacy.accounting.events import Composed, Event
from privacy.accounting.of_plan import event_of, released_event
from privacy.audit.deployment import read_deployment
from privacy.audit.evidence import AttackResult, read_results
from privacy.audit.page import render
from privacy.audit.report_schema import SCHEMA, UNSEALED, Report
from privacy.audit.seal import write_sealed
from privacy.audit.transcript import read_transcript
from privacy.ledger.storage import read_log
from privacy.plan import RoundPlan
from privacy.secagg.identity import Identity

HOUSEHOLDS: Final = (2, 3)
"""Sizes of groups whose ε is stated beside that of one person."""


def write_report(run: Path, signer: Identity | None = None) -> dict[str, Any]:
    """Write both forms of the report into the run folder, sealed, and return the machine-readable one.

    ``signer`` is the coordinator at the end of its run; without it an auditor's key signs, and the report says so.
    """
    evidence = read_results(run)
    body = build_report(run, evidence)
    Report.model_validate({**body, "seal": UNSEALED})
    return write_sealed(run, body, functools.partial(render, evidence=evidence), signer)


def build_report(run: Path, evidence: Sequence[AttackResult] | None = None) -> dict[str, Any]:
    """Return the report's figures, unsealed. Raises RunError where the folder lacks what a report is made of."""
    config = tomllib.loads(_read(run / "config.toml").decode())
    metrics = [json.loads(line) for line in _read(run / "metrics.jsonl").splitlines()]
    lines = list(read_transcript(run / "transcript.jsonl"))
    start = next((line for line in lines if line["kind"] == "start"), None)
    if start is None:
        raise RunError(f"{run}: the transcript has no start line; the run did not begin")
    plans = [RoundPlan.from_bytes(line["plan"].encode()) for line in lines if line["kind"] == "plan"]
    opened = [line for line in lines if line["kind"] == "opened"]
    finished = any(line["kind"] == "finished" for line in lines)
    results = read_results(run) if evidence is None else evidence
    return {
        "schema": SCHEMA,
        "run": start["run"],
        "state": "finished" if finished else "interrupted",
        "config": config,
        "config_sha256": hashlib.sha256(_read(run / "config.toml")).hexdigest(),
        "environment": json.loads(_read(run / "environment.json")),
        "deployment": read_deployment(run),
        "data": start["data"],
        "model": {**start["model"], "last": opened[-1]["model"] if opened else start["model"]["first"]},
        "privacy": _privacy(config, plans, opened),
        "mechanism": _mechanism(plans),
        "rounds": metrics,
        "opened": len(opened),
        "aborted": [
            {"round": line["round"], "reason": line["aborted"]} for line in metrics if line.get("aborted")
        ],
        "best": _best(metrics),
        "left_the_devices": _left(lines),
        "sent_to_the_devices": _sent(lines),
        "ledgers": _ledgers(run),
        "evidence": [_summary(result) for result in results],
        "transcript": {
            "lines": len(lines),
            "head": lines[-1]["hash"],
            "keys": [line["key"] for line in lines if line["kind"] == "key"],
        },
    }


def _privacy(
    config: Mapping[str, Any], plans: Sequence[RoundPlan], opened: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    section = config["privacy"]
    charged: dict[str, Counter[Event]] = defaultdict(Counter)
    for plan in plans:
        event = event_of(plan)
        for client in plan.cohort:
            charged[client][event] += 1
    busiest = max(charged.values(), key=lambda events: sum(events.values()), default=Counter())
    facts = {
        "mode": section["mode"],
        "unit": "person",
        "neighbouring": "add or remove one person with all that is hers",
        "delta": section["delta"],
        "epsilon_promised": None,
        "epsilon_spent": None,
        "epsilon_against_recipient": None,
        "mu_gdp": None,
        "tpr_at_fpr_1_percent": None,
        "advantage": None,
        "accountant": None,
        "grid": None,
        "second_opinion": None,
        "profile": [],
        "households": {},
        "rounds_of_busiest_client": sum(busiest.values()),
        "clients_charged": len(charged),
        "randomness": section["randomness"],
    }
    if section["mode"] != "none" and busiest:
        facts |= _statements(section, [Composed((event,), times) for event, times in busiest.items()])
        outside = epsilon(_released(plans, opened), section["delta"])
        facts["epsilon_against_recipient"] = _finite(outside.epsilon)
    return facts


def _released(plans: Iterable[RoundPlan], opened: Iterable[Mapping[str, Any]]) -> list[Event]:
    """Return events that cost at least what any client's opened rounds cost against a mere recipient.

    As many rounds as any client was in, and of all opened ones those with the fewest survivors.
    """
    survivors = {line["round"]: len(line["survivors"]) for line in opened}
    released = sorted((plan for plan in plans if plan.round in survivors), key=lambda p: survivors[p.round])
    most = max(Counter(name for plan in released for name in plan.cohort).values(), default=0)
    return [released_event(plan, survivors[plan.round]) for plan in released[:most]]


def _statements(section: Mapping[str, Any], events: Sequence[Event]) -> dict[str, Any]:
    """Return everything that the accountants say of the client that was asked most often."""
    delta = section["delta"]
    curve = PrivacyCurve(compose(events), "add_or_remove", REPORT_GRID)  # one table of losses for all figures
    library = importlib.metadata.version("dp-accounting")
    second = cross_check(events, delta)
    groups = group_table(events, delta, HOUSEHOLDS, grid=ONLINE_GRID)
    return {
        "epsilon_promised": section["epsilon"],
        "epsilon_spent": _finite(curve.epsilon(delta)),
        "mu_gdp": _finite(curve.mu_gdp()),
        "tpr_at_fpr_1_percent": curve.tpr_at_fpr(0.01),
        "advantage": curve.advantage(),
        "accountant": f"{curve.accountant} (dp-accounting {library})",
        "grid": curve.grid,
        "second_opinion": second
        and {
            "accountant": second.accountant,
            "epsilon": _finite(second.epsilon),
            "error": second.epsilon_error,
        },
        "profile": [[at, _finite(curve.epsilon(at))] for at in PROFILE_DELTAS],
        "households": {str(size): _finite(each.epsilon) for size, each in groups.items()},
    }


def _mechanism(plans: Sequence[RoundPlan]) -> dict[str, Any] | None:
    """Return the parameters of the last plan, and over how many plans they held."""
    if not plans:
        return None
    last = plans[-1]
    training, update, secagg = last.training, last.update, last.secagg
    norms = [plan.update.unit * (plan.training.clipping_norm or plan.update.clipping_norm) for plan in plans]
    return {
        "plans": len(plans),
        "sampling_rate": training.sampling_rate,
        "steps": training.steps,
        "divisor": training.divisor,
        "photos_per_person": training.photos_per_record,
        "clipping_norm": {
            "first": norms[0],
            "last": norms[-1],
            "smallest": min(norms),
            "largest": max(norms),
        },
        "adaptive_clipping": update.adaptive is not None,
        "update_bound": update.clipping_norm,
        "noise": "Gaussian" if last.mode == "silo" else update.noise,
        "noise_multiplier": training.noise_multiplier if last.mode == "silo" else update.noise_multiplier,
        "noise_relative_to": "person" if last.mode == "silo" else "update bound",
        "honest_survivors": update.honest_survivors,
        "scale": update.scale,
        "field_bits": secagg.field_bits,
        "vector_length": secagg.vector_length,
        "cohort": len(last.cohort),
        "neighbours": secagg.neighbours,
        "threshold": secagg.threshold,
        "min_survivors": secagg.min_survivors,
    }


def _best(metrics: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    evaluated = [line for line in metrics if line.get("loss") is not None]
    if not evaluated:
        return None
    last = evaluated[-1]
    return {"round": last["round"], "loss": last["loss"], "auc": last["auc"]}


def _left(lines: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Sum what clients sent by kind of message and part: how many, how large, of what type."""
    sizes: dict[tuple[str, str], list[int]] = defaultdict(list)
    kinds: dict[tuple[str, str], str] = {}
    for line in lines:
        if line["kind"] == "received":
            for name, part in line["parts"].items():
                key = (line["message"], name)
                sizes[key].append(part["bytes"])
                kinds[key] = f"{part['dtype']} vector" if "dtype" in part else "signed bytes"
    return [
        {"message": key[0], "part": key[1], "type": kinds[key], "count": len(found), "bytes": sum(found),
         "smallest": min(found), "largest": max(found)}
        for key, found in sorted(sizes.items())
    ]  # fmt: skip


def _sent(lines: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    total: Counter[tuple[str, str]] = Counter()
    for line in lines:
        if line["kind"] == "asked":
            for name, size in line["bytes"].items():
                total[line["message"], name] += size
    return [
        {"message": message, "part": part, "bytes": total[message, part]} for message, part in sorted(total)
    ]


def _ledgers(run: Path) -> dict[str, Any] | None:
    """Return how many ledgers of simulated devices there are and how many charges they hold; None without any."""
    charges = [
        sum(len(record.charges()) for record in read_log(path).records)
        for path in sorted((run / "ledger").glob("*.jsonl"))
    ]
    if not charges:
        return None
    return {"devices": len(charges), "charges": sum(charges), "most": max(charges), "fewest": min(charges)}


def _summary(result: AttackResult) -> dict[str, Any]:
    """Return an attack's result without its pictures, which the page reads from the result's own file."""
    return result.model_dump(mode="json", exclude={"figures"})


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}); a report needs it") from None
