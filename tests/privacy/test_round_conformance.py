"""Does a whole ``distributed`` or ``device`` round release what its event says? And would we notice if it did not?

:func:`faults` looks at the round from outside: it takes vectors from a function, adds them up, and holds
sensitivity and noise to the event that the ledger is charged. The planted faults are changes of the real code.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

import privacy.contribution as contribution
from privacy.accounting.of_plan import event_of
from privacy.contribution import LocalResult, contribute, layout_for
from privacy.mechanisms.adaptive import AdaptiveClipping
from privacy.mechanisms.distributed import noise_share
from privacy.plan import LocalTraining, RoundPlan, SecureAggregation, Update
from privacy.randomness import TestOnlySource

PARAMETERS, CLIENTS, NORM = 150_000, 4, 0.02
Contribute = Callable[..., np.ndarray]


def plan(mode: str, kind: str) -> RoundPlan:
    """Return a plan with votes, so that all that can be forgotten is there; every share is counted on."""
    bound = 8.0 if mode == "distributed" else 1.0
    update = Update(
        clipping_norm=bound, scale=1 << 16, noise=kind, noise_multiplier=1.3 / bound, honest_survivors=CLIENTS,
        adaptive=AdaptiveClipping(count_share=0.3).in_plan(NORM, 1 << 16),
    )  # fmt: skip
    return RoundPlan(
        run="r", round=1, purpose="attributes", mode=mode, model="m", model_hash="0" * 64, cohort=tuple("abcd"),
        training=LocalTraining(
            steps=1, sampling_rate=0.5, divisor=2.0, photos_per_record=1, learning_rate=0.5, clipping_norm=1.0
        ),
        update=update,
        secagg=SecureAggregation(
            vector_length=layout_for(PARAMETERS, mode, update).length, neighbours=3, threshold=3, min_survivors=3
        ),
    )  # fmt: skip


def faults(of: RoundPlan, make: Contribute) -> set[str]:
    """Return in what a round differs from its event.

    600,000 elements (four rounds) fix the standard deviation to 0.09 %, so 0.5 % is 5.5 standard errors, and a
    deficit of 5 % is 49 of them from the bound.
    """
    found, event = set(), event_of(of)
    generator = np.random.default_rng(3)
    person = generator.normal(size=PARAMETERS).astype(np.float32)
    person *= np.float32(NORM / np.linalg.norm(person))
    nothing = LocalResult(np.zeros(PARAMETERS, np.float32))
    with_her = LocalResult(person, beyond=1)
    own = (TestOnlySource(5, "r"), TestOnlySource(5, "n"))  # the same noise and rounding with her and without
    moved = make(with_her, of, *own).astype(np.float64)
    moved -= make(nothing, of, TestOnlySource(5, "r"), TestOnlySource(5, "n"))
    if of.mode == "device":  # whoever sends nothing votes too: count her vote from zero
        moved[-1] = abs(moved[-1]) / 2
    if float(np.linalg.norm(moved)) > event.sensitivity:  # type: ignore[union-attr]
        found.add("sensitivity")

    noise = []
    for number in range(4):
        sources = [
            (TestOnlySource(number, name, "r"), TestOnlySource(number, name, "n")) for name in of.cohort
        ]
        total = sum(make(nothing, of, *pair).astype(np.int64) for pair in sources)
        noise.append(np.asarray(total, np.float64))
    deviation = event.noise_multiplier * event.sensitivity  # type: ignore[union-attr]
    drawn = np.concatenate([each[:PARAMETERS] for each in noise])
    if abs(drawn.std() / deviation - 1) > 0.005:
        found.add("standard deviation")
    if np.corrcoef(noise[0][:PARAMETERS], noise[1][:PARAMETERS])[0, 1] > 5 / np.sqrt(PARAMETERS):
        found.add("repetition")
    if len({each[-1] for each in noise}) == 1:
        found.add("votes without noise")
    return found


@pytest.mark.parametrize("mode", ["distributed", "device"])
@pytest.mark.parametrize("kind", ["skellam", "discrete_gaussian"])
def test_a_round_conforms_to_its_event(mode: str, kind: str) -> None:
    assert faults(plan(mode, kind), contribute) == set()


def test_a_deficit_of_five_percent_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def weak(length: int, update: Update, honest: int, source: TestOnlySource) -> np.ndarray:
        less = update.model_copy(update={"noise_multiplier": 0.95 * update.noise_multiplier})
        return noise_share(length, less, honest, source)

    monkeypatch.setattr(contribution, "noise_share", weak)
    assert faults(plan("distributed", "skellam"), contribute) == {"standard deviation"}


def test_votes_added_without_noise_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_but_the_votes(length: int, update: Update, honest: int, source: TestOnlySource) -> np.ndarray:
        drawn = noise_share(length, update, honest, source)
        drawn[-1] = 0
        return drawn

    monkeypatch.setattr(contribution, "noise_share", all_but_the_votes)
    assert faults(plan("distributed", "skellam"), contribute) == {"votes without noise"}


@pytest.mark.parametrize("mode", ["distributed", "device"])
def test_votes_forgotten_by_the_accounting_are_caught(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("privacy.accounting.of_plan.vote_sensitivity", lambda _: 0)
    assert "sensitivity" in faults(plan(mode, "skellam"), contribute)


def test_a_missing_projection_is_caught() -> None:
    """A client that forgets to bound a gradient of seven times the norm."""

    def unbounded(result: LocalResult, of: RoundPlan, *sources: TestOnlySource) -> np.ndarray:
        return contribute(dataclasses.replace(result, update=result.update * 7), of, *sources)

    assert "sensitivity" in faults(plan("distributed", "skellam"), unbounded)


def test_noise_from_one_seed_is_caught() -> None:
    def repeated(
        result: LocalResult, of: RoundPlan, rounding: TestOnlySource, _: TestOnlySource
    ) -> np.ndarray:
        return contribute(result, of, rounding, TestOnlySource(1))

    assert "repetition" in faults(plan("distributed", "skellam"), repeated)
