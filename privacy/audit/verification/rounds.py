"""The rounds, recomputed: what was planned, under which session, who signed it, who is in the sum, and why not.

A plan is read as plain data from its canonical text. Its model must be the result of the round before, its session
the hash of its keys, its survivors clients that signed it, and its parameters those of the config.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from typing import Any

from privacy.audit.verification.chain import Transcript, canonical
from privacy.audit.verification.findings import Findings
from privacy.audit.verification.folder import TRANSCRIPT, Line
from privacy.audit.verification.wire import (
    Header,
    WireFault,
    content_of,
    read_enrolment,
    read_header,
    session_of,
)

_COUNTED = re.compile(r"(\d+) of (\d+) members (completed set-up|uploaded), (\d+) are needed")


@dataclasses.dataclass
class Round:
    """One round as the transcript tells it."""

    number: int
    plan: dict[str, Any] | None = None
    plan_line: Line | None = None
    headers: dict[str, Header] = dataclasses.field(default_factory=dict)
    """By client: uploads whose header verified."""
    unmasked: set[str] = dataclasses.field(default_factory=set)
    set_up: set[str] = dataclasses.field(default_factory=set)
    survivors: tuple[str, ...] = ()
    opened: Line | None = None
    aborted: Line | None = None
    model: str = ""
    """Hash of the global weights after the round."""


def check_rounds(transcript: Transcript, config: dict[str, Any], findings: Findings) -> list[Round]:
    """Return every round, with faults for all that does not follow from the record."""
    start = transcript.of("start")[0].value
    clients = enrolled(transcript, start["run"], findings)
    rounds: dict[int, Round] = {}
    model, key = str(start["model"]["first"]), ""
    for line in transcript.lines:
        value, kind = line.value, line.value["kind"]
        if kind == "key":
            key = value["key"]
        if kind not in ("plan", "received", "opened", "aborted"):
            continue
        one = rounds.setdefault(value["round"], Round(value["round"]))
        if kind == "plan":
            _take_plan(one, line, start["run"], model, key, findings)
        elif kind == "received":
            _take_answer(one, line, clients, findings)
        elif kind == "opened":
            _take_opened(one, line, findings)
            model = str(value["model"])
        else:
            one.aborted = line
            _check_abort(one, line, findings)
        one.model = model
    ended = [one for number, one in sorted(rounds.items()) if one.opened or one.aborted]
    _check_order(ended, transcript, model, findings)
    for one in ended:
        _check_plan_against_config(one, config, findings)
    findings.checked("rounds recomputed", len(ended))
    findings.checked("clients' signatures of a plan", sum(len(one.headers) for one in ended))
    return ended


def enrolled(transcript: Transcript, run: str, findings: Findings) -> dict[str, bytes]:
    """Return the identity key of every client that enrolled, by name."""
    clients: dict[str, bytes] = {}
    for line in transcript.of("received"):
        part = line.value["parts"].get("enrolment")
        if part is None:
            continue
        try:
            who = read_enrolment(content_of(part), run)
        except WireFault as fault:
            findings.fault("round", TRANSCRIPT, f"enrolment: {fault}", line=line.number, field="enrolment")
            continue
        if clients.setdefault(who.name, who.key) != who.key:
            findings.fault(
                "round", TRANSCRIPT, f"{who.name} enrolled again with another identity key", line=line.number
            )
    findings.checked("enrolments", len(clients))
    return clients


def _take_plan(one: Round, line: Line, run: str, model: str, key: str, findings: Findings) -> None:
    def fault(message: str, **facts: Any) -> None:
        findings.fault("round", TRANSCRIPT, message, line=line.number, **facts)

    value = line.value
    text = str(value["plan"]).encode()
    found = hashlib.sha256(text).hexdigest()
    if value["plan_hash"] != found:
        fault(
            "the plan has not the hash beside it", field="plan_hash", expected=found, found=value["plan_hash"]
        )
    try:
        plan = json.loads(text)
        whole = isinstance(plan, dict) and canonical(plan) == text
    except (ValueError, RecursionError):
        plan, whole = {}, False
    if not whole:
        fault("the plan is not canonical JSON", field="plan")
        return
    one.plan, one.plan_line = plan, line
    for name, expected in (("run", run), ("round", value["round"]), ("model_hash", model)):
        if plan.get(name) != expected:
            what = "the model is not the result of the round before" if name == "model_hash" else "wrong"
            fault(f"plan: {what}", field=name, expected=expected, found=plan.get(name))
    session = session_of(
        canonical({**plan, "model_hash": None}),
        *(bytes.fromhex(text) for text in (value["roster"], key, value["run_key"])),
    ).hex()
    if session != value["session"]:
        fault(
            "the session is not the hash of plan, members' keys and the coordinator's keys",
            field="session", expected=session, found=value["session"],
        )  # fmt: skip
    near, threshold = plan["secagg"]["neighbours"], plan["secagg"]["threshold"]
    if near > 1 and 3 * threshold <= 2 * near:
        fault(
            "the threshold lets a coordinator isolate clients: it must be above two thirds of the neighbours",
            field="secagg.threshold", expected=f"> {2 * near / 3:.1f}", found=threshold,
        )  # fmt: skip


def _take_answer(one: Round, line: Line, clients: dict[str, bytes], findings: Findings) -> None:
    client, parts = line.value["client"], line.value["parts"]
    if "unmask" in parts:
        one.unmasked.add(client)
    if "setup" in parts and line.value["message"] == "query.setup":
        one.set_up.add(client)
    if "header" not in parts:
        return

    def fault(message: str, **facts: Any) -> None:
        findings.fault("round", TRANSCRIPT, f"header of {client}: {message}", line=line.number, **facts)

    if client not in clients:
        fault("this client never enrolled")
        return
    try:
        header = read_header(content_of(parts["header"]), clients[client])
    except WireFault as error:
        fault(str(error), field="header")
        return
    plan_line, plan = one.plan_line, one.plan
    if plan_line is None or plan is None:
        fault("it came before any plan of its round")
        return
    stated = {
        "run": (header.run, plan["run"]),
        "round": (header.round, one.number),
        "sender": (header.sender, client),
        "session": (header.session.hex(), plan_line.value["session"]),
        "plan_hash": (header.plan_hash.hex(), plan_line.value["plan_hash"]),
        "length": (header.length, plan["secagg"]["vector_length"]),
        "bits": (header.bits, plan["secagg"]["field_bits"]),
    }
    wrong = {name: pair for name, pair in stated.items() if pair[0] != pair[1]}
    for name, (signed, recorded) in wrong.items():
        fault(
            "the client signed something else than the record says",
            field=name,
            expected=recorded,
            found=signed,
        )
    if client not in plan["cohort"]:
        fault("this client is not in the round's cohort")
    elif not wrong:
        one.headers[client] = header


def _take_opened(one: Round, line: Line, findings: Findings) -> None:
    def fault(message: str, **facts: Any) -> None:
        findings.fault("round", TRANSCRIPT, f"round {one.number}: {message}", line=line.number, **facts)

    one.opened, one.survivors = line, tuple(line.value["survivors"])
    plan = one.plan
    if plan is None:
        fault("a sum was opened without a plan")
        return
    survivors, cohort = set(one.survivors), set(plan["cohort"])
    if list(one.survivors) != sorted(survivors):
        fault("the survivors are not sorted, or repeat", field="survivors")
    for name in sorted(survivors - one.headers.keys()):
        fault(f"{name} is said to be in the sum, but signed no vector of this plan", field="survivors")
    expected = cohort - survivors
    if set(line.value["dropped"]) != expected:
        fault(
            "those dropped are not the cohort without the survivors",
            field="dropped", expected=sorted(expected), found=sorted(line.value["dropped"]),
        )  # fmt: skip
    least = plan["secagg"]["min_survivors"]
    if len(survivors) < least:
        fault("a sum of too few was opened", field="survivors", expected=f">= {least}", found=len(survivors))
    answered = len(one.unmasked & survivors)
    if answered < plan["secagg"]["threshold"]:
        fault(
            "a sum was opened with fewer answers than the threshold",
            field="threshold", expected=f">= {plan['secagg']['threshold']}", found=answered,
        )  # fmt: skip
    completed = {header.completed_hash for name, header in one.headers.items() if name in survivors}
    if len(completed) > 1:
        fault("survivors signed different sets of members: the coordinator split their views")


def _check_abort(one: Round, line: Line, findings: Findings) -> None:
    counted = _COUNTED.search(line.value["reason"])
    if counted is None or one.plan is None or counted[3] != "uploaded":
        return
    told, cohort, needed = int(counted[1]), int(counted[2]), int(counted[4])
    expected = (len(one.plan["cohort"]), one.plan["secagg"]["min_survivors"])
    if (cohort, needed) != expected or told > len(one.headers):
        findings.fault(
            "round", TRANSCRIPT, f"round {one.number}: the reason for abandoning it does not fit the record",
            line=line.number, field="reason",
            expected=f"at most {len(one.headers)} of {expected[0]} uploaded, {expected[1]} needed",
            found=counted[0],
        )  # fmt: skip
    elif len(one.headers) >= needed:
        findings.notice(
            TRANSCRIPT, f"round {one.number} was abandoned although {len(one.headers)} valid headers arrived"
        )


def _check_order(rounds: list[Round], transcript: Transcript, model: str, findings: Findings) -> None:
    for expected, one in enumerate(rounds, start=1):
        place = (one.opened or one.aborted or transcript.lines[0]).number
        if one.number != expected:
            findings.fault(
                "round", TRANSCRIPT, "a round is missing", line=place, expected=expected, found=one.number
            )
            return
        if one.opened and one.aborted:
            findings.fault(
                "round", TRANSCRIPT, f"round {one.number} was both opened and abandoned", line=place
            )
    for line in transcript.of("finished"):
        if line.value["model"] != model:
            findings.fault(
                "round", TRANSCRIPT, "the final model is not that of the last round",
                line=line.number, field="model", expected=model, found=line.value["model"],
            )  # fmt: skip


def _check_plan_against_config(one: Round, config: dict[str, Any], findings: Findings) -> None:
    if one.plan is None or one.plan_line is None:
        return
    plan, privacy, training, rounds = one.plan, config["privacy"], config["training"], config["rounds"]
    least = min(rounds["min_survivors"], len(plan["cohort"]))
    expected = {
        "mode": (plan["mode"], privacy["mode"]),
        "model": (plan["model"], config["model"]["name"]),
        "training.sampling_rate": (plan["training"]["sampling_rate"], training["sampling_rate"]),
        "training.steps": (plan["training"]["steps"], training["local_steps"]),
        "training.photos_per_record": (plan["training"]["photos_per_record"], training["photos_per_person"]),
        "update.scale": (plan["update"]["scale"], 1 << config["secagg"]["scale_bits"]),
        "update.honest_survivors": (
            plan["update"]["honest_survivors"],
            max(1, int(rounds["min_survivors"] * (1 - privacy["collusion"]))),
        ),
        "secagg.min_survivors": (plan["secagg"]["min_survivors"], least),
    }
    adaptive = plan["update"].get("adaptive") is not None  # then norms are in units of the round's own
    if privacy["mode"] in ("distributed", "silo") and not adaptive:
        expected["training.clipping_norm"] = (plan["training"]["clipping_norm"], privacy["clipping_norm"])
    for name, (found, wanted) in expected.items():
        if found != wanted:
            findings.fault(
                "round", TRANSCRIPT, f"the plan of round {one.number} is not what the config asks for",
                line=one.plan_line.number, field=name, expected=wanted, found=found,
            )  # fmt: skip
