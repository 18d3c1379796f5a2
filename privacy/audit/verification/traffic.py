"""What left the devices and what was sent to them: each message against the allow-list, sums against the metrics.

The rounds of a transcript are told apart by its ``metrics`` lines: what stands between two of them is one round's
traffic. The first enrolment belongs to no round.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from typing import Any, Final

from privacy.audit.verification.chain import Transcript
from privacy.audit.verification.findings import Findings
from privacy.audit.verification.folder import METRICS, TRANSCRIPT, Folder, Line, json_lines
from privacy.audit.verification.rounds import Round

_KIB, _MIB = 1 << 10, 1 << 20
LIMITS: Final[dict[str, dict[str, int]]] = {
    "query.enrol": {"enrolment": 4 * _KIB, "refusal": 4 * _KIB},
    "query.setup": {"setup": 64 * _MIB, "refusal": 4 * _KIB},
    "train": {"header": 64 * _KIB, "vector": -1, "receipt": 64, "refusal": 4 * _KIB},
    "query.unmask": {"unmask": 64 * _MIB, "setup": 64 * _MIB, "refusal": 4 * _KIB},
}
"""The auditor's own copy of the allow-list (docs/audit.md): bytes at most; -1 for the masked vector, whose length
is exactly the plan's. A test compares it with :mod:`privacy.egress`."""
_WORDS = {32: ("uint32", 4), 64: ("uint64", 8)}


@dataclasses.dataclass(frozen=True)
class Flow:
    """One kind of part of one kind of message, over a whole run."""

    message: str
    part: str
    type: str
    count: int
    bytes: int
    smallest: int
    largest: int

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return dataclasses.asdict(self)


def check_traffic(
    folder: Folder, transcript: Transcript, rounds: list[Round], findings: Findings
) -> list[dict[str, Any]]:
    """Check every message and every metrics line; return the metrics."""
    lengths = {one.number: one.plan["secagg"] for one in rounds if one.plan}
    for line in transcript.of("received"):
        _check_message(line, lengths, findings)
    findings.checked("messages against the allow-list", len(transcript.of("received")))
    return _check_metrics(folder, transcript, rounds, findings)


def flows(transcript: Transcript) -> list[Flow]:
    """Return what clients sent, summed by message and part, sorted."""
    sizes: dict[tuple[str, str, str], list[int]] = {}
    for line in transcript.of("received"):
        for name, part in line.value["parts"].items():
            kind = f"{part['dtype']} vector" if "dtype" in part else "signed bytes"
            sizes.setdefault((line.value["message"], name, kind), []).append(part["bytes"])
    return [
        Flow(*key, len(found), sum(found), min(found), max(found)) for key, found in sorted(sizes.items())
    ]


def sent(transcript: Transcript) -> list[dict[str, Any]]:
    """Return what the coordinator sent, summed by message and part, sorted."""
    total: Counter[tuple[str, str]] = Counter()
    for line in transcript.of("asked"):
        for name, size in line.value["bytes"].items():
            total[line.value["message"], name] += size
    return [{"message": key[0], "part": key[1], "bytes": size} for key, size in sorted(total.items())]


def _check_message(line: Line, lengths: dict[int, dict[str, Any]], findings: Findings) -> None:
    def fault(message: str, part: str, **facts: Any) -> None:
        findings.fault("egress", TRANSCRIPT, message, line=line.number, field=part, **facts)

    kind = line.value["message"]
    allowed = LIMITS.get(kind)
    for name, part in line.value["parts"].items():
        limit = None if allowed is None else allowed.get(name)
        if limit is None:
            fault(f"{line.value['client']} sent a part that may not leave in answer to {kind!r}", name)
        elif limit >= 0 and ("dtype" in part or part["bytes"] > limit):
            fault("more left than may, or an array", name, expected=f"at most {limit} bytes", found=part)
        elif limit < 0:
            secagg = lengths.get(line.value["round"])
            if secagg is None:
                fault("a vector left in a round that has no plan", name)
                continue
            word, size = _WORDS[secagg["field_bits"]]
            length = secagg["vector_length"]
            wanted = {"bytes": length * size, "dtype": word, "shape": [length]}
            if part != wanted:
                fault("not the masked vector that the plan describes", name, expected=wanted, found=part)


def _check_metrics(
    folder: Folder, transcript: Transcript, rounds: list[Round], findings: Findings
) -> list[dict[str, Any]]:
    sums = {one.number: (up, down) for one, up, down in _sums(transcript, rounds)}
    data = folder.files.get(METRICS)
    if data is None:
        if rounds:
            findings.fault("missing", METRICS, "the metrics of the rounds are not there")
        return []
    lines = json_lines(METRICS, data, findings)
    if lines is None:
        return []
    hashes = [line.value["sha256"] for line in transcript.of("metrics")]
    broken = False
    for line, expected in zip(lines, hashes, strict=False):
        if hashlib.sha256(line.text).hexdigest() != expected:
            findings.fault(
                "altered", METRICS, "the line is not the one whose hash the transcript holds",
                line=line.number, offset=line.offset,
            )  # fmt: skip
            broken = True
    if len(lines) != len(hashes):
        findings.fault(
            "altered", METRICS, "lines are missing or too many", expected=len(hashes), found=len(lines)
        )
    if broken:
        return []
    for line, one in zip(lines, rounds, strict=False):
        _check_line(line, one, sums.get(one.number, (0, 0)), findings)
    findings.checked("metrics lines", len(lines))
    return [line.value for line in lines]


def _check_line(line: Line, one: Round, traffic: tuple[int, int], findings: Findings) -> None:
    expected = {
        "round": one.number,
        "cohort": len(one.plan["cohort"]) if one.plan else 0,
        "survivors": len(one.survivors),
        "aborted": one.aborted.value["reason"] if one.aborted else None,
        "bytes_up": traffic[0],
        "bytes_down": traffic[1],
    }
    for name, value in expected.items():
        if line.value.get(name) != value:
            findings.fault(
                "figure", METRICS, f"round {one.number}: not what the transcript gives",
                line=line.number, offset=line.offset, field=name, expected=value, found=line.value.get(name),
            )  # fmt: skip
    unexplained = one.headers.keys() - set(one.survivors) - line.value.get("refusals", {}).keys()
    if one.opened and unexplained:
        findings.fault(
            "round", TRANSCRIPT, f"round {one.number}: {sorted(unexplained)} signed a vector, are not in the sum, "
            "and no refusal says why", line=one.opened.number, field="survivors",
        )  # fmt: skip


def _sums(transcript: Transcript, rounds: list[Round]) -> list[tuple[Round, int, int]]:
    """Return bytes up and down of each round."""
    result, up, down, first = [], 0, 0, True
    waiting = iter(rounds)
    for line in transcript.lines:
        value, kind = line.value, line.value["kind"]
        if kind == "received":
            up += sum(part["bytes"] for part in value["parts"].values())
        elif kind == "asked":
            down += sum(value["bytes"].values())
            if first and value["message"] == "query.enrol":
                up = down = 0
            first = False
        elif kind == "metrics":
            one = next(waiting, None)
            if one is None:
                break
            result.append((one, up, down))
            up = down = 0
    return result
