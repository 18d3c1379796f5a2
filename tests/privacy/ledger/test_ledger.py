"""What a ledger allows, refuses, remembers and detects."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.errors import BudgetExceededError, LedgerError, PrivacyError
from privacy.accounting.epsilon import epsilon
from privacy.accounting.events import Composed, GaussianSum, PoissonGaussian
from privacy.ledger import storage
from privacy.ledger.ledger import Ledger
from privacy.ledger.records import TOTAL, Budget
from privacy.ledger.report import charge_rows, describe, export, verify

PLAN = "ab" * 32
STEP = PoissonGaussian(0.02, 1.0, 20)


@pytest.fixture
def opened(tmp_path):
    """Return a function that opens the ledger of this test."""
    ledgers = []

    def open_(**change):
        arguments = {
            "device": "phone-1",
            "dataset": "d" * 64,
            "budgets": {"training": Budget(4.0, 1e-5)},
            "anchor": tmp_path / "elsewhere" / "head",
            "wait": 0.05,
            **change,
        }
        ledgers.append(Ledger.open(tmp_path / "ledger.jsonl", **arguments))
        return ledgers[-1]

    yield open_
    for ledger in ledgers:
        ledger.close()


def _charge(ledger, event=STEP, purpose="training", round_=1):
    return ledger.charge(purpose, "run", round_, PLAN, event)


def _filled(opened, count=5):
    with opened() as ledger:
        return [_charge(ledger, round_=n) for n in range(count)]


# -- paying and refusing ---------------------------------------------------------------------------------------


def test_spent_is_recomputed_from_the_events_after_every_opening(opened):
    for rounds in range(1, 4):
        with opened() as ledger:
            receipt = _charge(ledger, round_=rounds)
            expected = epsilon([STEP] * rounds, 1e-5)
            assert ledger.spent("training") == expected
            assert receipt.spent == pytest.approx(expected.epsilon, abs=5e-3)
            assert receipt.hash == ledger.head
            assert ledger.events("training") == [STEP] * rounds


def test_the_charge_is_on_the_disk_before_it_returns(opened, tmp_path):
    with opened() as ledger:
        receipt = _charge(ledger)
        assert receipt.hash in (tmp_path / "ledger.jsonl").read_text()
        assert (tmp_path / "ledger.jsonl").stat().st_mode & 0o777 == 0o600


def test_the_budget_is_never_passed_and_the_refusal_says_why(opened, tmp_path):
    with opened() as ledger:
        charged = 0
        while True:
            try:
                _charge(ledger)
            except BudgetExceededError as error:
                refusal = str(error)
                break
            charged += 1
        assert 10 < charged < 1000
        spent = ledger.spent("training").epsilon
        assert spent <= 4.0 < epsilon([STEP] * (charged + 1), 1e-5).epsilon + 0.01
        size = (tmp_path / "ledger.jsonl").stat().st_size
        for word in (
            "training",
            "epsilon 4 ",
            "spent",
            f"{charged} charges",
            "left",
            "PoissonGaussian",
            "raise",
        ):
            assert word in refusal
        with pytest.raises(BudgetExceededError):
            _charge(ledger)
        assert (tmp_path / "ledger.jsonl").stat().st_size == size
        _charge(ledger, GaussianSum(1000.0))  # a cheaper event still fits


def test_another_purpose_needs_its_own_budget(opened):
    with opened() as ledger, pytest.raises(BudgetExceededError, match="no budget"):
        _charge(ledger, purpose="advertising")


def test_purposes_are_separate_but_the_total_binds_them(opened):
    budgets = {"a": Budget(3.0, 1e-5), "b": Budget(3.0, 1e-5), TOTAL: Budget(3.5, 1e-5)}
    with opened(budgets=budgets) as ledger:
        _charge(ledger, GaussianSum(1.6), "a")
        with pytest.raises(BudgetExceededError, match="all purposes"):
            _charge(ledger, GaussianSum(1.6), "b")
        _charge(ledger, GaussianSum(3.0), "b")
        assert ledger.spent("b") == epsilon([GaussianSum(3.0)], 1e-5)
        assert ledger.spent(TOTAL) == epsilon([GaussianSum(1.6), GaussianSum(3.0)], 1e-5)
        assert ledger.purposes == ["a", "b"]


def test_a_release_without_noise_is_refused_by_every_finite_budget(opened):
    with opened() as ledger, pytest.raises(BudgetExceededError, match="inf"):
        _charge(ledger, GaussianSum(0.0))
    with opened(budgets={"training": Budget(math.inf, 1e-5)}) as ledger:
        _charge(ledger, GaussianSum(0.0))
        assert ledger.spent("training").epsilon == math.inf
    with opened() as ledger, pytest.raises(BudgetExceededError):
        _charge(ledger, GaussianSum(1e6))  # what was released once cannot be taken back


def test_the_same_round_again_is_charged_again(opened):
    """A device cannot prove that its first answer never left."""
    with opened() as ledger:
        first, second = _charge(ledger), _charge(ledger)
        assert first.hash != second.hash
        assert len(ledger.events("training")) == 2


def test_composed_events_count_all_their_parts(opened):
    with opened() as ledger:
        _charge(ledger, Composed((STEP, GaussianSum(20.0)), 3))
        assert ledger.spent("training") == epsilon([STEP, GaussianSum(20.0)] * 3, 1e-5)


@pytest.mark.parametrize(
    "arguments",
    [
        ("trai ning", "run", 1, PLAN),
        ("*", "run", 1, PLAN),
        ("training", "", 1, PLAN),
        ("training", "run", -1, PLAN),
        ("training", "run", True, PLAN),
        ("training", "run", 1, "ab"),
        ("training", "run", 1, PLAN.upper()),
    ],
)
def test_a_malformed_charge_is_refused_and_not_written(opened, arguments):
    with opened() as ledger:
        with pytest.raises((LedgerError, BudgetExceededError)):
            ledger.charge(*arguments, STEP)
        assert len(ledger.entries()) == 1


@pytest.mark.parametrize(
    "pair", [(0.0, 1e-5), (-1.0, 1e-5), (math.nan, 1e-5), (1.0, 0.0), (1.0, 1.0), (True, 1e-5)]
)
def test_a_budget_that_promises_nothing_is_refused(pair):
    with pytest.raises(PrivacyError, match="budget"):
        Budget(*pair)


def test_budget_changes_are_recorded(opened):
    with opened() as ledger:
        _charge(ledger)
    with opened(budgets={"training": Budget(9.0, 1e-5), "other": Budget(1.0, 1e-6)}) as ledger:
        kinds = [entry.kind for entry in ledger.entries()]
        assert kinds == ["open", "charge", "budgets"]
        assert ledger.budgets["training"].epsilon == 9.0
    with opened(budgets={"training": Budget(9.0, 1e-5), "other": Budget(1.0, 1e-6)}) as ledger:
        assert len(ledger.entries()) == 3  # no change, no record


def test_clocks_that_jump_are_harmless(opened):
    times = iter([1e9, 5e8, -1.0, 0.0, 2e9, 1e9, 1.5])
    with opened(clock=lambda: next(times)) as ledger:
        for _ in range(4):
            _charge(ledger)
    with opened() as ledger:
        assert [entry.seq for entry in ledger.entries()] == list(range(5))


def test_a_simulated_ledger_never_opens_as_a_real_one(opened, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: pytest.fail("a simulation must not wait for the disk"))
        with opened(simulated=True) as ledger:
            _charge(ledger)
        with opened(simulated=True) as ledger:
            assert len(ledger.events()) == 1
    with pytest.raises(LedgerError, match="simulated"):
        opened()
    assert verify(tmp_path / "ledger.jsonl", tmp_path / "elsewhere" / "head") == []


# -- one writer ------------------------------------------------------------------------------------------------


def test_a_second_writer_waits_shortly_and_is_refused(opened):
    with opened(), pytest.raises(LedgerError, match="another process"):
        opened()
    opened()


def test_a_second_process_is_refused_while_the_first_lives(opened, tmp_path):
    holder = (
        "import sys, pathlib; from privacy.ledger.storage import Log;"
        "log = Log(pathlib.Path(sys.argv[1]), wait=5.0); print('held', flush=True); sys.stdin.read()"
    )
    path = str(tmp_path / "ledger.jsonl")
    with subprocess.Popen(
        [sys.executable, "-c", holder, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(LedgerError, match="another process"):
            opened()
        process.kill()  # the lock dies with its holder, however it dies
        process.wait()
    opened()


def test_a_forked_child_cannot_write_with_its_parents_ledger(opened):
    ledger = opened()
    child = os.fork()
    if child == 0:
        try:
            _charge(ledger)
        except LedgerError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    _charge(ledger)


def test_a_closed_ledger_takes_nothing(opened):
    ledger = opened()
    ledger.close()
    ledger.close()
    with pytest.raises(LedgerError, match="closed"):
        _charge(ledger)


# -- damage, copies, rollback ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "value"), [("device", "phone-2"), ("dataset", "e" * 64)])
def test_a_ledger_of_another_device_or_dataset_is_refused(opened, name, value):
    _filled(opened)
    with pytest.raises(LedgerError, match=name):
        opened(**{name: value})


@given(data=st.data())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_changed_byte_is_detected(opened, tmp_path, data):
    path = tmp_path / "ledger.jsonl"
    if not path.exists():
        _filled(opened)
    good = path.read_bytes()
    at = data.draw(st.integers(0, len(good) - 1))
    new = data.draw(st.integers(0, 255).filter(lambda byte: byte != good[at]))
    try:
        path.write_bytes(good[:at] + bytes([new]) + good[at + 1 :])
        assert verify(path, tmp_path / "elsewhere" / "head")
        with pytest.raises(LedgerError):
            opened()
    finally:
        path.write_bytes(good)


def test_lines_removed_repeated_or_swapped_are_detected(opened, tmp_path):
    _filled(opened)
    path = tmp_path / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    for changed in (
        lines[:2] + lines[3:],
        lines[:3] + lines[2:],
        [lines[0], lines[2], lines[1], *lines[3:]],
        lines[1:],
        [*lines, lines[-1]],
    ):
        path.write_bytes(b"".join(changed))
        with pytest.raises(LedgerError, match=r"chain|readable|place"):
            opened()
    path.write_bytes(b"".join(lines))
    assert len(opened().events()) == 5


def test_every_truncation_is_detected_by_the_anchor(opened, tmp_path):
    _filled(opened, 3)
    path = tmp_path / "ledger.jsonl"
    good = path.read_bytes()
    for length in {*range(0, len(good) - 1, 7), len(good) - 2}:
        path.write_bytes(good[:length])
        with pytest.raises(LedgerError):
            opened()
    path.write_bytes(good[:-1])  # without its newline the last record is still whole, and counts
    with opened() as ledger:
        assert len(ledger.events()) == 3
    assert path.read_bytes() == good
    path.unlink()
    with pytest.raises(LedgerError, match="deleted"):
        opened()


def test_an_older_copy_is_a_rollback(opened, tmp_path):
    _filled(opened, 2)
    path = tmp_path / "ledger.jsonl"
    shutil.copy(path, tmp_path / "old")
    _filled(opened, 1)
    shutil.copy(tmp_path / "old", path)
    with pytest.raises(LedgerError, match="rolled back"):
        opened()


def test_a_copy_that_went_its_own_way_is_detected(opened, tmp_path):
    _filled(opened, 2)
    path, head = tmp_path / "ledger.jsonl", tmp_path / "elsewhere" / "head"
    saved = path.read_bytes(), head.read_bytes()
    _filled(opened, 2)
    other = path.read_bytes()
    path.write_bytes(saved[0])
    head.write_bytes(saved[1])
    _filled(opened, 2)  # the same number of records, another history
    path.write_bytes(other)
    with pytest.raises(LedgerError, match="copy"):
        opened()


def test_a_rollback_of_ledger_and_anchor_is_found_by_a_witness(opened, tmp_path):
    receipts = _filled(opened, 2)
    path, head = tmp_path / "ledger.jsonl", tmp_path / "elsewhere" / "head"
    saved = path.read_bytes(), head.read_bytes()
    later = _filled(opened, 1)
    path.write_bytes(saved[0])
    head.write_bytes(saved[1])
    with opened() as ledger:  # a restored backup of the whole device: nothing local can tell
        ledger.confirm(receipts[-1].hash)
        with pytest.raises(LedgerError, match="rolled back"):
            ledger.confirm(later[-1].hash)


def test_a_lost_anchor_is_a_decision_for_a_person(opened, tmp_path):
    _filled(opened, 2)
    (tmp_path / "elsewhere" / "head").unlink()
    assert "missing" in verify(tmp_path / "ledger.jsonl", tmp_path / "elsewhere" / "head")[0]
    with pytest.raises(LedgerError, match="accept_missing_anchor"):
        opened()
    with opened(accept_missing_anchor=True) as ledger:
        assert len(ledger.events()) == 2
    opened()


def test_a_damaged_anchor_is_refused(opened, tmp_path):
    _filled(opened, 1)
    for content in (b"", b"{}", b'{"seq": "1", "hash": 3}', b"\x00" * 80):
        (tmp_path / "elsewhere" / "head").write_bytes(content)
        with pytest.raises(LedgerError, match="anchor"):
            opened()


# -- failing disks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fits", [0, 1, 100])
def test_a_full_disk_refuses_the_charge_and_the_next_opening_repairs(opened, tmp_path, monkeypatch, fits):
    ledger = opened()
    _charge(ledger)
    real, written = os.write, []

    def full(descriptor, data):
        if written or not fits:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(real(descriptor, data[:fits]))
        return written[0]

    with monkeypatch.context() as patch:
        patch.setattr(storage.os, "write", full)
        with pytest.raises(LedgerError, match="No space left"):
            _charge(ledger)
    with pytest.raises(LedgerError, match="open the ledger again"):
        _charge(ledger)
    ledger.close()
    with opened() as again:
        assert len(again.events()) == 1  # the record was not readable, and its work never began
        _charge(again)
    assert verify(tmp_path / "ledger.jsonl", tmp_path / "elsewhere" / "head") == []


def test_a_failing_anchor_stops_the_work_but_the_charge_counts(opened, monkeypatch):
    ledger = opened()
    with monkeypatch.context() as patch:
        patch.setattr(storage, "write_atomic", _refuse)
        with pytest.raises(LedgerError, match="nothing may start"):
            _charge(ledger)
    ledger.close()
    assert len(opened().events()) == 1


def _refuse(*_, **__):
    raise OSError(errno.EROFS, "Read-only file system")


def test_a_torn_charge_that_is_readable_is_counted_and_kept_as_evidence(opened, tmp_path):
    _filled(opened, 1)
    path = tmp_path / "ledger.jsonl"
    torn = json.dumps({"charge": json.loads(path.read_bytes().splitlines()[1])["charge"]})[:-1].encode()
    torn = torn.replace(b'"charge": ', b'"charge":') + b',"hash":"12'
    path.write_bytes(path.read_bytes() + torn)
    assert "cut short" in verify(path, tmp_path / "elsewhere" / "head")[0]
    with opened() as ledger:
        assert len(ledger.events("training")) == 2
        assert ledger.entries()[-1].kind == "recovered"
        _charge(ledger)
    assert torn in path.read_bytes()
    assert verify(path, tmp_path / "elsewhere" / "head") == []
    assert [row.recovered for row in charge_rows(path)] == [False, True, False]


# -- for people ------------------------------------------------------------------------------------------------


def test_describe_and_export(opened, tmp_path):
    path = tmp_path / "ledger.jsonl"
    budgets = {"training": Budget(4.0, 1e-5), "unused": Budget(math.inf, 1e-6)}
    with opened(budgets=budgets) as ledger:
        for _ in range(3):
            _charge(ledger)
        live = describe(ledger)
        assert live == describe(path)  # readable without the lock
    rows = {row.purpose: row for row in live}
    assert list(rows) == ["training", "unused", TOTAL]
    assert rows["training"].charges == 3
    assert rows["training"].epsilon == epsilon([STEP] * 3, 1e-5).epsilon
    assert rows["training"].left == pytest.approx(4.0 - rows["training"].epsilon)
    assert rows["unused"].epsilon == 0.0
    assert rows[TOTAL].budget is None
    document = json.loads(json.dumps(export(path), allow_nan=False))
    assert document["device"] == "phone-1"
    assert document["head"] == document["records"][-1]["hash"]
    assert len(document["records"]) == 4
    assert document["spent"][1]["budget"] == "inf"


def test_verify_of_what_is_no_ledger(tmp_path):
    assert "does not exist" in verify(tmp_path / "none")[0]
    (tmp_path / "empty").write_bytes(b"")
    assert "not readable" in verify(tmp_path / "empty")[0]
    (tmp_path / "noise").write_bytes(os.urandom(5000))
    assert verify(Path(tmp_path / "noise"))
