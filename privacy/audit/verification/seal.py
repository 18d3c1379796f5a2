"""The report's seal, checked from the bytes: form, signature, every file it covers, its place in the chain."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from mien.errors import RunError
from privacy.audit.evidence import AttackResult, read_result
from privacy.audit.page import render
from privacy.audit.report_schema import Report
from privacy.audit.seal import unsealed
from privacy.audit.verification.chain import Transcript, canonical, signed_by
from privacy.audit.verification.findings import Findings
from privacy.audit.verification.folder import PAGE, PDF, REPORT, Folder, json_lines, parse_object

_PURPOSE, _PDF_PURPOSE, _LINE = (
    b"mien audit v1 report",
    b"mien audit v1 paper",
    b"mien audit v1 transcript line",
)
CHAIN: Final = "../.mien/reports.jsonl"
OWN_FORMS: Final = frozenset({REPORT, PAGE, PDF, "report.pdf.sig"})


def check_report(folder: Folder, findings: Findings) -> dict[str, Any] | None:
    """Check ``report.json`` itself; None where it is absent or is not what was signed."""
    data = folder.files.get(REPORT)
    if data is None:
        findings.notice(REPORT, "there is no report; only the records are checked")
        return None
    report = parse_object(REPORT, data, findings)
    if report is None:
        return None
    try:
        if canonical(report) + b"\n" != data:
            findings.fault("altered", REPORT, "not in canonical form: it was altered after it was written")
            return None
        Report.model_validate(report)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        findings.fault("altered", REPORT, f"not of the schema: {fault['msg']}", field=place)
        return None
    except (ValueError, RecursionError):
        findings.fault("altered", REPORT, "holds what JSON cannot say")
        return None
    seal = dict(report["seal"])
    signature, key = bytes.fromhex(seal.pop("signature")), bytes.fromhex(seal["key"])
    if not signed_by(key, _PURPOSE, canonical({**report, "seal": seal}), signature):
        findings.fault(
            "signature", REPORT, "the signature does not verify: the report was altered", field="seal"
        )
        return None
    findings.checked("report signature", 1)
    return report


def check_files(folder: Folder, report: dict[str, Any], findings: Findings) -> None:
    """Check every file of the folder against the seal, byte for byte."""
    sealed = report["seal"]["files"]
    for name, facts in sealed.items():
        if name not in folder.files:
            findings.fault("missing", name, "the report's seal covers this file, and it is not there")
        elif folder.hash(name) != facts["sha256"]:
            findings.fault(
                "altered", name, "not the file that the report's seal covers",
                expected=f"{facts['bytes']} bytes, sha256 {facts['sha256']}",
                found=f"{len(folder.files[name])} bytes, sha256 {folder.hash(name)}",
            )  # fmt: skip
    for result in report["evidence"]:
        if result["passed"] is False:
            findings.notice(
                f"audit/{result['attack']}.json", "this test refuted what the run or the build promises"
            )
    for name in folder.files.keys() - sealed.keys() - OWN_FORMS:
        findings.fault(
            "altered", name, "the report's seal does not cover this file: it was added later; "
            "`mien audit report` covers it in a new report",
        )  # fmt: skip
    findings.checked("files against the seal", len(sealed))


def check_forms(folder: Folder, report: dict[str, Any], findings: Findings) -> None:
    """Check the page and the paper: their hashes, and that the page shows this report and nothing else."""
    page = folder.files.get(PAGE)
    seal = report["seal"]
    if page is None:
        findings.fault("missing", PAGE, "the page of the report is not there")
    elif hashlib.sha256(page).hexdigest() != seal["page"]:
        findings.fault(
            "altered", PAGE, "not the page that was signed",
            offset=_first_difference(page, _rendered(folder, report)),
            expected=seal["page"], found=hashlib.sha256(page).hexdigest(),
        )  # fmt: skip
    elif _rendered(folder, report) != page:
        findings.notice(PAGE, "signed, but this version of Mien would draw another page from the report")
    pdf, statement = folder.files.get(PDF), folder.files.get("report.pdf.sig")
    if pdf is None and statement is None:
        return
    if pdf is None or statement is None:
        findings.fault(
            "missing", PDF if pdf is None else "report.pdf.sig", "the paper or its signature is not there"
        )
        return
    value = parse_object("report.pdf.sig", statement, findings)
    if value is not None:
        _check_paper(pdf, statement, value, report, findings)
    findings.checked("page and paper", 2)


def _check_paper(
    pdf: bytes, text: bytes, value: dict[str, Any], report: dict[str, Any], findings: Findings
) -> None:
    try:
        body = {name: value[name] for name in ("schema", "sha256", "report", "key")}
        whole = canonical(value) + b"\n" == text and set(value) == {*body, "signature"}
        signature = str(value["signature"])
        valid = signature == signature.lower() and signed_by(
            bytes.fromhex(body["key"]), _PDF_PURPOSE, canonical(body), bytes.fromhex(signature)
        )
    except (KeyError, ValueError, TypeError):
        whole = valid = False
        body = {}
    if not whole or not valid:
        findings.fault("signature", "report.pdf.sig", "the paper's signature does not verify")
    elif body["sha256"] != hashlib.sha256(pdf).hexdigest():
        findings.fault("altered", PDF, "not the paper that was signed")
    elif body["report"] != report["seal"]["id"]:
        findings.fault("altered", PDF, "the paper shows another report than the one in this folder")


def check_place(
    folder: Folder, report: dict[str, Any], transcript: Transcript | None, findings: Findings
) -> None:
    """Check who signed, and the report's line in the chain of reports beside the run folders."""
    seal = report["seal"]
    if transcript is not None:
        expected = "coordinator" if seal["key"] in transcript.keys else "auditor"
        if seal["role"] != expected:
            findings.fault(
                "signature", REPORT, "the signer is not in the role that is stated", field="seal.role",
                expected=expected, found=seal["role"],
            )  # fmt: skip
        if expected == "auditor":
            findings.notice(
                REPORT, f"signed by {seal['key']}, which is not the coordinator that wrote the transcript"
            )
    path = folder.path.resolve().parent / ".mien" / "reports.jsonl"
    if not path.exists():
        findings.skipped("chain of reports", "the folder was taken away from its chain (.mien/reports.jsonl)")
        return
    _check_chain(path, folder, seal["previous"], findings)


def _check_chain(path: Path, folder: Folder, previous: str, findings: Findings) -> None:
    name = CHAIN
    lines = json_lines(name, path.read_bytes(), findings)
    if lines is None:
        return
    key, head, own = "", "0" * 64, None
    digest = folder.hash(REPORT)
    for number, line in enumerate(lines):
        value = line.value
        body = {field: item for field, item in value.items() if field not in ("hash", "signature")}
        key = str(value.get("key", key))
        try:
            sound = (
                canonical(value) == line.text
                and (value["seq"], value["prev"]) == (number, head)
                and value["hash"] == hashlib.sha256(canonical(body)).hexdigest()
                and value["signature"] == value["signature"].lower()
                and signed_by(
                    bytes.fromhex(key), _LINE, bytes.fromhex(value["hash"]), bytes.fromhex(value["signature"])
                )
            )
        except (KeyError, ValueError, TypeError, AttributeError):
            sound = False
        if not sound:
            findings.fault(
                "altered", name, "the chain of reports is broken", line=line.number, offset=line.offset
            )
            return
        if value.get("sha256") == digest:
            own = value
        head = value["hash"]
    if own is None or own["prev"] != previous:
        findings.fault(
            "altered", name, "the chain of reports does not have this report in the place that it states"
        )
    findings.checked("chain of reports", len(lines))


def _rendered(folder: Folder, report: dict[str, Any]) -> bytes:
    evidence: list[AttackResult] = []
    try:
        evidence = [read_result(folder.path / name) for name in folder.matching("audit", ".json")]
        return render(unsealed(report), evidence).encode()
    except (RunError, KeyError, TypeError):
        return b""


def _first_difference(one: bytes, other: bytes) -> int | None:
    """Return the first byte that differs from the page that this version draws; None where all of it may."""
    if not other:
        return None
    return next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(other))
