"""What the audit costs and what it finds: conformance, bounds of ε, inversion, membership, and the whole of it.

``python benchmarks/audit.py [--quick] [--json FILE] [--check]``. With ``--quick`` bounds are taken over 3 seeds
instead of 50. Times are processor seconds of one thread.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import TypeVar

import torch
from _table import Row, at_least, at_most, main

from configs.load import load_config
from privacy.audit.attacks import distinguishing, faces, membership, registry, shadows
from privacy.audit.attacks.target import Target
from privacy.audit.conformance import selftest
from privacy.audit.conformance.build import Build
from privacy.audit.conformance.faults import FAULTS, planted, weaker_noise
from privacy.audit.evidence import AttackResult

DELTA = 1e-5
T = TypeVar("T")
Found = dict[str, tuple[float, AttackResult]]
"""By attack, its processor seconds and its result."""
MAKERS = (distinguishing.optimizer_mechanism, distinguishing.cohort_mechanism)


def measure(quick: bool) -> list[Row]:
    """Return all rows."""
    torch.set_num_threads(1)
    target = Target(load_config("demo"))
    whole, found = _whole(target)  # each attack runs once, and the rows below take its figures from there
    return [
        *_conformance(),
        *_distinguishing(3 if quick else 50),
        *_one_run(found),
        *_inversion(found),
        *_membership(target, found),
        whole,
    ]


def _conformance() -> list[Row]:
    seconds, result = _timed(selftest.selftest)
    found = sum(
        set(fault.found_by)
        <= {check.name for check in selftest.run_checks(planted(name)) if not check.passed}
        for name, fault in FAULTS.items()
    )
    return [
        at_most("self-test", seconds, "s", 90, f"{result.headline}"),
        at_least("planted faults found by their named checks", found, f"of {len(FAULTS)}", len(FAULTS)),
    ]


def _distinguishing(seeds: int) -> list[Row]:
    rows = []
    for target in (2.0, 4.0, 8.0):
        runs = [_distinguish(MAKERS[seed % 2](Build(), target, DELTA)) for seed in range(seeds)]
        ratios = sorted(found.epsilon_lower / claimed for _, found, claimed in runs)
        rows += [
            at_least(f"ε = {target:g}: bound over claim, median", ratios[seeds // 2], "", 0.85),
            at_most(f"ε = {target:g}: bound over claim, largest of {seeds}", ratios[-1], "", 1.0),
            at_most(f"ε = {target:g}: time, largest", max(seconds for seconds, *_ in runs), "s", 20),
        ]
        for factor in (0.9, 0.5):
            tries = [_distinguish(make(weaker_noise(factor), target, DELTA)) for make in MAKERS]
            caught = sum(found.epsilon_lower > claimed for _, found, claimed in tries)
            rows.append(at_least(f"ε = {target:g}: {1 - factor:.0%} less noise caught", caught, "of 2", 2))
    return rows


def _distinguish(mechanism: distinguishing.Mechanism) -> tuple[float, distinguishing.Distinguished, float]:
    seconds, found = _timed(lambda: distinguishing.distinguish(mechanism, DELTA))
    return seconds, found, mechanism.epsilon


def _one_run(found: Found) -> list[Row]:
    rows = []
    for name, figures in (
        ("canaries", ("epsilon_lower_steinke", "epsilon_lower_curve")),
        ("federated-canaries", ("epsilon_estimate",)),
    ):
        seconds, result = found[name]
        claimed = result.claim.epsilon or 0.0
        rows += [Row(f"{name}: {key}", float(result.result[key]), f"of {claimed:.2f}") for key in figures]
        rows.append(Row(f"{name}: time", seconds, "s"))
    return rows


def _inversion(found: Found) -> list[Row]:
    seconds, result = found["inversion"]
    figures, guess = result.result, sum(result.result["mean_face_psnr"]) / faces.VICTIMS
    return [
        at_least("inversion, plain, by algebra: worst face", min(figures["psnr_algebra_plain"]), "dB", 40),
        at_least("inversion, plain, by search", figures["psnr_search_plain"][0], "dB", 40),
        Row("inversion, mean face: a guess", guess, "dB"),
        at_most(
            "inversion at the demo's noise, over the mean face", figures["gain_over_mean_face"], "dB", 0.0
        ),
        Row("inversion: time", seconds, "s"),
    ]


def _membership(target: Target, found: Found) -> list[Row]:
    seconds, result = found["membership"]
    robust, labels = found["rmia"][1].result, found["labels"][1].result
    people = shadows.people_of(target)
    members = shadows.halves(shadows.MODELS, len(people.features))
    make = shadows.private(Build(), 2.0, target.config.privacy.delta)
    closed = membership.lira(shadows.train_all(people, members, make), members)
    low, high = closed.interval(0.01)
    return [
        at_least(
            "LiRA, no privacy: TPR at 1 % FPR", result.result["without_privacy_tpr_at_fpr_1_percent"], "", 0.5
        ),
        Row(
            "LiRA, no privacy: TPR at 0.1 % FPR", result.result["without_privacy_tpr_at_fpr_0.1_percent"], ""
        ),
        Row("LiRA, ε = 8: TPR at 1 % FPR", result.result["tpr_at_fpr_1_percent"], ""),
        at_most(
            "LiRA, ε = 2: TPR at 1 % FPR",
            closed.tpr(0.01),
            "",
            0.02,
            f"95 % interval {low:.3f} to {high:.3f}",
        ),
        Row("LiRA: time, shadow models included", seconds, "s"),
        Row("RMIA, no privacy: TPR at 1 % FPR", robust["without_privacy_tpr_at_fpr_1_percent"], ""),
        Row("RMIA, ε = 8: TPR at 1 % FPR", robust["tpr_at_fpr_1_percent"], ""),
        Row("RMIA, ε = 8: TPR at 0.1 % FPR", robust["tpr_at_fpr_0.1_percent"], ""),
        Row("labels without a photo, plain gradient", labels["balanced_accuracy_plain"], ""),
        Row("labels without a photo, opened sum at ε = 8", labels["balanced_accuracy_noised"], ""),
        Row("labels without a photo, masked upload", labels["balanced_accuracy_masked"], ""),
    ]


def _whole(target: Target) -> tuple[Row, Found]:
    began, found = time.monotonic(), {}
    for one in registry.attacks():
        seconds, outcome = _timed(functools.partial(registry.perform, one, target))
        if outcome.result is None:
            raise SystemExit(f"{one.name} was left out: {outcome.reason}")
        found[one.name] = seconds, outcome.result
    elapsed = time.monotonic() - began
    busy = sum(seconds for seconds, _ in found.values())
    note = f"{busy:.0f} s of processor time"
    return at_most("the whole default audit of the demo, by the clock", elapsed, "s", 600, note), found


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


if __name__ == "__main__":
    main("The audit", measure)
