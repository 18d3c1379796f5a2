"""Every figure of the report, derived a second time from the records and compared, field by field.

What the report computes with :mod:`privacy.accounting` is derived here by ``spending.py``, what it sums over the
transcript by ``traffic.py``. No function of the report is used.
"""

from __future__ import annotations

import json
import math
from typing import Any

from privacy.audit.verification.chain import Transcript
from privacy.audit.verification.findings import Findings
from privacy.audit.verification.folder import CONFIG, ENVIRONMENT, REPORT, Folder, Line
from privacy.audit.verification.rounds import Round
from privacy.audit.verification.spending import (
    PRV_ERROR,
    agrees,
    attack_rate,
    charged,
    dearest,
    derive,
    gaussian_mu,
    key_of,
    released,
)
from privacy.audit.verification.traffic import flows, sent


def check_figures(
    folder: Folder,
    report: dict[str, Any],
    transcript: Transcript,
    rounds: list[Round],
    metrics: list[dict[str, Any]],
    ledgers: dict[str, list[Line]],
    config: dict[str, Any],
    findings: Findings,
) -> None:
    """Compare the report with what the records give."""
    start = transcript.of("start")[0].value
    opened = [one for one in rounds if one.opened]
    evaluated = [line for line in metrics if line.get("loss") is not None]
    expected: dict[str, Any] = {
        "run": start["run"],
        "state": "finished" if transcript.of("finished") else "interrupted",
        "config": config,
        "config_sha256": folder.hash(CONFIG),
        "environment": json.loads(folder.files[ENVIRONMENT]),
        "data": start["data"],
        "model": {**start["model"], "last": opened[-1].model if opened else start["model"]["first"]},
        "rounds": metrics,
        "opened": len(opened),
        "aborted": [
            {"round": one.number, "reason": one.aborted.value["reason"]} for one in rounds if one.aborted
        ],
        "best": {name: evaluated[-1][name] for name in ("round", "loss", "auc")} if evaluated else None,
        "left_the_devices": [flow.to_json() for flow in flows(transcript)],
        "sent_to_the_devices": sent(transcript),
        "ledgers": _ledgers(ledgers),
        "evidence": _evidence(folder),
        "transcript": {
            "lines": len(transcript.lines),
            "head": transcript.lines[-1].value["hash"],
            "keys": list(transcript.keys),
        },
    }
    for name, value in expected.items():
        _compare(name, value, report[name], findings)
    _check_mechanism(report["mechanism"], rounds, findings)
    _check_privacy(report["privacy"], rounds, config, findings)
    findings.checked("figures of the report", len(expected) + len(report["privacy"]))


def _compare(name: str, expected: Any, found: Any, findings: Findings) -> None:
    """Descend to the first member that differs, so that the fault names it."""
    if isinstance(expected, dict) and isinstance(found, dict) and expected.keys() == found.keys():
        for key, value in expected.items():
            _compare(f"{name}.{key}", value, found[key], findings)
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for number, value in enumerate(expected):
            _compare(f"{name}[{number}]", value, found[number], findings)
    elif expected != found:
        findings.fault(
            "figure", REPORT, "not what the records give", field=name, expected=expected, found=found
        )


def _ledgers(ledgers: dict[str, list[Line]]) -> dict[str, int] | None:
    counts = [
        sum(
            1 if "charge" in line.value else len(line.value.get("recovered", {}).get("charges", []))
            for line in lines
        )
        for lines in ledgers.values()
    ]
    if not counts:
        return None
    return {"devices": len(counts), "charges": sum(counts), "most": max(counts), "fewest": min(counts)}


def _evidence(folder: Folder) -> list[dict[str, Any]]:
    results = []
    for name in folder.matching("audit", ".json"):
        result = json.loads(folder.files[name])
        result.pop("figures", None)
        results.append(result)
    return results


def _check_mechanism(stated: dict[str, Any] | None, rounds: list[Round], findings: Findings) -> None:
    plans = [one.plan for one in rounds if one.plan]
    if (stated is None) != (not plans):
        findings.fault("figure", REPORT, "a mechanism without plans, or plans without one", field="mechanism")
    if stated is None or not plans:
        return
    last = plans[-1]
    training, update, secagg = last["training"], last["update"], last["secagg"]
    silo = last["mode"] == "silo"
    expected = {
        "plans": len(plans),
        "sampling_rate": training["sampling_rate"],
        "steps": training["steps"],
        "divisor": training["divisor"],
        "photos_per_person": training["photos_per_record"],
        "noise": "Gaussian" if silo else update["noise"],
        "noise_multiplier": training["noise_multiplier"] if silo else update["noise_multiplier"],
        "update_bound": update["clipping_norm"],
        "adaptive_clipping": update.get("adaptive") is not None,
        "honest_survivors": update["honest_survivors"],
        "scale": update["scale"],
        "field_bits": secagg["field_bits"],
        "vector_length": secagg["vector_length"],
        "cohort": len(last["cohort"]),
        "neighbours": secagg["neighbours"],
        "threshold": secagg["threshold"],
        "min_survivors": secagg["min_survivors"],
    }
    for name, value in expected.items():
        _compare(f"mechanism.{name}", value, stated[name], findings)
    norms = [_norm(plan) for plan in plans]
    wanted = {"first": norms[0], "last": norms[-1], "smallest": min(norms), "largest": max(norms)}
    for name, norm in wanted.items():
        _near(f"mechanism.clipping_norm.{name}", norm, stated["clipping_norm"][name], 1e-9, findings)


def _norm(plan: dict[str, Any]) -> float:
    own = plan["training"]["clipping_norm"] or plan["update"]["clipping_norm"]
    adaptive = plan["update"].get("adaptive")
    return float(own * (adaptive["norm"] if adaptive else 1.0))


def _check_privacy(
    stated: dict[str, Any], rounds: list[Round], config: dict[str, Any], findings: Findings
) -> None:
    clients = charged(rounds)
    charges = dearest(clients)
    section = config["privacy"]
    private = section["mode"] != "none" and bool(charges)
    for name, value in (
        ("mode", section["mode"]),
        ("delta", section["delta"]),
        ("randomness", section["randomness"]),
        ("clients_charged", len(clients)),
        ("rounds_of_busiest_client", sum(charges.values())),
        ("epsilon_promised", section["epsilon"] if private else None),
    ):
        _compare(f"privacy.{name}", value, stated[name], findings)
    if not private:
        for name in ("epsilon_spent", "epsilon_against_recipient"):
            _compare(f"privacy.{name}", None, stated[name], findings)
        return
    derived = derive(charges, section["delta"])
    side = agrees(stated["epsilon_spent"], derived)
    if side:
        findings.fault(
            "spending", REPORT, f"the ε spent is {side} what the plans cost by two accountants",
            field="privacy.epsilon_spent",
            expected=f"{derived.pld:.4f} (PLD), {derived.prv} (PRV)", found=stated["epsilon_spent"],
        )  # fmt: skip
    outside = derive(released(rounds), section["delta"], second=False)
    side = agrees(stated["epsilon_against_recipient"], outside)
    if side:
        findings.fault(
            "spending", REPORT, f"the ε against a recipient is {side} what the opened rounds cost",
            field="privacy.epsilon_against_recipient",
            expected=f"{outside.pld:.4f}", found=stated["epsilon_against_recipient"],
        )  # fmt: skip
    second = stated["second_opinion"]
    if second is not None and derived.prv is not None:
        _near(
            "privacy.second_opinion.epsilon", derived.prv, second["epsilon"], 0.005, findings, 2 * PRV_ERROR
        )
    if None in charges or math.isinf(derived.pld):
        return
    top = derive(charges, 1e-12, second=False).pld
    key = key_of(charges)
    _near(
        "privacy.tpr_at_fpr_1_percent",
        attack_rate(key, top),
        stated["tpr_at_fpr_1_percent"],
        0.02,
        findings,
        1e-3,
    )
    mu, stated_mu = gaussian_mu(key, top), stated["mu_gdp"]
    if (
        stated_mu is not None and not mu * 0.99 <= stated_mu <= mu * 1.05 + 0.01
    ):  # None, no bound, flatters nobody
        findings.fault(
            "spending", REPORT, "μ is not what the privacy profile gives", field="privacy.mu_gdp",
            expected=f"{mu:.4f}", found=stated_mu,
        )  # fmt: skip
    for delta, epsilon in stated["profile"]:
        cost = derive(charges, delta, second=False)
        if agrees(epsilon, cost) == "below":
            findings.fault(
                "spending", REPORT, "the profile states less than the plans cost", field="privacy.profile",
                expected=f"{cost.pld:.4f} at δ = {delta:g}", found=epsilon,
            )  # fmt: skip


def _near(
    name: str,
    expected: float,
    found: float | None,
    relative: float,
    findings: Findings,
    absolute: float = 0.0,
) -> None:
    if found is None or abs(found - expected) > relative * abs(expected) + absolute:
        findings.fault(
            "figure", REPORT, "not what the records give", field=name, expected=f"{expected:.6g}", found=found
        )
