"""What the devices paid, where their ledgers are in the run folder (a simulation), against the transcript's plans.

A device charges before it trains, so each client in a sum must have paid for exactly that plan, and nothing may be
paid that the transcript does not know: a plan that only a device saw would be a second, unrecorded question.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from typing import Any

from privacy.audit.verification.chain import canonical
from privacy.audit.verification.findings import Findings
from privacy.audit.verification.folder import Folder, Line, json_lines, parse_object
from privacy.audit.verification.rounds import Round
from privacy.audit.verification.spending import Release, derive, release_of

_ZERO = "0" * 64
_KINDS = ("open", "charge", "budgets", "recovered")


def check_ledgers(folder: Folder, findings: Findings) -> dict[str, list[Line]]:
    """Check every ledger's chain and anchor; return the lines of those that are whole, by device."""
    names = folder.matching("ledger", ".jsonl")
    whole: dict[str, list[Line]] = {}
    for name in names:
        lines = json_lines(name, folder.files[name], findings)
        if lines is not None and _chained(name, lines, findings):
            device = name.removeprefix("ledger/").removesuffix(".jsonl")
            _check_anchor(folder, device, name, lines, findings)
            whole[device] = lines
    for name in folder.matching("anchors", ".json"):
        if f"ledger/{name.removeprefix('anchors/').removesuffix('.json')}.jsonl" not in folder.files:
            findings.fault("missing", name, "the ledger that this anchor remembers is not there")
    if names:
        findings.checked("device ledgers chained", len(names))
    else:
        findings.skipped("device ledgers", "none are in the run folder: they stay on the devices")
    return whole


def check_charges(
    ledgers: dict[str, list[Line]], rounds: list[Round], config: dict[str, Any], run: str, findings: Findings
) -> None:
    """Check every charge against the plan it names, and every survivor's plan against its charges."""
    if not ledgers or config["privacy"]["mode"] == "none":
        return
    plans = {one.plan_line.value["plan_hash"]: one for one in rounds if one.plan_line and one.plan}
    paid: dict[str, set[str]] = {}
    for device, lines in ledgers.items():
        file = f"ledger/{device}.jsonl"
        spent: Counter[Release | None] = Counter()
        for line in lines:
            charge = line.value.get("charge")
            if charge is None or charge["run"] != run:
                continue
            paid.setdefault(device, set()).add(charge["plan_hash"])
            spent[_check_charge(file, line, device, charge, plans, findings)] += 1
        _check_budget(file, lines, spent, findings)
    for one in rounds:
        for name in one.survivors if one.plan_line else ():
            if (
                name in ledgers
                and one.plan_line
                and one.plan_line.value["plan_hash"] not in paid.get(name, set())
            ):
                findings.fault(
                    "spending", f"ledger/{name}.jsonl",
                    f"the device is in the sum of round {one.number} and did not pay for its plan",
                )  # fmt: skip
            if name not in ledgers and f"ledger/{name}.jsonl" not in findings.files_at_fault():
                findings.fault(
                    "missing", f"ledger/{name}.jsonl", "the ledger of a client in a sum is not there"
                )
    findings.checked("charges against plans", sum(len(hashes) for hashes in paid.values()))


def _check_charge(
    file: str, line: Line, device: str, charge: dict[str, Any], plans: dict[str, Round], findings: Findings
) -> Release | None:
    one = plans.get(charge["plan_hash"])
    if one is None or one.plan is None:
        findings.fault(
            "spending", file, "the device paid for a plan that the transcript does not have",
            line=line.number, offset=line.offset, field="plan_hash", found=charge["plan_hash"],
        )  # fmt: skip
        return None
    release = release_of(one.plan)
    if one.number != charge["round"] or device not in one.plan["cohort"]:
        findings.fault("spending", file, "the charge is for another round or cohort", line=line.number)
    wanted = None if release is None else (release.rate, release.multiplier, release.times)
    found = _told(charge["event"])
    if (
        wanted is None
        or found is None
        or any(abs(a - b) > 1e-6 * a for a, b in zip(wanted, found, strict=True))
    ):
        findings.fault(
            "spending", file, "the charged event is not what the plan costs (rate, noise multiplier, times)",
            line=line.number, offset=line.offset, field="event", expected=wanted, found=found,
        )  # fmt: skip
    return release


def _told(event: dict[str, Any]) -> tuple[float, float, int] | None:
    """Return rate, noise over sensitivity and number of releases of a ledger's event."""
    kind = event.get("type")
    try:
        if kind == "PoissonGaussian":
            return event["rate"], event["noise_multiplier"], event["steps"]
        if str(kind).removeprefix("PersonSampled") in ("SkellamSum", "DiscreteGaussianSum"):
            deviation = math.sqrt(event["survivors"] * event["variance_per_client"])
            return event["client_rate"], deviation / (event["clipping_norm"] * event["scale"]), 1
    except (KeyError, TypeError, ZeroDivisionError, ValueError):
        pass
    return None


def _check_budget(file: str, lines: list[Line], spent: Counter[Release | None], findings: Findings) -> None:
    if None in spent or not spent:
        return
    stated = [line for line in lines if "open" in line.value or "budgets" in line.value]
    last = stated[-1].value
    budgets = last["open"]["budgets"] if "open" in last else last["budgets"]
    for purpose, budget in budgets.items():
        if budget["epsilon"] == "inf":
            continue
        cost = derive(spent, budget["delta"], second=False).pld
        if cost > budget["epsilon"] * (1 + 1e-3) + 0.005:
            findings.fault(
                "spending", file, f"more was charged than the budget of {purpose!r} allows",
                expected=f"at most {budget['epsilon']:g}", found=f"{cost:.4f}",
            )  # fmt: skip


def _chained(name: str, lines: list[Line], findings: Findings) -> bool:
    previous = _ZERO
    for number, line in enumerate(lines):
        value = line.value
        body = {key: item for key, item in value.items() if key != "hash"}
        kinds = [kind for kind in _KINDS if kind in value]
        problem = None
        if canonical(value) != line.text or value.get("hash") != hashlib.sha256(canonical(body)).hexdigest():
            problem = "the record is not the one that was written"
        elif (value.get("seq"), value.get("prev")) != (number, previous):
            problem = "the chain is broken: a record was altered, inserted or removed"
        elif len(kinds) != 1 or set(value) != {"seq", "prev", "hash", "time", kinds[0]}:
            problem = "not a ledger's record"
        elif (kinds[0] == "open") != (number == 0):
            problem = "an opening record is out of place"
        if problem:
            findings.fault("altered", name, problem, line=line.number, offset=line.offset)
            return False
        previous = value["hash"]
    if not lines:
        findings.fault("altered", name, "the ledger is empty")
    return bool(lines)


def _check_anchor(folder: Folder, device: str, name: str, lines: list[Line], findings: Findings) -> None:
    if lines[0].value["open"].get("device") != device:
        findings.fault(
            "altered", name, "the ledger is of another device",
            line=1, field="device", expected=device, found=lines[0].value["open"].get("device"),
        )  # fmt: skip
    file = f"anchors/{device}.json"
    if file not in folder.files:
        findings.fault("missing", file, "a ledger's anchor is not there, so a rollback cannot be ruled out")
        return
    data = folder.files[file]
    anchor = parse_object(file, data, findings)
    expected = {"hash": lines[-1].value["hash"], "seq": lines[-1].value["seq"]}
    if anchor is not None and data != canonical(expected) + b"\n":
        findings.fault(
            "altered", file, "the anchor does not remember the last record of its ledger",
            expected=expected, found=anchor,
        )  # fmt: skip
