"""The report's seal: what it covers, who signed it, and which report came before it.

S1. The seal lists every file of the run folder with size and SHA-256, and the hash of the page; it is signed
    together with all figures. Whoever knows the key knows that its holder vouches for exactly these bytes.
S2. At the end of a run the coordinator signs, with the key that signed the transcript, before that key is
    forgotten. A report that is written later, for example with the results of attacks, is signed by an auditor's
    key kept beside the runs (``.mien/auditor.key``, mode 0600), and says so.
S3. Each report names the head of ``.mien/reports.jsonl``, a signed hash chain beside the run folders with one line
    a report. Leaving a report out, or exchanging one, breaks the chain for every later report. Assumption: an
    auditor has seen a later head; the newest reports can be cut off unseen.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from mien.errors import RunError
from mien.files import canonical_json, sha256_file, write_atomic
from privacy.audit.transcript import Transcript, read_transcript
from privacy.randomness import SystemSource
from privacy.secagg.identity import Identity

PURPOSE: Final = "mien audit v1 report"
PDF_PURPOSE: Final = "mien audit v1 paper"
HIDDEN: Final = ".mien"
_NOT_COVERED: Final = frozenset({"report.json", "report.html", "report.pdf", "report.pdf.sig"})


def list_files(run: Path) -> dict[str, dict[str, Any]]:
    """Return size and SHA-256 of every file below ``run``, except the report's own forms and empty lock files."""
    found = {}
    for path in sorted(run.rglob("*")):
        name = path.relative_to(run).as_posix()
        if path.is_file() and name not in _NOT_COVERED and path.suffix != ".lock":
            found[name] = {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
    return found


def write_sealed(
    run: Path,
    body: Mapping[str, Any],
    render: Callable[[Mapping[str, Any]], str],
    signer: Identity | None,
) -> dict[str, Any]:
    """Write ``report.json`` and ``report.html``, sealed; return the report. A report that would say the same stays.

    ``render`` makes the page of the report, whose seal then lacks only the page's hash and the signature.
    """
    body = json.loads(canonical_json(body))  # in the order in which a reader will find it
    files = list_files(run)
    identity = hashlib.sha256(canonical_json([body, files])).hexdigest()
    before = _read(run / "report.json")
    with _chain(run) as (folder, log):
        key = signer or _auditor(folder)
        if before is not None and _says_the_same(run, before, identity, signer, render):
            return before
        transcript = Transcript(log, key)
        seal = {
            "id": identity,
            "files": files,
            "previous": transcript.head,
            "key": key.public_key.hex(),
            "role": "coordinator" if key.public_key.hex() in body["transcript"]["keys"] else "auditor",
        }
        page = render({**body, "seal": seal}).encode()
        seal["page"] = hashlib.sha256(page).hexdigest()
        signature = key.sign(PURPOSE, canonical_json({**body, "seal": seal}))
        report = {**body, "seal": {**seal, "signature": signature.hex()}}
        content = canonical_json(report) + b"\n"
        write_atomic(run / "report.html", page)
        write_atomic(run / "report.json", content)
        transcript.append("report", run=run.name, sha256=hashlib.sha256(content).hexdigest())
        transcript.close()
    for stale in ("report.pdf", "report.pdf.sig"):
        (run / stale).unlink(missing_ok=True)  # it would show the report that was
    return report


def sign_paper(run: Path, report: Mapping[str, Any]) -> None:
    """Write, beside ``report.pdf``, a signed statement of its hash and of the report it shows."""
    with _chain(run) as (folder, _):
        key = _auditor(folder)
    statement = {
        "schema": "mien-paper/1",
        "sha256": sha256_file(run / "report.pdf"),
        "report": report["seal"]["id"],
        "key": key.public_key.hex(),
    }
    signature = key.sign(PDF_PURPOSE, canonical_json(statement)).hex()
    write_atomic(run / "report.pdf.sig", canonical_json({**statement, "signature": signature}) + b"\n")


def _says_the_same(
    run: Path,
    before: dict[str, Any],
    identity: str,
    signer: Identity | None,
    render: Callable[[Mapping[str, Any]], str],
) -> bool:
    seal = before.get("seal", {})
    if seal.get("id") != identity or (signer and seal.get("key") != signer.public_key.hex()):
        return False
    page = render(unsealed(before)).encode()
    page_path = run / "report.html"
    return page_path.exists() and page_path.read_bytes() == page and seal.get("page") == _hash(page)


def unsealed(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the report as its page is drawn from it: before the page's hash and the signature are known."""
    seal = {name: value for name, value in report["seal"].items() if name not in ("page", "signature")}
    return {**report, "seal": seal}


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def _chain(run: Path) -> Iterator[tuple[Path, Path]]:
    """Lend the folder beside the runs and the log of reports in it, to one process at a time."""
    folder = run.resolve().parent / HIDDEN
    try:
        folder.mkdir(exist_ok=True)
        lock = (folder / "lock").open("ab")
    except OSError as error:
        raise RunError(f"{folder}: cannot be written ({error.strerror}); reports are chained there") from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder, folder / "reports.jsonl"


def _auditor(folder: Path) -> Identity:
    """Return the key that signs reports on this machine; made at first use."""
    path = folder / "auditor.key"
    if not path.exists():
        write_atomic(path, Identity.generate(SystemSource()).to_bytes(), mode=0o600)
    return Identity.from_bytes(path.read_bytes())


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def chain_of(run: Path) -> list[dict[str, Any]]:
    """Return the lines of the log of reports beside ``run``, empty where there is none. Raises RunError."""
    log = run.resolve().parent / HIDDEN / "reports.jsonl"
    return list(read_transcript(log)) if log.exists() else []
