"""Ten thousand crashes: at every sync, with every kind of half-written tail, and again during the repair.

The model of the disk: what was synced stays; of what was written since, any prefix may have arrived, any
512-byte sector of it may be zeros or garbage, and a renamed file may show its old or its new content.
"""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from privacy.accounting.events import GaussianSum
from privacy.ledger.ledger import Ledger
from privacy.ledger.records import Budget
from privacy.ledger.report import verify

PLAN = "cd" * 32
EVENT = GaussianSum(400.0)
BUDGETS = {"training": Budget(50.0, 1e-5)}
SECTOR = 512


def _open(folder: Path) -> Ledger:
    return Ledger.open(
        folder / "ledger", device="d", dataset="s", budgets=BUDGETS, anchor=folder / "head", wait=10.0
    )


@dataclasses.dataclass(frozen=True)
class Moment:
    """One instant just before a sync: what is on the disk for sure, what was written, what was acknowledged."""

    durable: bytes | None
    written: bytes | None
    heads: tuple[bytes | None, ...]
    returned: int
    attempted: int


class Recorder:
    """Watches the real syncs of a real ledger."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.moments: list[Moment] = []
        self.returned = self.attempted = 0
        self._durable = self._read("ledger")
        self._head = self._read("head")
        monkeypatch.setattr(os, "fsync", self._sync)

    def _read(self, name: str) -> bytes | None:
        path = self.folder / name
        return path.read_bytes() if path.exists() else None

    def _sync(self, descriptor: int) -> None:
        written, head = self._read("ledger"), self._read("head")
        heads = (self._head,) if head == self._head else (self._head, head)
        self.moments.append(Moment(self._durable, written, heads, self.returned, self.attempted))
        # a sync of the file, or of its folder after a rename, makes it durable; others change nothing for it
        name = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        if name in (str(self.folder), str(self.folder / "ledger")):
            self._durable = written
        if name == str(self.folder):
            self._head = head


def _history(folder: Path, charges: int) -> list[Moment]:
    """Run a real ledger through some charges and two openings, and return every moment of it."""
    with pytest.MonkeyPatch.context() as patch:
        recorder = Recorder(folder, patch)
        for _ in range(2):
            with _open(folder) as ledger:
                for _ in range(charges):
                    recorder.attempted += 1
                    ledger.charge("training", "run", 1, PLAN, EVENT)
                    recorder.returned += 1
    return recorder.moments


def _tail_after_crash(durable: bytes, written: bytes, chance: random.Random) -> bytes:
    """Return what the disk may show of ``written``, of which ``durable`` is safe."""
    assert written.startswith(durable)
    image = bytearray(written[: chance.randint(len(durable), len(written))])
    kind = chance.random()
    if kind < 0.4:
        return bytes(image)  # a clean cut
    if kind < 0.6:  # the size was written before the data
        image.extend(bytes(len(written) - len(image)))
    for start in range(len(durable) // SECTOR * SECTOR, len(image), SECTOR):
        low, high = max(start, len(durable)), min(start + SECTOR, len(image))
        lost = chance.random()
        if lost < 0.3:
            image[low:high] = bytes(high - low)
        elif lost < 0.4:
            image[low:high] = chance.randbytes(high - low)
    return bytes(image)


def _crash(folder: Path, moment: Moment, chance: random.Random) -> None:
    """Leave in ``folder`` what a power cut at ``moment`` may leave."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if moment.written is not None:
        if moment.durable is None:  # created by a rename: whole or absent
            content = chance.choice([None, moment.written])
        else:
            content = _tail_after_crash(moment.durable, moment.written, chance)
        if content is not None:
            (folder / "ledger").write_bytes(content)
    head = chance.choice(moment.heads)
    if head is not None:
        (folder / "head").write_bytes(head)
    if chance.random() < 0.2:
        (folder / ".head.abc123").write_bytes(chance.randbytes(40))  # a temporary file that was left behind


def _check(folder: Path, moment: Moment) -> int:
    """Open what the crash left, count, pay once more, and return how many charges were counted."""
    with _open(folder) as ledger:
        counted = len(ledger.events("training"))
        assert moment.returned <= counted <= moment.attempted, "under-counted or invented"
        ledger.charge("training", "run", 2, PLAN, EVENT)
    assert verify(folder / "ledger", folder / "head") == []
    return counted


@pytest.fixture
def fast_folder(tmp_path):
    """Return a folder in memory where there is one: these tests model the disk themselves."""
    memory = Path("/dev/shm")
    folder = memory / f"mien-ledger-{os.getpid()}" if os.access(memory, os.W_OK) else tmp_path / "fast"
    folder.mkdir(parents=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_ten_thousand_crashes_never_under_count_and_never_leave_it_unreadable(fast_folder, monkeypatch):
    moments = _history(fast_folder / "real", 6)
    assert len(moments) > 30
    assert {moment.returned for moment in moments} == set(range(12))
    chance = random.Random(20)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # the images model what a sync means
    torn = crashes = 0
    while crashes < 10_000:
        moment = chance.choice(moments)
        image = fast_folder / "image"
        _crash(image, moment, chance)
        crashes += 1
        if crashes % 5 == 0 and (image / "ledger").exists():  # crash again while the first crash is repaired
            with pytest.MonkeyPatch.context() as patch:
                recorder = Recorder(image, patch)
                recorder.returned, recorder.attempted = moment.returned, moment.attempted
                _open(image).close()
            if recorder.moments:
                moment = chance.choice(recorder.moments)
                _crash(image, moment, chance)
                crashes += 1
        _check(image, moment)
        torn += b'"recovered"' in (image / "ledger").read_bytes()
    assert torn > 1000  # the crashes did hit half-written records


def test_every_prefix_of_a_record(fast_folder, monkeypatch):
    moments = _history(fast_folder / "real", 2)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    moment = next(m for m in moments if m.durable and m.written and len(m.written) > len(m.durable))
    counts = []
    for length in range(len(moment.durable), len(moment.written) + 1):
        image = fast_folder / "image"
        shutil.rmtree(image, ignore_errors=True)
        image.mkdir()
        (image / "ledger").write_bytes(moment.written[:length])
        (image / "head").write_bytes(moment.heads[0])
        counts.append(_check(image, moment))
    assert counts == sorted(counts)
    assert counts[0] == moment.returned
    assert counts[-1] == moment.returned + 1


def test_the_harness_catches_a_ledger_that_acknowledges_too_early(fast_folder, monkeypatch):
    """The same crashes against a ledger without its sync: an acknowledged charge must be seen to vanish."""
    from privacy.ledger import storage

    with monkeypatch.context() as patch:
        patch.setattr(storage, "_sync", lambda _: None)
        moments = _history(fast_folder / "real", 4)
    chance = random.Random(4)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    failures = 0
    for _ in range(200):
        moment = chance.choice(moments)
        _crash(fast_folder / "image", moment, chance)
        try:
            _check(fast_folder / "image", moment)
        except Exception:  # a lost charge, or an anchor ahead of its ledger
            failures += 1
    assert failures > 20


ZYGOTE = """
import os, sys
from pathlib import Path
from privacy.accounting.events import GaussianSum
from privacy.ledger.ledger import Ledger
from privacy.ledger.records import Budget

folder, acknowledged = Path(sys.argv[1]), int(sys.argv[2])
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        ledger = Ledger.open(folder / "ledger", device="d", dataset="s",
                             budgets={"training": Budget(50.0, 1e-5)}, anchor=folder / "head", wait=10.0)
        while True:
            receipt = ledger.charge("training", "run", 1, "cd" * 32, GaussianSum(400.0))
            os.write(acknowledged, b".")
    print(child, flush=True)
    os.waitpid(child, 0)
    print("dead", flush=True)
"""


def test_two_hundred_real_kills(fast_folder):
    """``kill -9`` of a process that charges as fast as it can, two hundred times on one ledger."""
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    chance = random.Random(7)
    command = [sys.executable, "-c", ZYGOTE, str(fast_folder), str(write_end)]
    acknowledged = 0
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=[write_end]
    ) as zygote:
        for kills in range(1, 201):
            zygote.stdin.write("go\n")
            zygote.stdin.flush()
            child = int(zygote.stdout.readline())
            time.sleep(chance.random() * 0.04)
            os.kill(child, signal.SIGKILL)
            assert zygote.stdout.readline() == "dead\n"
            acknowledged += _drain(read_end)
            if kills % 10 == 0:
                with _open(fast_folder) as ledger:
                    counted = len(ledger.events("training"))
                assert acknowledged <= counted <= acknowledged + kills
        zygote.stdin.close()
    os.close(read_end)
    os.close(write_end)
    assert acknowledged > 100
    assert verify(fast_folder / "ledger", fast_folder / "head") == []


def _drain(descriptor: int) -> int:
    count = 0
    while True:
        try:
            count += len(os.read(descriptor, 65536))
        except BlockingIOError:
            return count
