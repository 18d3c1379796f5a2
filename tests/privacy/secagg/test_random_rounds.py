"""Random cohorts, graphs, thresholds, words and drop-outs: the exact sum, or an abort exactly where one is due."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.errors import RoundAbortedError
from privacy.secagg.graph import default_threshold

CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
PHASES = ("setup", "upload", "unmask")


@dataclasses.dataclass(frozen=True)
class Case:
    """One round and who is lost in which phase of it, by position."""

    size: int
    seed: int
    neighbours: int
    threshold: int
    min_survivors: int
    bits: int
    length: int
    lost: tuple[str, ...]
    """The phase in which each member is lost, or nothing."""
    restart: bool

    def who(self, phase: str) -> set[int]:
        return {position for position, when in enumerate(self.lost) if when == phase}


@st.composite
def cases(draw: Any) -> Case:
    size = draw(st.integers(3, 24))
    full = size - 1
    sparse = [k for k in range(2, full) if k * size % 2 == 0]
    neighbours = draw(st.sampled_from([full, *sparse] if sparse and draw(st.booleans()) else [full]))
    survival = draw(st.sampled_from([0.7, 0.85, 0.93, 1.0]))
    chance = st.floats(0, 1, allow_nan=False)
    lost = [draw(st.sampled_from(PHASES)) if draw(chance) > survival else "" for _ in range(size)]
    return Case(
        size=size,
        seed=draw(st.integers(0, 1 << 40)),
        neighbours=neighbours,
        threshold=draw(st.integers(default_threshold(neighbours), neighbours)),
        min_survivors=draw(st.integers(1, size)) if draw(st.booleans()) else max(1, size // 2),
        bits=draw(st.sampled_from([32, 64])),
        length=draw(st.integers(1, 70)),
        lost=tuple(lost),
        restart=draw(st.integers(0, 9)) == 0,
    )


def must_abort(case: Case, near: Any) -> str:
    """Return the phase in which the round must abort by the rules of the protocol, or nothing."""
    t, everybody = case.threshold, set(range(case.size))
    completed = everybody - case.who("setup")
    if len(completed) < case.min_survivors or any(len(near(p) & completed) < t for p in completed):
        return "setup"
    survivors = completed - case.who("upload")
    if len(survivors) < case.min_survivors:
        return "upload"
    for p in completed:
        left = len(near(p) & survivors)
        if left < t and (p in survivors or left):
            return "upload"
    replies = survivors - case.who("unmask")
    opened = {p for p in replies if len(near(p) & replies) >= t}
    needed = {p for p in completed if p in survivors or near(p) & survivors}
    return "unmask" if any(len(near(p) & opened) < t for p in needed) else ""


def run(federation: Any, case: Case) -> None:
    """Run one case; after an abort, and now and then after a sum, run a round of everybody."""
    devices = federation(case.size, seed=case.seed, restart=case.restart)
    shape = {"neighbours": case.neighbours, "threshold": case.threshold, "field_bits": case.bits}
    shape |= {"vector_length": case.length, "scale": 16}
    devices.begin(min_survivors=case.min_survivors, **shape)
    expected = must_abort(case, lambda p: set(devices.round.graph.neighbours(p)))
    lost = {phase: [devices.names[p] for p in case.who(phase)] for phase in PHASES}
    reached = "setup"
    try:
        devices.set_up(lost["setup"])
        devices.upload(lost["upload"])
        reached = "upload"
        requests = devices.round.unmask_requests()
        reached = "unmask"
        for name, request in requests.items():
            if name not in lost["unmask"]:
                devices.round.receive_unmask(devices.client(name).unmask(request))
        result = devices.round.result()
    except RoundAbortedError:
        assert reached == expected, f"aborted in {reached}, expected {expected or 'no abort'}"
        assert devices.round.phase.name == "DONE"
        assert len(devices.round._total) == 0, "nothing of the sum is kept"
    else:
        assert not expected, f"should have aborted in {expected}"
        np.testing.assert_array_equal(result.sum, devices.total)
        gone = {devices.names[p]: when for p, when in enumerate(case.lost) if when in ("setup", "upload")}
        assert result.dropped == {name: when.replace("setup", "set-up") for name, when in gone.items()}
        assert set(result.silent) == set(lost["unmask"])
        assert result.excluded == {}
        dropped_later = len(lost["upload"])
        assert result.masks_expanded <= len(result.survivors) + dropped_later * (case.neighbours + 1)
    if not expected and not case.restart:
        return
    devices.enrol(sorted(set(devices.names) - devices.server.ready))
    after = devices.run(round=2, **{**shape, "min_survivors": case.size})
    np.testing.assert_array_equal(after.sum, devices.total)


@settings(max_examples=150, deadline=None, suppress_health_check=CHECKS, derandomize=True)
@given(case=cases())
def test_a_random_round_gives_the_exact_sum_or_a_due_abort_and_the_next_one_works(federation, case):
    run(federation, case)


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(5))
@settings(max_examples=400, deadline=None, suppress_health_check=CHECKS)
@given(case=cases())
def test_thousands_of_random_rounds_give_the_exact_sum_or_a_due_abort(federation, case, batch):
    run(federation, case)


@settings(max_examples=40, deadline=None, suppress_health_check=CHECKS, derandomize=True)
@given(
    bits=st.sampled_from([32, 64]),
    size=st.integers(3, 6),
    sign=st.lists(st.sampled_from([-1, 1]), min_size=6, max_size=6),
    seed=st.integers(0, 1 << 30),
)
def test_elements_at_their_bound_do_not_overflow(federation, bits, size, sign, seed):
    from privacy.secagg.encoding import element_bound

    devices = federation(size, seed=seed)
    devices.begin(vector_length=3, field_bits=bits, scale=16)
    bound = element_bound(devices.plan)
    extremes = {name: [bound, -bound, sign[at] * bound] for at, name in enumerate(devices.names)}
    devices.vector = lambda name: np.array(extremes[name], dtype=f"<i{bits // 8}")
    devices.set_up()
    devices.upload()
    result = devices.unmask()
    assert result.sum.tolist() == [sum(column) for column in zip(*extremes.values(), strict=True)]
