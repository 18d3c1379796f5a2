"""``verify``: all checks of a run folder, in an order in which each may rely on those before it.

Guarantees (assumptions: SHA-256 is collision resistant, Ed25519 unforgeable; for "by whom", the key is known):

V1. A byte changed in any file that the report's seal covers, in the report or in its page, is found, and the fault
    names the file; in a chained file also the line.
V2. Without a report the same holds for the transcript, the metrics, the config, the environment, the ledgers,
    their anchors and receipts, and the weights of the checkpoints; not for an optimizer's state.
V3. A report whose ε, μ, attack rate, counts, bytes, survivors or hashes do not follow from the transcript and the
    ledgers is found even where every signature is right: a coordinator cannot sign its way out of arithmetic.
V4. A transcript whose plans are not those that the clients signed is found (T6 of :mod:`privacy.audit.transcript`).

Where the transcript's bytes are broken, nothing is derived from it: those figures would mean nothing.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from privacy.audit.verification.chain import Transcript, check_transcript
from privacy.audit.verification.checkpoints import check_checkpoints
from privacy.audit.verification.figures import check_figures
from privacy.audit.verification.findings import Findings
from privacy.audit.verification.folder import CONFIG, ENVIRONMENT, TRANSCRIPT, Folder, Line, parse_object
from privacy.audit.verification.ledgers import check_charges, check_ledgers
from privacy.audit.verification.receipts import check_receipts
from privacy.audit.verification.rounds import check_rounds, enrolled
from privacy.audit.verification.seal import (
    CHAIN,
    OWN_FORMS,
    check_files,
    check_forms,
    check_place,
    check_report,
)
from privacy.audit.verification.spending import check_spending
from privacy.audit.verification.traffic import check_traffic


def verify(run: Path, *, key: str | None = None) -> Findings:
    """Return what is found in a run folder. ``key``: the coordinator's public key, 64 hexadecimal digits, if known.

    Raises RunError where there is no such folder; whatever is in it becomes a finding, never an error.
    """
    folder, findings = Folder(run), Findings()
    report = check_report(folder, findings)
    if report is not None:
        check_files(folder, report, findings)
        check_forms(folder, report, findings)
    ledgers = check_ledgers(folder, findings)
    transcript = check_transcript(folder, findings, key)
    if report is not None:
        check_place(folder, report, transcript, findings)
    if transcript is None:
        findings.skipped("rounds, traffic, ε, figures", "the transcript is not whole")
        return findings
    config = _check_inputs(folder, transcript, findings)
    if config is None:
        findings.skipped(
            "rounds, traffic, ε, figures", "the config or the environment is not what the run had"
        )
        return findings
    run_name = transcript.of("start")[0].value["run"]
    if run_name != folder.path.resolve().name:
        findings.notice("", f"the folder is called {folder.path.name}; the run was called {run_name}")
    try:
        _derive(folder, report, transcript, ledgers, config, findings)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        findings.fault(
            "altered", TRANSCRIPT, f"a record that is chained and signed has not the form of one ({error!r}): "
            "this program did not write it",
        )  # fmt: skip
    return findings


def _derive(
    folder: Folder,
    report: dict[str, Any] | None,
    transcript: Transcript,
    ledgers: dict[str, list[Line]],
    config: dict[str, Any],
    findings: Findings,
) -> None:
    """Derive rounds, traffic, spending and figures. Records of another form raise whatever Python raises."""
    rounds = check_rounds(transcript, config, findings)
    metrics = check_traffic(folder, transcript, rounds, findings)
    check_checkpoints(folder, rounds, metrics, config, findings)
    run = transcript.of("start")[0].value["run"]
    check_charges(ledgers, rounds, config, run, findings)
    check_receipts(folder, transcript, ledgers, enrolled(transcript, run, Findings()), findings)
    if findings.files_at_fault() - OWN_FORMS - {CHAIN}:
        findings.skipped("ε and figures", "the records they are derived from have faults")
        return
    check_spending(rounds, metrics, config, findings)
    if report is not None:
        check_figures(folder, report, transcript, rounds, metrics, ledgers, config, findings)


def _check_inputs(folder: Folder, transcript: Transcript, findings: Findings) -> dict[str, Any] | None:
    """Check config and environment against the start of the transcript; return the config."""
    start = transcript.of("start")[0].value
    sound = True
    for name, field in ((CONFIG, "config"), (ENVIRONMENT, "environment")):
        if name not in folder.files:
            findings.fault("missing", name, "the file is not there")
            sound = False
        elif folder.hash(name) != start[field]:
            findings.fault(
                "altered", name, "not the file that the run began with",
                expected=start[field], found=folder.hash(name),
            )  # fmt: skip
            sound = False
    if not sound:
        return None
    findings.checked("config and environment", 2)
    if parse_object(ENVIRONMENT, folder.files[ENVIRONMENT], findings) is None:
        return None
    try:
        return tomllib.loads(folder.files[CONFIG].decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        findings.fault("altered", CONFIG, f"not TOML: {error}")
        return None
