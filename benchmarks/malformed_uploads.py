"""Malformed uploads, at the level of bytes: does anything crash, hang, fill the memory, or stay unexplained?

python benchmarks/malformed_uploads.py [--quick] [--json FILE] [--check]

A process of its own reads 2,000 uploads (400 with --quick), the same for the same seed: see _malformed_uploads.py.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import _table

HERE = Path(__file__).resolve().parent
SEED = 8
SILENCE = 120  # seconds of wall time without a word after which the reader counts as hanging


def read_all(count: int, seed: int = SEED) -> list[dict[str, Any]]:
    """Read the uploads in another process; return what came of each, the one that ended it included."""
    command = [sys.executable, str(HERE / "_read_uploads.py"), str(count), str(seed)]
    found: list[dict[str, Any]] = []
    begun: dict[str, Any] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=HERE.parent) as reader:
        assert reader.stdout is not None
        while True:
            if not select.select([reader.stdout], [], [], SILENCE)[0]:
                reader.kill()
                return [*found, {**_ended(begun), "outcome": "HANG"}]
            line = reader.stdout.readline()
            if not line:
                break
            told = json.loads(line)
            if "begin" in told:
                begun = told
            else:
                found.append(told)
        code = reader.wait()
    if code or len(found) != count:
        found.append({**_ended(begun), "outcome": f"CRASH of the process ({code})"})
    return found


def _ended(begun: dict[str, Any]) -> dict[str, Any]:
    name = begun.get("begin", "before the first upload")
    return {"name": name, "expected": "", "message": "", "cpu_seconds": 0.0, "memory_grew_mb": 0}


def failures(found: list[dict[str, Any]]) -> list[str]:
    """Return what must not be: crashes, hangs, the wrong error, an error that does not say what to do."""
    wrong = []
    for one in found:
        outcome = one["outcome"]
        if outcome.startswith(("CRASH", "HANG")):
            wrong.append(f"{one['name']}: {outcome} {one['message']}")
        elif one["expected"] and outcome != one["expected"]:
            wrong.append(f"{one['name']}: {outcome} instead of {one['expected']}: {one['message']}")
        elif outcome != "read" and not is_clear(one["message"]):
            wrong.append(f"{one['name']}: unclear: {one['message']!r}")
    return wrong


def is_clear(message: str) -> bool:
    """Say whether a message says what was wrong and, in a sentence of its own, what to do."""
    sentences = [part for part in message.replace("! ", ". ").split(". ") if part.strip()]
    todo = ("Save", "Copy", "Choose", "Use", "Crop", "Check", "Name")
    return (
        len(sentences) >= 2 and any(part.startswith(todo) for part in sentences[1:]) and "0x" not in message
    )


def measure(quick: bool) -> list[_table.Row]:
    """Read them and count."""
    count = 400 if quick else 2000
    found = read_all(count)
    wrong = failures(found)
    for line in wrong[:20]:
        print(line, file=sys.stderr)
    outcomes = [one["outcome"] for one in found]
    return [
        _table.at_least("malformed uploads answered", float(len(found)), "uploads", count),
        _table.at_most("crashes, hangs, wrong or unclear errors", float(len(wrong)), "uploads", 0),
        _table.at_most("longest answer", max(one["cpu_seconds"] for one in found), "s of CPU", 5),
        _table.at_most(
            "memory, most growth at one upload",
            float(max(one["memory_grew_mb"] for one in found[1:])),
            "MB",
            256,
        ),
        _table.Row(
            "read all the same", float(outcomes.count("read")), "uploads", note="damage that shows little"
        ),
    ]


if __name__ == "__main__":
    _table.main("Malformed uploads", measure)
