"""Receipts: what a device's ledger answered when it was charged, as the coordinator received and kept it.

A receipt is the hash of the ledger's record of a charge. The transcript holds the hash of each one that arrived, so
the coordinator's file of the newest ones, and where it is at hand the ledger itself, must agree with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from privacy.audit.verification.chain import Transcript
from privacy.audit.verification.findings import Findings
from privacy.audit.verification.folder import TRANSCRIPT, Folder, Line, parse_object

FILE = "receipts.json"


def check_receipts(
    folder: Folder,
    transcript: Transcript,
    ledgers: Mapping[str, list[Line]],
    clients: Mapping[str, bytes],
    findings: Findings,
) -> None:
    """Check the receipts in the transcript against the ledgers, and the coordinator's file against both.

    ``clients`` are the identity keys by name. Entries of the file for devices of earlier runs cannot be checked.
    """
    newest: dict[str, str] = {}
    count = 0
    for line in transcript.of("received"):
        part = line.value["parts"].get("receipt")
        if part is None:
            continue
        client = line.value["client"]
        newest[client] = part["sha256"]
        count += 1
        if client in ledgers and not _charged(ledgers[client], line.value["round"], part["sha256"]):
            findings.fault(
                "spending", TRANSCRIPT, f"the receipt of {client} is of no charge of this round in its ledger",
                line=line.number, field="receipt",
            )  # fmt: skip
    findings.checked("ledger receipts", count)
    if FILE in folder.files or newest:
        _check_file(folder, newest, clients, findings)


def _charged(ledger: list[Line], number: int, digest: str) -> bool:
    return any(
        line.value["charge"]["round"] == number
        and hashlib.sha256(line.value["hash"].encode()).hexdigest() == digest
        for line in ledger
        if "charge" in line.value
    )


def _check_file(
    folder: Folder, newest: Mapping[str, str], clients: Mapping[str, bytes], findings: Findings
) -> None:
    data = folder.files.get(FILE)
    if data is None:
        findings.fault("missing", FILE, "devices gave receipts, and the file of the newest ones is not there")
        return
    kept = parse_object(FILE, data, findings)
    if kept is None:
        return
    if (json.dumps(kept, indent=1, sort_keys=True) + "\n").encode() != data:
        findings.fault("altered", FILE, "not in the form in which it was written")
        return
    for client, digest in newest.items():
        key = clients[client].hex() if client in clients else ""
        if hashlib.sha256(str(kept.get(key)).encode()).hexdigest() != digest:
            findings.fault("altered", FILE, f"not the newest receipt of {client}", field=key)
    others = kept.keys() - {key.hex() for key in clients.values()}
    if others:
        findings.notice(FILE, f"{len(others)} receipts are of devices that are not in this run; unchecked")
