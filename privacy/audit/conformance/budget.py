"""Checks of the books: that rounds add up across restarts, that a spent budget refuses, that ε is right."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mien.errors import BudgetExceededError
from privacy.accounting.epsilon import cross_check, epsilon
from privacy.accounting.events import Event, GaussianSum, PoissonGaussian
from privacy.audit.conformance.build import Build
from privacy.audit.conformance.check import Check, exact
from privacy.ledger.ledger import Ledger
from privacy.ledger.records import Budget

_PURPOSE, _DELTA, _ROUNDS = "audit", 1e-5, 12
_STEP = PoissonGaussian(0.1, 1.1, 5)
_ERROR = 0.01


def check_budget(build: Build) -> Iterator[Check]:
    """Yield the checks of ledger and accountant."""
    yield _closed_form()
    yield _second_accountant()
    yield from _ledger(build)


def _closed_form() -> Check:
    """One Gaussian release has a known profile (Balle and Wang, 2018); a tight accountant gives it."""
    mu = 1.0
    found = epsilon([GaussianSum(1 / mu)], _DELTA).epsilon
    delta = _phi(mu / 2 - found / mu) - math.exp(found) * _phi(-mu / 2 - found / mu)
    return exact(
        "budget: closed form", delta <= _DELTA and delta >= 0.999 * _DELTA,
        f"δ({found:.5f}) = {delta:.6e}", f"{_DELTA:g}, not above", "an accountant that understates",
    )  # fmt: skip


def _second_accountant() -> Check:
    second = cross_check([_STEP] * _ROUNDS, _DELTA, epsilon_error=_ERROR)
    difference = math.nan if second is None else second.difference
    return exact(
        "budget: second accountant", 0 <= difference + _ERROR <= 3 * _ERROR,
        f"PRV less PLD {difference:+.4f}", f"within {_ERROR:g} of each other and the PRV's own error",
        "a wrong formula in either",
    )  # fmt: skip


def _ledger(build: Build) -> Iterator[Check]:
    """Charge rounds one at a time, a restart between any two, as a device does over weeks."""
    cap = epsilon([_STEP] * _ROUNDS, _DELTA).epsilon + 0.02
    refused = False
    with tempfile.TemporaryDirectory() as folder:
        for number in range(1, _ROUNDS + 1):
            _charge(build, Path(folder), number, cap, _STEP)
        try:
            _charge(build, Path(folder), _ROUNDS + 1, cap, _STEP)
        except BudgetExceededError:
            refused = True
        spent, charges = _spent(build, Path(folder), cap)
    expected = epsilon([_STEP] * _ROUNDS, _DELTA).epsilon
    yield exact(
        "budget: adds up", charges == _ROUNDS and abs(spent - expected) < 1e-6,
        f"{charges} charges, ε = {spent:.4f}", f"{_ROUNDS} charges, ε = {expected:.4f}",
        "accountant reset: each round counted as if it were the first",
    )  # fmt: skip
    yield exact(
        "budget: refuses", refused, "refused" if refused else "charged",
        "the round after the last that fits is refused", "a budget that nobody enforces, accountant reset",
    )  # fmt: skip


def _charge(build: Build, folder: Path, number: int, cap: float, event: Event) -> None:
    with _open(build, folder, cap) as ledger:
        ledger.charge(_PURPOSE, "conformance", number, f"{number:064x}", event)


def _spent(build: Build, folder: Path, cap: float) -> tuple[float, int]:
    with _open(build, folder, cap) as ledger:
        return ledger.spent(_PURPOSE).epsilon, len(ledger.events(_PURPOSE))


def _open(build: Build, folder: Path, cap: float) -> Ledger:
    return build.ledger(
        folder / "ledger.jsonl", device="auditor", dataset="none", budgets={_PURPOSE: Budget(cap, _DELTA)},
        simulated=True,
    )  # fmt: skip


def _phi(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))
