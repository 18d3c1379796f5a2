"""Cohorts: repeatable, fair, and nobody is asked more often than the plan's bound says."""

from collections import Counter

import pytest

from server.cohort import CohortSelector, most_rounds


@pytest.mark.parametrize(("clients", "size", "rounds"), [(10, 10, 5), (50, 7, 40), (13, 5, 100)])
def test_nobody_is_asked_more_often_than_the_bound(clients: int, size: int, rounds: int) -> None:
    selector, names = CohortSelector(3), [f"c{index:03d}" for index in range(clients)]
    asked: Counter[str] = Counter()
    for number in range(1, rounds + 1):
        cohort = selector.choose(number, names, size)
        assert len(set(cohort)) == size
        assert list(cohort) == sorted(cohort)
        asked.update(cohort)
    assert max(asked.values()) == most_rounds(rounds, size, clients)


def test_the_seed_decides() -> None:
    names = [f"c{index}" for index in range(100)]
    assert CohortSelector(1).choose(1, names, 9) == CohortSelector(1).choose(1, reversed(names), 9)
    assert CohortSelector(1).choose(1, names, 9) != CohortSelector(2).choose(1, names, 9)
