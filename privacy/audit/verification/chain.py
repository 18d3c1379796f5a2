"""The transcript's hash chain and signatures, checked from the bytes.

Nothing here is shared with :mod:`privacy.audit.transcript`, which writes it: a fault in the writer must not hide
itself. The form checked is the documented one (docs/audit.md).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from privacy.audit.verification.findings import Findings
from privacy.audit.verification.folder import TRANSCRIPT, Folder, Line, json_lines

_ZERO = "0" * 64
_PURPOSE = b"mien audit v1 transcript line"
_UNSIGNED = ("received", "asked")
_HEX64, _HEX128 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{128}")
FIELDS: Final[dict[str, set[str]]] = {
    "key": {"key"},
    "start": {"run", "data", "model", "config", "environment"},
    "received": {"round", "message", "client", "parts"},
    "asked": {"round", "message", "clients", "bytes"},
    "plan": {"round", "plan", "plan_hash", "session", "roster", "run_key"},
    "opened": {"round", "survivors", "dropped", "sum", "model", "share_within"},
    "aborted": {"round", "reason"},
    "metrics": {"round", "sha256"},
    "finished": {"model"},
}
"""What a line of each kind says, besides its place in the chain."""


@dataclasses.dataclass(frozen=True)
class Transcript:
    """The lines of a transcript that is whole."""

    lines: list[Line]
    keys: tuple[str, ...]
    """Every key that signed, in order, 64 hexadecimal digits each."""
    signed: int
    """Number of the last signed line; what follows it is chained but not signed."""

    def of(self, *kinds: str) -> list[Line]:
        """Return the lines of the given kinds."""
        return [line for line in self.lines if line.value["kind"] in kinds]


def canonical(value: Any) -> bytes:
    """Return the one encoding of plain data that the record uses."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def signed_by(key: bytes, purpose: bytes, content: bytes, signature: bytes) -> bool:
    """Return whether ``signature`` is Ed25519 over the length-prefixed purpose and content."""
    message = b"".join(len(part).to_bytes(4, "little") + part for part in (purpose, content))
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def check_transcript(folder: Folder, findings: Findings, pinned: str | None) -> Transcript | None:
    """Check form, chain and signatures; None where the transcript is absent or not to be trusted."""
    data = folder.files.get(TRANSCRIPT)
    if not data:
        findings.fault("missing", TRANSCRIPT, "there is no transcript; nothing can be recomputed without it")
        return None
    lines = json_lines(TRANSCRIPT, data, findings)
    if lines is None or not _chained(lines, findings):
        return None
    keys, signed = _check_signatures(lines, findings)
    findings.checked("transcript lines chained", len(lines))
    _check_key(keys, pinned, findings)
    if findings.files_at_fault() & {TRANSCRIPT}:
        return None
    if not any(line.value["kind"] == "start" for line in lines):
        findings.fault("missing", TRANSCRIPT, "there is no start line: the run did not begin")
        return None
    if signed < len(lines):
        findings.notice(
            TRANSCRIPT, f"lines {signed + 1} to {len(lines)} follow the last signature: they are chained only"
        )
    return Transcript(lines, keys, signed)


def _chained(lines: list[Line], findings: Findings) -> bool:
    previous = _ZERO
    for number, line in enumerate(lines):
        problem = _problem(line, number, previous)
        if problem:
            findings.fault("altered", TRANSCRIPT, problem, line=line.number, offset=line.offset)
            return False
        previous = line.value["hash"]
    return True


def _problem(line: Line, number: int, previous: str) -> str | None:
    value = line.value
    try:
        if canonical(value) != line.text:
            return "the line is not in canonical form: it was altered after it was written"
    except (ValueError, RecursionError):
        return "the line holds what a transcript cannot (NaN or infinity)"
    body = {key: item for key, item in value.items() if key not in ("hash", "signature")}
    if value.get("hash") != hashlib.sha256(canonical(body)).hexdigest():
        return "the line's content does not have the hash that it states: the line was altered"
    if value.get("prev") != previous:
        return "the line does not follow from the one before it: one of them was altered, inserted or removed"
    if value.get("seq") != number:
        return f"the line is numbered {value.get('seq')}, expected {number}"
    fields = FIELDS.get(str(value.get("kind")))
    if fields is None:
        return f"unknown kind of line {value.get('kind')!r:.40}"
    if set(body) - {"seq", "prev", "kind"} != fields:
        return f"a line of kind {value['kind']} has the fields {sorted(fields)}, this one has {sorted(body)}"
    return None


def _check_signatures(lines: list[Line], findings: Findings) -> tuple[tuple[str, ...], int]:
    keys: list[str] = []
    signed, count = 0, 0
    for line in lines:
        value = line.value
        if value["kind"] == "key":
            keys.append(str(value["key"]))
        signature = value.get("signature")
        if value["kind"] in _UNSIGNED:
            if signature is not None:
                findings.fault(
                    "signature", TRANSCRIPT, "a line of this kind has no signature", line=line.number
                )
            continue
        if not keys or not _HEX64.fullmatch(keys[-1]):
            findings.fault(
                "signature",
                TRANSCRIPT,
                "no key was named before this line",
                line=line.number,
                offset=line.offset,
            )
            break
        valid = isinstance(signature, str) and _HEX128.fullmatch(signature)
        if not valid or not signed_by(
            bytes.fromhex(keys[-1]), _PURPOSE, bytes.fromhex(value["hash"]), bytes.fromhex(str(signature))
        ):
            findings.fault(
                "signature", TRANSCRIPT,
                "the signature does not verify under the key that is named before it",
                line=line.number, offset=line.offset, field="signature",
            )  # fmt: skip
            break
        signed, count = line.number, count + 1
    findings.checked("transcript signatures", count)
    return tuple(keys), signed


def _check_key(keys: tuple[str, ...], pinned: str | None, findings: Findings) -> None:
    if pinned is not None:
        for key in keys:
            if key != pinned:
                findings.fault(
                    "signature", TRANSCRIPT, "another key signed than the one you gave with --key",
                    field="key", expected=pinned, found=key,
                )  # fmt: skip
    elif keys:
        findings.notice(
            TRANSCRIPT,
            f"signed by {keys[-1]}; the folder alone cannot say whose key this is: compare it with what a device "
            "pinned or the coordinator published, and give it with --key",
        )
    if len(keys) > 1:
        findings.notice(TRANSCRIPT, f"{len(keys)} keys signed one after another: the run was resumed")
