"""Learning rates by round."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from mien.errors import ConfigError
from server.planning import Planner
from server.schedule import client_rate, server_share

Config = Callable[..., Any]
ROUNDS = 20


def rates(config: Any) -> list[float]:
    return [client_rate(config, number) for number in range(1, ROUNDS + 1)]


def make(small_config: Config, **training: object) -> Any:
    return small_config(rounds={"count": ROUNDS}, training={"learning_rate": 0.5, **training})


def test_constant_by_default(small_config: Config) -> None:
    config = make(small_config)
    assert rates(config) == [0.5] * ROUNDS
    assert {server_share(config, number) for number in range(1, ROUNDS + 1)} == {1.0}


def test_cosine_is_half_way_in_the_middle_and_positive_at_the_end(small_config: Config) -> None:
    found = rates(make(small_config, schedule="cosine"))
    assert found == sorted(found, reverse=True)
    assert found[0] == 0.5
    assert found[10] == pytest.approx(0.25)
    assert found[-1] == pytest.approx(0.25 * (1 + math.cos(math.pi * 19 / 20)))
    assert found[-1] > 0


def test_cosine_falls_to_the_final_share(small_config: Config) -> None:
    found = rates(make(small_config, schedule="cosine", final_share=0.2))
    assert 0.1 < found[-1] < 0.104


def test_warm_up_rises_to_the_full_rate_and_the_rest_follows(small_config: Config) -> None:
    found = rates(make(small_config, schedule="cosine", warmup_rounds=4))
    assert found[:4] == pytest.approx([0.125, 0.25, 0.375, 0.5])
    assert found[4:] == sorted(found[4:], reverse=True)
    assert found[4] < 0.5
    warm = rates(make(small_config, warmup_rounds=4))
    assert warm[3:] == [0.5] * 17


def test_step_falls_every_so_many_rounds(small_config: Config) -> None:
    found = rates(make(small_config, schedule="step", step_rounds=5, step_factor=0.1))
    assert found == pytest.approx([0.5] * 5 + [0.05] * 5 + [0.005] * 5 + [0.0005] * 5)


def test_the_server_s_schedule_is_its_own(small_config: Config) -> None:
    config = make(small_config, server_schedule="step", step_rounds=10, server_warmup_rounds=2)
    assert rates(config) == [0.5] * ROUNDS
    assert [server_share(config, number) for number in (1, 2, 3, 11, 12)] == [0.5, 1, 1, 1, 0.5]


def test_the_plan_of_a_round_carries_its_rate_and_costs_the_same(small_config: Config) -> None:
    planner = Planner(make(small_config, schedule="cosine"), "r", 300)
    early, late = (planner.plan(number, tuple("abcde"), 1.0) for number in (1, 20))
    assert early.training.learning_rate == 0.5
    assert late.training.learning_rate == pytest.approx(rates(make(small_config, schedule="cosine"))[-1])
    assert early.update == late.update


@pytest.mark.parametrize("name", ["warmup_rounds", "server_warmup_rounds"])
def test_a_warm_up_that_never_ends_is_refused(name: str, small_config: Config) -> None:
    with pytest.raises(ConfigError, match=rf"training.{name} 20 must be below rounds.count 20"):
        make(small_config, **{name: 20})


def test_two_schedules_of_one_step_are_refused(small_config: Config) -> None:
    with pytest.raises(ConfigError, match="fall twice"):
        make(small_config, schedule="cosine", server_schedule="cosine")
