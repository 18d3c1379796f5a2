"""Accounting: agreement with the reference table and with a second accountant, and the time of an answer.

python benchmarks/accounting.py [--quick] [--json FILE] [--check]
"""

from __future__ import annotations

import json
import time
import warnings
from pathlib import Path

from _table import Row, at_most, main

from privacy.accounting.calibration import noise_for
from privacy.accounting.curve import ONLINE_GRID
from privacy.accounting.epsilon import cross_check, epsilon
from privacy.accounting.events import Composed, DiscreteGaussianSum, GaussianSum, PoissonGaussian, SkellamSum

REFERENCE = json.loads(Path(__file__).with_name("reference_epsilons.json").read_text(encoding="utf-8"))


def measure(quick: bool) -> list[Row]:
    """Return the rows of the table."""
    return _reference(0.01 if quick else 0.001) + _integers() + _times()


def _reference(error: float) -> list[Row]:
    """Recompute the thirteen configurations; Opacus' own error bound is ``error``."""
    to_table, to_second, unsound = 0.0, 0.0, 0
    ours = theirs = 0.0
    for configuration in REFERENCE["configurations"]:
        events = [PoissonGaussian(*part) for part in configuration["parts"]]
        start = time.thread_time()
        value = epsilon(events, configuration["delta"]).epsilon
        ours += time.thread_time() - start
        to_table = max(to_table, abs(value - configuration["add_or_remove"]))
        start = time.thread_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            second = cross_check(events, configuration["delta"], epsilon_error=error)
        theirs += time.thread_time() - start
        assert second is not None
        to_second = max(to_second, abs(second.difference))
        unsound += value < second.epsilon - 2 * error - 1e-3
    return [
        at_most("13 configurations: largest distance to the table", to_table, "ε", 1e-3),
        at_most(
            "13 configurations: largest distance to Opacus PRV", to_second, "ε", 0.012, f"its error {error}"
        ),
        at_most("13 configurations: below PRV's lower bound", float(unsound), "of 13", 0.0),
        Row("13 configurations: our time", ours, "s"),
        Row("13 configurations: Opacus PRV's time", theirs, "s"),
    ]


def _integers() -> list[Row]:
    rows = []
    gaussian = epsilon([GaussianSum(1.0)], 1e-5).epsilon
    for kind in (SkellamSum, DiscreteGaussianSum):
        for power, goal in ((12, None), (16, 1e-5), (20, 1e-5)):
            scale = 1 << power
            event = kind(scale, 1.0, (10.0 * scale) ** 2 / 100, 100, 1_000_000)
            value = epsilon([Composed((event,), 100)], 1e-5).epsilon - gaussian
            name = f"{kind.__name__}, 10^6 values, 100 rounds, scale 2^{power}: ε above the continuous Gaussian's"
            rows.append(Row(name, value, "ε") if goal is None else at_most(name, value, "ε", goal))
    return rows


def _times() -> list[Row]:
    start = time.thread_time()
    noise_for(2.0, 1e-5, rate=0.01, steps=1000)
    calibration = time.thread_time() - start
    epsilon([PoissonGaussian(0.013, 0.97, 10)] * 10_000, 1e-5, grid=ONLINE_GRID)
    start = time.thread_time()
    epsilon([PoissonGaussian(0.013, 0.97, 10)] * 10_001, 1e-5, grid=ONLINE_GRID)
    online = time.thread_time() - start
    return [
        at_most("calibration of one noise multiplier", calibration, "s", 10.0),
        at_most("ε of 10,001 equal rounds, one more than before", 1e3 * online, "ms", 200.0),
    ]


if __name__ == "__main__":
    main("Accounting", measure)
