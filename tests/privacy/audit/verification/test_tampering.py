"""One byte changed anywhere: found, and found in the right file. Nothing is mocked: verify reads the disk anew."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from privacy.audit.verification.run import verify


def places(run: Path, count: int, seed: int, *, skip: str = "?") -> list[tuple[Path, int, int]]:
    """Return (file, offset, bit) spread over all bytes of the folder, at least twenty in every file."""
    draw = random.Random(seed)
    files = [
        path for path in sorted(run.rglob("*"))
        if path.is_file() and path.suffix != ".lock" and not path.relative_to(run).as_posix().startswith(skip)
    ]  # fmt: skip
    chosen = [(path, draw.randrange(path.stat().st_size)) for path in files for _ in range(20)]
    sizes = [path.stat().st_size for path in files]
    while len(chosen) < count:
        path = draw.choices(files, sizes)[0]
        chosen.append((path, draw.randrange(path.stat().st_size)))
    return [(path, offset, 1 << draw.randrange(8)) for path, offset in chosen[:count]]


def flipped_runs(run: Path, chosen: list[tuple[Path, int, int]]) -> list[str]:
    """Flip each chosen bit in turn, verify, restore; return the flips that were not located to their file."""
    missed = []
    for path, offset, bit in chosen:
        original = path.read_bytes()
        path.write_bytes(original[:offset] + bytes([original[offset] ^ bit]) + original[offset + 1 :])
        findings = verify(run)
        name = path.relative_to(run).as_posix()
        if name not in findings.files_at_fault() or findings.exit_code == 0:
            missed.append(f"{name} byte {offset} bit {bit}: {[str(f) for f in findings.faults]}")
        path.write_bytes(original)
    return missed


def test_a_thousand_flipped_bits_over_all_files_are_found_and_located(copied_run: Path) -> None:
    assert verify(copied_run).faults == []
    chosen = places(copied_run, 1000, seed=1)
    assert {path.name for path, _, _ in chosen} >= {
        "report.json", "report.html", "transcript.jsonl", "metrics.jsonl", "config.toml", "environment.json",
        "client-000000.jsonl", "client-000000.json", "round-00003.safetensors", "optimizer-00003.safetensors",
    }  # fmt: skip
    assert flipped_runs(copied_run, chosen) == []
    assert verify(copied_run).faults == [], "the last flip was undone"


def test_without_a_report_the_records_protect_each_other(copied_run: Path) -> None:
    """Guarantee V2: an interrupted run has no seal, and still only its optimizer's state is uncovered."""
    for name in ("report.json", "report.html"):
        (copied_run / name).unlink()
    assert verify(copied_run).faults == []
    chosen = places(copied_run, 600, seed=2, skip="checkpoints/optimizer")
    assert flipped_runs(copied_run, chosen) == []


def test_an_optimizers_state_without_a_report_is_the_stated_limit(copied_run: Path) -> None:
    (copied_run / "report.json").unlink()
    state = next(copied_run.glob("checkpoints/optimizer-*"))
    state.write_bytes(state.read_bytes()[:-1] + b"\xff")
    assert verify(copied_run).faults == []


@pytest.mark.parametrize("name", ["transcript.jsonl", "metrics.jsonl", "ledger/client-000001.jsonl"])
def test_a_removed_line_is_located(copied_run: Path, name: str) -> None:
    path = copied_run / name
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:1] + lines[2:]))
    fault = next(fault for fault in verify(copied_run).faults if fault.file == name and fault.line)
    assert fault.line == 2
    assert fault.offset == len(lines[0])


def test_a_cut_tail_a_missing_and_an_added_file_are_found(copied_run: Path) -> None:
    transcript = copied_run / "transcript.jsonl"
    whole = transcript.read_bytes()
    transcript.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    assert "transcript.jsonl" in verify(copied_run).files_at_fault()
    transcript.write_bytes(whole)
    (copied_run / "anchors" / "client-000002.json").unlink()
    assert verify(copied_run).exit_code == 77
    (copied_run / "photo.jpg").write_bytes(b"\xff\xd8")
    assert "photo.jpg" in verify(copied_run).files_at_fault()


def test_a_fault_says_where_in_the_line(copied_run: Path) -> None:
    path = copied_run / "transcript.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    broken = lines[4].replace(b'"seq"', b'"seq', 1)
    path.write_bytes(b"".join([*lines[:4], broken, *lines[5:]]))
    (fault,) = [fault for fault in verify(copied_run).faults if fault.line]
    assert fault.line == 5
    start = sum(map(len, lines[:4]))
    assert start <= fault.offset < start + len(broken)
