"""Checks of what a cohort's clients put into the sum: its sensitivity, their shares of noise, its divisor.

Sensitivity is compared under one stream of rounding bits: guarantee B3 of :mod:`privacy.contribution` is proven
for each fixed stream.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from privacy.accounting.of_plan import event_of
from privacy.audit.conformance.build import Build, round_plan
from privacy.audit.conformance.check import (
    Check,
    correlation_p,
    detectable_deficit,
    deviation_interval,
    exact,
    mean_p,
    shape_p,
    statistical,
)
from privacy.contribution import LocalResult
from privacy.plan import RoundPlan
from privacy.randomness import TestOnlySource

CLIENTS, PARAMETERS, ROUNDS = 8, 40_000, 8
_SLACK = 0.01


def check_shares(build: Build) -> Iterator[Check]:
    """Yield the checks of a client's contribution to a cohort's sum."""
    yield _sensitivity(build)
    yield _device_norm(build)
    yield _nothing_beside(build)
    yield _divisor(build)
    for kind in ("skellam", "discrete_gaussian"):
        plan = round_plan(CLIENTS, PARAMETERS, noise=kind, honest_survivors=CLIENTS)
        update = _spike(plan.update.clipping_norm / 2)
        shares = np.stack([_shares(build, plan, update) for _ in range(ROUNDS)])
        signal = update * plan.update.scale
        shares[:, :, :PARAMETERS] -= signal
        yield from _noise(kind, plan, shares)


def _spike(size: float) -> NDArray[np.float32]:
    """Return an update that is zero but for its first coordinate, a power of two: rounding leaves it as it is."""
    update = np.zeros(PARAMETERS, np.float32)
    update[0] = size
    return update


def _shares(build: Build, plan: RoundPlan, update: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return what each client of one round puts into the sum, [clients, elements]."""
    found = [
        build.contribute(LocalResult(update), plan, build.source(), build.source()) for _ in range(CLIENTS)
    ]
    vectors = np.stack(found).astype(np.float64)
    vectors[:, PARAMETERS] -= plan.update.weight_bound * plan.update.scale
    return vectors


def _quiet(build: Build, plan: RoundPlan, update: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
    """Return a client's vector without noise, under a rounding stream that is the same for the same seed."""
    rounding = TestOnlySource(seed, "conformance: rounding")
    result = build.contribute(LocalResult(update), plan, rounding, build.source())
    return result.astype(np.float64)


def _sensitivity(build: Build) -> Check:
    """Move a client's gradient sum by one person's worth, C, in random and in single directions."""
    plan = round_plan(CLIENTS, PARAMETERS, noise="none")
    person = plan.training.clipping_norm or 0.0
    event = event_of(plan.model_copy(update={"update": round_plan(CLIENTS, PARAMETERS).update}))
    bound = float(getattr(event, "sensitivity", math.nan))
    generator = np.random.Generator(np.random.PCG64(4))  # directions of a check; not a secret and not noise
    moves = []
    for seed, size in enumerate((0.0, 1.0, 3.0, 20.0, 1e6)):  # within the ball, at its surface, far outside
        base = generator.standard_normal(PARAMETERS)
        base *= size / np.linalg.norm(base)
        for direction in (generator.standard_normal(PARAMETERS), np.eye(1, PARAMETERS)[0], -base):
            length = float(np.linalg.norm(direction)) or 1.0
            moved = (base + direction * (person / length)).astype(np.float32)
            before = _quiet(build, plan, base.astype(np.float32), seed)
            moves.append(float(np.linalg.norm(_quiet(build, plan, moved, seed) - before)))
    most, reached = max(moves), person * plan.update.scale
    return exact(
        "cohort: sensitivity", reached * (1 - 1e-3) <= most <= bound,
        f"one person of {len(moves)} moved the vector by {most / bound:.5f} of the charged sensitivity",
        "1 at most, and at least what a person's C is", "missing projection, wrong scale, rounding uncharged",
    )  # fmt: skip


def _device_norm(build: Build) -> Check:
    """A whole client's vector stays within its norm, whatever the client trained (device mode)."""
    plan = round_plan(CLIENTS, PARAMETERS, mode="device", noise="none")
    bound = plan.update.clipping_norm * plan.update.scale
    generator = np.random.Generator(np.random.PCG64(5))
    direction = generator.standard_normal(PARAMETERS)
    norms, sizes = [], (0.0, 1e-6, 1.0, 7.9999, 8.0, 1e4, 1e30, math.nan, math.inf)
    for size in sizes:
        update = (direction * (size / np.linalg.norm(direction))).astype(np.float32)
        vector = _quiet(build, plan, update, 1)[:PARAMETERS]
        norms.append(float(np.linalg.norm(vector)))
    return exact(
        "cohort: norm of a client", bound * 0.99 <= max(norms) <= bound,
        f"longest of {len(sizes)} vectors {max(norms) / bound:.6f} of the bound", "1 at most, nearly reached",
        "a client that counts more than its clipping norm",
    )  # fmt: skip


def _nothing_beside(build: Build) -> Check:
    """Under privacy, weight and count in the vector do not depend on the client's data (B1)."""
    plan = round_plan(CLIENTS, PARAMETERS, noise="none")
    results = (LocalResult(_spike(0.0)), LocalResult(_spike(0.0), persons=77, loss_sum=9.5, loss_count=31))
    tails = [
        build.contribute(result, plan, TestOnlySource(1), build.source())[PARAMETERS:] for result in results
    ]
    return exact(
        "cohort: nothing beside the update", bool(np.array_equal(tails[0], tails[1])),
        f"weight and count {tails[0].tolist()} and {tails[1].tolist()}", "equal for two clients",
        "a count or a loss in the sum that the noise was not sized for",
    )  # fmt: skip


def _divisor(build: Build) -> Check:
    """The opened sum is divided by public numbers only: the same for any number of persons in it."""
    plan = round_plan(CLIENTS, PARAMETERS, noise="none")
    errors = []
    for persons in (1, 5):
        update = _spike(float(persons))
        total = sum(_quiet(build, plan, update, seed) for seed in range(CLIENTS))
        step = build.read_sum(np.asarray(total, np.int64), CLIENTS, plan).step
        training = plan.training
        expected = persons * CLIENTS * training.learning_rate / (training.divisor * CLIENTS)
        errors.append(abs(float(step[0]) - expected) / expected)
    return exact(
        "cohort: divisor", max(errors) < 1e-3, f"relative error of the step {max(errors):.1e}",
        "the plan's divisor times the survivors, within 0.1 %", "wrong divisor, a divisor that counts persons",
    )  # fmt: skip


def _noise(kind: str, plan: RoundPlan, shares: NDArray[np.float64]) -> Iterator[Check]:
    """Judge the shares [rounds, clients, elements] that are left once the signal is taken off."""
    name = f"cohort, {kind}"
    total = shares.sum(axis=1)
    promised = plan.update.noise_multiplier * plan.update.clipping_norm * plan.update.scale
    low, high = (bound / promised for bound in deviation_interval(total))
    yield Check(
        f"{name}: noise level", high >= 1.0 and low <= 1.0 + _SLACK,
        f"{low:.4f} to {high:.4f} of the promised deviation of the sum", f"1, at most {1 + _SLACK:g}",
        f"too little noise: a deficit of {detectable_deficit(total.size):.1%} with 99.9 %", 1e-8,
    )  # fmt: skip
    one = promised / math.sqrt(plan.update.honest_survivors)
    yield statistical(
        f"{name}: noise shape", [shape_p(shares / one), shape_p(total / promised)], "as good as Gaussian",
        "a sampler whose tails are cut or whose digits are few",
    )  # fmt: skip
    signal = plan.update.clipping_norm / 2 * plan.update.scale
    missing = np.abs(shares[:, :, 0]).max() / signal
    yield statistical(
        f"{name}: order", [mean_p(total, promised)],
        "the update whole, under noise that came after clipping", "noise before clipping",
        f"largest change of the update's own coordinate {missing:.2f} of it",
    )  # fmt: skip
    flat = shares.reshape(-1, shares.shape[-1])
    pairs = [(0, 1), (2, 5), (0, CLIENTS), (1, 2 * CLIENTS), (3, 3 * CLIENTS + 3), (CLIENTS, CLIENTS + 1)]
    yield statistical(
        f"{name}: repetition",
        [
            *(correlation_p(flat[one], flat[other]) for one, other in pairs),
            *(correlation_p(shares[..., lag:], shares[..., :-lag]) for lag in (1, 2, 64)),
        ],
        "no correlation between clients, rounds and coordinates", "a reused seed",
    )  # fmt: skip
