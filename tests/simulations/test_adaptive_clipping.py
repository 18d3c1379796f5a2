"""Adaptive clipping in whole runs: it finds the quantile from far off, costs no ε, and its faults are caught."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from client.training import LocalTraining
from faces.federation import federate
from models.registry import build
from models.weights import layout_of, to_vector
from privacy.accounting.of_plan import event_of
from privacy.audit.transcript import read_transcript
from privacy.audit.verification.run import verify
from privacy.plan import RoundPlan
from privacy.randomness import TestOnlySource
from server.clipping_norm import ClippingNorm
from server.planning import Planner
from simulations.run import SimulationResult

# Less noise than usual, so that few rounds show where the norm goes; no training, so that the target stands still.
QUIET: dict[str, dict[str, object]] = {
    "training": {"server_learning_rate": 1e-9, "sampling_rate": 1.0, "persons_per_client": 2.2},
    "privacy": {"epsilon": 60.0, "delta": 1e-2},
}


def adaptive(start: float, mode: str, rounds: int = 2) -> dict[str, dict[str, object]]:
    """Return changes of a small config whose norm begins at ``start``."""
    privacy = {
        **QUIET["privacy"],
        "mode": mode,
        "clipping_norm": start,
        "update_clipping_norm": 32 * start,
        "adaptive": {"enabled": True, "learning_rate": 1.0, "count_share": 0.3},
    }
    return {**QUIET, "privacy": privacy, "rounds": {"count": rounds, "evaluate_every": 100}}


@pytest.fixture
def share_within(small_config: Callable[..., Any]) -> Callable[[str, float], float]:
    """Return a function that counts, without privacy, the share of the records within a norm: (mode, norm)."""

    def count(mode: str, norm: float) -> float:
        config = small_config(**adaptive(norm, mode))
        model = build(config.model.name, seed=config.seed, **config.model.options)
        layout = layout_of(model)
        weights = to_vector(model, layout)
        federation = federate(config.data, config.clients, config.seed)
        plan = Planner(config, "r", layout.length).plan(1, tuple("abcde"), norm)
        within = beyond = 0
        for client in range(config.clients.count):
            source = TestOnlySource(client)
            result = LocalTraining(model, layout, federation.client(client), plan, source).run(weights)
            short = float(np.linalg.norm(result.update)) <= norm
            within += short if mode == "device" else result.within
            beyond += (not short) if mode == "device" else result.beyond
        return within / (within + beyond)

    return count


def median(share: Callable[[str, float], float], mode: str) -> float:
    low, high = 1e-6, 1e4
    while high / low > 1.02:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if share(mode, middle) < 0.5 else (low, middle)
    return high


@pytest.mark.parametrize("mode", ["distributed", "device"])
def test_the_norm_finds_the_quantile_from_a_hundred_times_too_large_and_too_small(
    mode: str, run: Any, share_within: Callable[[str, float], float]
) -> None:
    middle = median(share_within, mode)
    for factor in (100.0, 0.01):
        result = run(**adaptive(factor * middle, mode, rounds=30))
        norms = [line["clipping_norm"] for line in result.folder.metrics()]
        assert norms[0] == norms[1] == pytest.approx(factor * middle), "a plan is fixed a round ahead"
        steps = np.abs(np.diff(np.log(norms)))
        assert steps.max() <= 1.0, "one round moves it by η times the error"
        last = float(np.exp(np.mean(np.log(norms[-8:]))))
        assert share_within(mode, 0.6 * last) < 0.5 <= share_within(mode, 1.6 * last), (mode, factor, norms)


def plans(result: SimulationResult) -> Iterator[RoundPlan]:
    for line in read_transcript(result.folder.transcript):
        if line["kind"] == "plan":
            yield RoundPlan.from_bytes(line["plan"].encode())


@pytest.mark.parametrize("mode", ["distributed", "device"])
def test_a_moving_norm_costs_what_a_fixed_one_does(mode: str, run: Any) -> None:
    rounds = {"count": 4}
    fixed = run(privacy={"mode": mode}, rounds=rounds)
    moving = run(privacy={"mode": mode, "adaptive": {"enabled": True, "count_share": 0.2}}, rounds=rounds)
    assert len({plan.update.unit for plan in plans(moving)}) == 3
    (event,) = {event_of(plan) for plan in plans(moving)}
    (other,) = {event_of(plan) for plan in plans(fixed)}
    assert event.noise_multiplier == pytest.approx(other.noise_multiplier, rel=1e-3)
    assert moving.last.epsilon == pytest.approx(fixed.last.epsilon, abs=0.01)
    assert moving.last.epsilon <= 8.0
    own, without = next(plans(moving)).update, next(plans(fixed)).update
    dearer = own.noise_multiplier / without.noise_multiplier
    assert dearer == pytest.approx(1 / math.sqrt(1 - 0.2), rel=2e-3), "what the votes cost the update"


def test_the_norm_of_the_next_round_follows_from_what_was_opened(run: Any) -> None:
    """As an auditor would: plans and opened shares in the transcript, the rule in the config, nothing else."""
    result = run(**adaptive(3.0, "distributed", rounds=5))
    opened = [line for line in read_transcript(result.folder.transcript) if line["kind"] == "opened"]
    norm, expected = 3.0, [3.0, 3.0]
    for line in opened:
        norm *= math.exp(-min(1.0, max(-1.0, line["share_within"] - 0.5)))
        expected.append(norm)
    assert [plan.update.unit for plan in plans(result)] == pytest.approx(expected[:5])
    state = safetensors.numpy.load_file(result.folder.checkpoints / "optimizer-00005.safetensors")
    again = ClippingNorm(result_config(result).privacy)
    again.restore(state)
    assert again.value == pytest.approx(expected[-1])


@pytest.mark.parametrize("mode", ["distributed", "device"])
def test_the_auditor_s_own_mathematics_agrees(mode: str, run: Any) -> None:
    """The verifier shares no code with the accounting, and counts the votes by itself."""
    result = run(privacy={"mode": mode, "adaptive": {"enabled": True, "count_share": 0.2}})
    found = verify(result.folder.path)
    assert [str(fault) for fault in found.faults] == []
    privacy = json.loads((result.folder.path / "report.json").read_text())["privacy"]
    assert privacy["epsilon_against_recipient"] < privacy["epsilon_spent"] - 0.1, (
        "five survived, four were counted"
    )


def result_config(result: SimulationResult) -> Any:
    from configs.load import load_config

    return load_config(result.folder.path / "config.toml")
