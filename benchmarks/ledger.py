"""The ledger: the cost of a durable charge, of opening, and the crashes it survives.

    python benchmarks/ledger.py [--quick] [--json FILE] [--check]

The crash rows run the project's own crash tests and count; see tests/privacy/ledger/test_crashes.py.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _table import Row, at_least, at_most, main

from privacy.accounting.events import Event, GaussianSum, PoissonGaussian
from privacy.ledger.ledger import Ledger
from privacy.ledger.records import Budget, Charge, Record
from privacy.ledger.report import verify
from privacy.ledger.storage import Anchor

PLAN = "ef" * 32
STEP = PoissonGaussian(0.01, 1.0, 10)
BUDGETS = {"training": Budget(200.0, 1e-5)}


def measure(quick: bool) -> list[Row]:
    """Return the rows of the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = _charges(folder, 50 if quick else 500)
        rows += _opening(folder)
    return rows + _crashes()


def _open(folder: Path, name: str) -> Ledger:
    return Ledger.open(
        folder / name, device="d", dataset="s", budgets=BUDGETS, anchor=folder / f"{name}.head"
    )


def _charges(folder: Path, count: int) -> list[Row]:
    rows = []
    cases: list[tuple[str, Event]] = [("unsampled release", GaussianSum(500.0)), ("DP-SGD round", STEP)]
    for name, event in cases:
        with _open(folder, name.replace(" ", "-")) as ledger:
            wall, cpu = [], []
            for round_ in range(count):
                start, used = time.perf_counter(), time.thread_time()
                ledger.charge("training", "run", round_, PLAN, event)
                wall.append(time.perf_counter() - start)
                cpu.append(time.thread_time() - used)
        rows.append(Row(f"durable charge, {name}, median", 1e3 * statistics.median(wall), "ms"))
        rows.append(at_most(f"its processor time, {name}, median", 1e3 * statistics.median(cpu), "ms", 100.0))
    start = time.perf_counter()
    with (folder / "floor").open("wb") as file:
        for _ in range(50):
            file.write(b"x" * 400)
            file.flush()
            os.fsync(file.fileno())
    rows.append(
        Row("floor: one append and fsync on this disk", 1e3 * (time.perf_counter() - start) / 50, "ms")
    )
    return rows


def _opening(folder: Path) -> list[Row]:
    """Open a ledger of 10,000 charges, written without a sync each to save the benchmark's time."""
    with _open(folder, "long") as ledger:
        last = _last_record(folder / "long")
    with (folder / "long").open("ab") as file:
        for round_ in range(10_000):
            charge = Charge("training", "run", round_, PLAN, STEP)
            last = Record.after(last, time.time(), "charge", charge.to_json())
            file.write(last.to_line())
    Anchor(last.seq, last.hash).write(folder / "long.head")
    start = time.thread_time()
    with _open(folder, "long") as ledger:
        opening = time.thread_time() - start
        assert len(ledger.events()) == 10_000
        start = time.thread_time()
        ledger.charge("training", "run", 1, PLAN, STEP)
        charge_time = time.thread_time() - start
        start = time.thread_time()
        ledger.charge("training", "run", 2, PLAN, STEP)
        again = time.thread_time() - start
    start = time.thread_time()
    problems = verify(folder / "long", folder / "long.head")
    checking = time.thread_time() - start
    assert not problems, problems
    return [
        at_most("opening 10,000 charges", opening, "s", 1.0),
        Row("first charge on top of them", 1e3 * charge_time, "ms"),
        at_most("next charge on top of them", 1e3 * again, "ms", 100.0),
        Row("verifying them", checking, "s"),
        Row("bytes a charge", (folder / "long").stat().st_size / 10_003, "bytes"),
    ]


def _last_record(path: Path) -> Record:
    from privacy.ledger.storage import read_log

    return read_log(path).records[-1]


def _crashes() -> list[Row]:
    """Run the crash tests; a test that fails counts as none survived."""
    root = Path(__file__).resolve().parent.parent
    rows = []
    for label, test, count in (
        ("modelled crashes survived", "test_ten_thousand_crashes", 10_000),
        ("real kill -9 survived", "test_two_hundred_real_kills", 200),
    ):
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", test]
        command.append(str(root / "tests" / "privacy" / "ledger" / "test_crashes.py"))
        outcome = subprocess.run(command, cwd=root, capture_output=True, check=False)
        rows.append(at_least(label, float(count if outcome.returncode == 0 else 0), "", float(count)))
    return rows


if __name__ == "__main__":
    main("Ledger", measure)
