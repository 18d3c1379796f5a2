"""The run folder as bytes: read once, looked at by every check; lines know where they begin."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from mien.errors import RunError
from privacy.audit.verification.findings import Findings

TRANSCRIPT, METRICS, CONFIG = "transcript.jsonl", "metrics.jsonl", "config.toml"
ENVIRONMENT, REPORT, PAGE, PDF = "environment.json", "report.json", "report.html", "report.pdf"


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of a JSONL file."""

    number: int
    """From 1."""
    offset: int
    text: bytes
    """Without its newline."""
    value: dict[str, Any]


class Folder:
    """All files below a run folder, by their path relative to it."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise RunError(f"{path}: no such run folder")
        self.path = path
        self.files = {
            file.relative_to(path).as_posix(): file.read_bytes()
            for file in sorted(path.rglob("*"))
            if file.is_file() and file.suffix != ".lock"
        }

    def hash(self, name: str) -> str:
        """Return the SHA-256 of a file, 64 hexadecimal digits."""
        return hashlib.sha256(self.files[name]).hexdigest()

    def matching(self, folder: str, suffix: str) -> list[str]:
        """Return the names of the files of one subfolder with a suffix, sorted."""
        return [name for name in self.files if name.startswith(folder + "/") and name.endswith(suffix)]


def json_lines(name: str, data: bytes, findings: Findings) -> list[Line] | None:
    """Return the lines of a JSONL file whose every line is one object; None, and a fault, where one is not."""
    lines, offset = [], 0
    texts = data.split(b"\n")
    if texts.pop() != b"":
        findings.fault("altered", name, "the last line lacks its newline", offset=len(data))
        return None
    for number, text in enumerate(texts, start=1):
        value = parse_object(name, text, findings, line=number, start=offset)
        if value is None:
            return None
        lines.append(Line(number, offset, text, value))
        offset += len(text) + 1
    return lines


def parse_object(
    name: str, text: bytes, findings: Findings, *, line: int | None = None, start: int = 0
) -> dict[str, Any] | None:
    """Return one JSON object; None, and a fault with its byte, where ``text`` is none."""
    try:
        value = json.loads(text.decode("utf-8"))
    except json.JSONDecodeError as error:
        place = start + len(error.doc[: error.pos].encode())
        findings.fault("altered", name, f"not JSON ({error.msg})", line=line, offset=place)
    except (UnicodeDecodeError, RecursionError) as error:
        place = start + (error.start if isinstance(error, UnicodeDecodeError) else 0)
        findings.fault("altered", name, "not UTF-8", line=line, offset=place)
    else:
        if isinstance(value, dict):
            return value
        findings.fault("altered", name, "not a JSON object", line=line, offset=start)
    return None
