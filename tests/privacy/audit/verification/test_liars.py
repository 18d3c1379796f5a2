"""A coordinator that lies and signs the lie: its hashes and signatures are right, its arithmetic is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mien.files import canonical_json
from privacy.audit.report import write_report
from privacy.audit.seal import PURPOSE
from privacy.audit.transcript import Transcript
from privacy.audit.verification.findings import Findings
from privacy.audit.verification.run import verify
from privacy.audit.verification.traffic import LIMITS
from privacy.egress import ALLOWED
from privacy.plan import RoundPlan
from privacy.randomness import TestOnlySource
from privacy.secagg.identity import Identity

LIAR = Identity.generate(TestOnlySource(1, "liar"))
Change = Callable[[dict[str, Any]], None]


def resign(run: Path, change: Change, signer: Identity = LIAR) -> Findings:
    """Write the transcript anew with every line passed through ``change``, chained and signed by ``signer``."""
    path = run / "transcript.jsonl"
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    path.unlink()
    transcript = Transcript(path, signer)
    for line in lines:
        if line["kind"] != "key":
            fields = {
                name: value
                for name, value in line.items()
                if name not in ("seq", "prev", "hash", "signature", "kind")
            }
            change({"kind": line["kind"], "fields": fields})
            transcript.append(line["kind"], **fields)
    transcript.close()
    for name in ("report.json", "report.html"):
        (run / name).unlink(missing_ok=True)
    return verify(run)


def on(kind: str, change: Callable[[dict[str, Any]], None], round_number: int = 2) -> Change:
    """Return a change of the fields of one kind of line of one round."""

    def apply(line: dict[str, Any]) -> None:
        if line["kind"] == kind and line["fields"].get("round", round_number) == round_number:
            change(line["fields"])

    return apply


def replan(**update: Any) -> Change:
    """Return a change of the plan of round 2, its hash made to fit."""

    def change(fields: dict[str, Any]) -> None:
        plan = RoundPlan.from_bytes(fields["plan"].encode())
        plan = plan.model_copy(update={"update": plan.update.model_copy(update=update)})
        fields.update(plan=plan.to_bytes().decode(), plan_hash=plan.hash.hex())

    return on("plan", change)


def test_the_same_transcript_signed_by_another_does_not_fit_the_clients_sessions(copied_run: Path) -> None:
    """Guarantee T6: clients signed sessions that are hashes of the true coordinator's key."""
    findings = resign(copied_run, lambda _: None)
    assert findings.exit_code == 74
    assert "session" in {fault.field for fault in findings.faults}


def test_a_plan_with_more_noise_than_was_sent_contradicts_the_clients_signatures(copied_run: Path) -> None:
    findings = resign(copied_run, replan(noise_multiplier=3.0))
    assert any(
        "signed something else" in fault.message and fault.field == "plan_hash" for fault in findings.faults
    )
    assert any("plan that the transcript does not have" in fault.message for fault in findings.faults)


@pytest.mark.parametrize(
    ("change", "code_name", "words"),
    [
        (on("opened", lambda f: f["survivors"].append("client-000003")), "survivors", "signed no vector"),
        (on("opened", lambda f: f["survivors"].remove("client-000001")), "survivors", "no refusal says why"),
        (on("opened", lambda f: f.update(dropped={})), "dropped", "those dropped"),
        (on("opened", lambda f: f.update(model="0" * 64)), "model_hash", "result of the round before"),
        (on("received", lambda f: f["parts"].update(photo={"bytes": 9})), "photo", "may not leave"),
        (on("metrics", lambda f: f.update(sha256="0" * 64)), None, "whose hash the transcript holds"),
    ],
)  # fmt: skip
def test_lies_about_a_round(copied_run: Path, change: Change, code_name: str | None, words: str) -> None:
    findings = resign(copied_run, change)
    fitting = [fault for fault in findings.faults if words in fault.message and fault.field == code_name]
    assert fitting, [str(fault) for fault in findings.faults]


@pytest.mark.parametrize(
    "change",
    [
        on("received", lambda f: f.update(parts=None)),
        on("plan", lambda f: f.update(plan="{}", plan_hash=7)),
        on("opened", lambda f: f.update(survivors=3)),
        on("received", lambda f: f.update(round=[])),
        on("start", lambda f: f.update(model={}, data=None)),
        on("asked", lambda f: f.update(bytes="much")),
    ],
)
def test_records_of_another_form_are_findings_and_never_errors(copied_run: Path, change: Change) -> None:
    assert resign(copied_run, change).exit_code in range(70, 78)


def test_a_pinned_key_finds_a_whole_other_history(copied_run: Path, audited_run: Path) -> None:
    lines = (audited_run / "transcript.jsonl").read_text().splitlines()
    key = json.loads(lines[0])["key"]
    assert verify(copied_run, key=key).exit_code == 0
    findings = resign(copied_run, lambda _: None)
    assert findings.exit_code == 74
    assert any(fault.kind == "signature" for fault in verify(copied_run, key=key).faults)


def reseal(run: Path, change: Callable[[dict[str, Any]], None]) -> Findings:
    """Change figures of the report, and sign the changed report with a key of one's own, page hash and all."""
    path = run / "report.json"
    report = json.loads(path.read_bytes())
    change(report)
    seal = {name: value for name, value in report["seal"].items() if name != "signature"}
    seal |= {"key": LIAR.public_key.hex(), "role": "auditor"}
    signature = LIAR.sign(PURPOSE, canonical_json({**report, "seal": seal})).hex()
    path.write_bytes(canonical_json({**report, "seal": {**seal, "signature": signature}}) + b"\n")
    return verify(run)


@pytest.mark.parametrize(
    ("section", "name", "value", "code"),
    [
        ("privacy", "epsilon_spent", 1.0, 73),
        ("privacy", "mu_gdp", 0.1, 73),
        ("privacy", "tpr_at_fpr_1_percent", 0.02, 76),
        ("privacy", "rounds_of_busiest_client", 1, 76),
        ("privacy", "randomness", "test-only", 76),
        ("mechanism", "noise_multiplier", 9.0, 76),
        ("mechanism", "threshold", 1, 76),
        ("best", "loss", 0.01, 76),
        ("transcript", "lines", 7, 76),
        ("data", "train_persons", 9999, 76),
        ("ledgers", "charges", 0, 76),
    ],
)
def test_a_signed_report_cannot_lie_about_its_figures(
    copied_run: Path, section: str, name: str, value: Any, code: int
) -> None:
    findings = reseal(copied_run, lambda report: report[section].update({name: value}))
    named = [fault for fault in findings.faults if fault.field == f"{section}.{name}"]
    assert named, [str(fault) for fault in findings.faults]
    assert {fault.kind for fault in named} == {{73: "spending", 76: "figure"}[code]}


def test_a_hidden_row_of_what_left_is_found(copied_run: Path) -> None:
    findings = reseal(copied_run, lambda report: report["left_the_devices"].pop())
    assert any(fault.field == "left_the_devices" for fault in findings.faults)


def test_an_exchanged_report_is_missing_from_the_chain(copied_run: Path) -> None:
    findings = reseal(copied_run, lambda report: report.update(opened=3))
    assert any("chain of reports" in fault.message for fault in findings.faults)


def test_a_ledger_that_paid_less_than_the_plan_costs_is_found(copied_run: Path) -> None:
    from privacy.ledger.records import Record, parse_line

    path = copied_run / "ledger" / "client-000000.jsonl"
    records = [parse_line(line) for line in path.read_bytes().splitlines()]
    written: list[Record] = []
    for record in records:
        body = record.body
        if record.kind == "charge" and body["round"] == 2:
            body = {
                **body,
                "event": {**body["event"], "variance_per_client": body["event"]["variance_per_client"] * 4},
            }
        written.append(Record.after(written[-1] if written else None, record.time, record.kind, body))
    path.write_bytes(b"".join(record.to_line() for record in written))
    anchor = {"hash": written[-1].hash, "seq": written[-1].seq}
    (copied_run / "anchors" / "client-000000.json").write_bytes(canonical_json(anchor) + b"\n")
    (copied_run / "report.json").unlink()
    findings = verify(copied_run)
    assert findings.exit_code == 73
    assert {fault.line for fault in findings.faults if "ledger" in fault.file} == {3}
    others = {fault.file for fault in findings.faults if "ledger" not in fault.file}
    assert others <= {"transcript.jsonl"}, "receipts that arrived contradict the ledger too"


def test_the_auditors_allow_list_is_the_devices_own() -> None:
    own = {
        kind: {name: getattr(rule, "limit", -1) for name, rule in rules.items()}
        for kind, rules in ALLOWED.items()
    }
    assert own == LIMITS


def test_a_report_written_later_is_signed_by_an_auditor_and_chained(copied_run: Path) -> None:
    before = json.loads((copied_run / "report.json").read_bytes())
    assert before["seal"]["role"] == "coordinator"
    (copied_run / "deployment.toml").write_text('curator = "A hospital"\n')
    after = write_report(copied_run)
    assert after["seal"]["role"] == "auditor"
    assert after["seal"]["previous"] != before["seal"]["previous"]
    findings = verify(copied_run)
    assert findings.faults == []
    assert any("not the coordinator" in str(notice) for notice in findings.notices)


def test_a_receipt_that_no_ledger_gave_is_found(copied_run: Path) -> None:
    """A coordinator that keeps, or writes down, another receipt than the device gave."""
    path = copied_run / "receipts.json"
    kept = json.loads(path.read_bytes())
    first = next(iter(kept))
    path.write_bytes((json.dumps({**kept, first: "0" * 64}, indent=1, sort_keys=True) + "\n").encode())
    (copied_run / "report.json").unlink()
    faults = verify(copied_run).faults
    assert {(fault.file, fault.field) for fault in faults} == {("receipts.json", first)}


def test_a_receipt_in_the_transcript_is_of_a_charge_in_the_ledger(copied_run: Path) -> None:
    lie = on("received", lambda f: f["parts"].get("receipt", {}).update(sha256="0" * 64))
    faults = resign(copied_run, lie).faults
    assert any(fault.kind == "spending" and fault.field == "receipt" for fault in faults)
