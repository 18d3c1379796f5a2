"""Plans of a run: the promise is kept with and without votes, and what cannot be kept is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from mien.errors import ConfigError, PolicyError
from privacy.accounting.epsilon import epsilon
from privacy.accounting.events import Composed
from privacy.accounting.of_plan import event_of
from privacy.plan import RoundPlan
from privacy.secagg.policy import SecAggPolicy
from server.clipping_norm import ClippingNorm
from server.planning import Planner

COHORT = ("a", "b", "c", "d", "e")


def plan_of(config: Any, norm: float = 1.0) -> RoundPlan:
    return Planner(config, "r", 300).plan(1, COHORT, norm)


def cost(plan: RoundPlan, rounds: int = 2) -> float:
    return epsilon([Composed((event_of(plan),), rounds)], 1e-2).epsilon


@pytest.mark.parametrize("mode", ["distributed", "device"])
@pytest.mark.parametrize("share", [0.02, 0.3])
def test_votes_are_within_the_promise_and_forgetting_them_would_not_be(
    mode: str, share: float, small_config: Callable[..., Any]
) -> None:
    """The planted fault: noise calibrated without the votes' sensitivity. The true event shows it."""
    adaptive = {"enabled": True, "count_share": share}
    plan = plan_of(small_config(privacy={"mode": mode, "adaptive": adaptive}))
    assert 7.9 < cost(plan) <= 8.0
    fixed = plan_of(small_config(privacy={"mode": mode}))
    assert plan.update.noise_multiplier > fixed.update.noise_multiplier
    forgetful = plan.model_copy(
        update={"update": plan.update.model_copy(update={"noise_multiplier": fixed.update.noise_multiplier})}
    )
    assert cost(forgetful) > 8.0


def test_the_norm_is_in_the_hash_and_not_in_the_price(small_config: Callable[..., Any]) -> None:
    config = small_config(privacy={"adaptive": {"enabled": True}})
    small, large = plan_of(config, 1e-4), plan_of(config, 1e4)
    assert (small.update.unit, large.update.unit) == (1e-4, 1e4)
    assert small.hash != large.hash
    assert event_of(small) == event_of(large)
    assert RoundPlan.from_bytes(large.to_bytes()) == large


def test_a_fixed_norm_leaves_no_trace_in_the_plan(small_config: Callable[..., Any]) -> None:
    assert b"adaptive" not in plan_of(small_config()).to_bytes()


@pytest.mark.parametrize("mode", ["silo", "none"])
def test_modes_that_cannot_vote_are_refused_with_the_reason(
    mode: str, small_config: Callable[..., Any]
) -> None:
    with pytest.raises(ConfigError, match=f"mode '{mode}'"):
        small_config(privacy={"mode": mode, "adaptive": {"enabled": True}})


def test_bounds_the_wrong_way_round_are_refused(small_config: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match="below highest"):
        small_config(privacy={"adaptive": {"enabled": True, "lowest": 2.0, "highest": 1.0}})


@pytest.mark.parametrize("mode", ["distributed", "device", "silo"])
def test_a_floor_of_the_noise_is_planned_for_and_accepted(
    mode: str, small_config: Callable[..., Any]
) -> None:
    own = plan_of(small_config(privacy={"mode": mode}))
    floor = 3.0
    noisier = plan_of(small_config(privacy={"mode": mode, "min_noise_multiplier": floor}))
    policy = SecAggPolicy(min_cohort=4, min_neighbours=3, min_noise_multiplier=floor)
    policy.check(noisier)
    with pytest.raises(PolicyError, match="at least 3 wanted"):
        policy.check(own)
    assert cost(noisier) < cost(own)


def test_a_checkpoint_s_norm_is_taken_up_again(small_config: Callable[..., Any]) -> None:
    privacy = small_config(privacy={"adaptive": {"enabled": True, "learning_rate": 0.5}}).privacy
    norm = ClippingNorm(privacy)
    norm.take(1.0)
    assert norm.value == pytest.approx(math.exp(-0.25))
    norm.take(None)
    again = ClippingNorm(privacy)
    again.restore(norm.state)
    assert again.value == norm.value == pytest.approx(math.exp(-0.25))


def test_a_fixed_norm_has_no_state_and_never_moves(small_config: Callable[..., Any]) -> None:
    norm = ClippingNorm(small_config().privacy)
    norm.take(0.9)
    assert (norm.value, norm.state) == (1.0, {})
