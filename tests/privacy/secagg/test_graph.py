from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mien.errors import PolicyError, ProtocolError
from privacy.secagg import graph
from privacy.secagg.graph import Graph, default_threshold, neighbours_for

ROSTER = tuple(bytes([index]) * 32 for index in range(20))


@settings(max_examples=25, deadline=None)
@given(size=st.integers(3, 30), data=st.data())
def test_the_graph_is_regular_symmetric_and_without_loops(size, data):
    degree = data.draw(
        st.integers(1, size - 1).filter(lambda k: k % 2 == 0 or size % 2 == 0 or k == size - 1)
    )
    one = Graph(size, degree, b"plan", ROSTER)
    for member in range(size):
        near = one.neighbours(member)
        assert len(near) == len(set(near)) == degree
        assert list(near) == sorted(near)
        assert member not in near
        for index, other in enumerate(near):
            assert member in one.neighbours(other)
            assert one.index(member, other) == index


def test_it_follows_from_plan_and_roster_and_from_nothing_else():
    def edges(plan: bytes, roster: tuple[bytes, ...]) -> list[tuple[int, ...]]:
        one = Graph(20, 6, plan, roster)
        return [one.neighbours(member) for member in range(20)]

    assert edges(b"plan", ROSTER) == edges(b"plan", ROSTER)
    assert edges(b"plan", ROSTER) != edges(b"other", ROSTER)
    assert edges(b"plan", ROSTER) != edges(b"plan", (b"x" * 32, *ROSTER[1:]))


def test_every_pair_is_as_likely_as_any_other():
    counts = np.zeros((12, 12))
    for trial in range(30):
        one = Graph(12, 4, b"plan %d" % trial, ROSTER)
        for member in range(12):
            counts[member, list(one.neighbours(member))] += 1
    pairs = counts[np.triu_indices(12, 1)]
    assert pairs.sum() == 30 * 24
    assert stats.chisquare(pairs).pvalue > 1e-3


@pytest.mark.parametrize(("size", "degree"), [(5, 0), (5, 5), (5, 3), (7, 1)])
def test_impossible_degrees_are_refused(size, degree):
    with pytest.raises(ProtocolError, match="neighbour graph"):
        Graph(size, degree, b"", ())


def test_tails_agree_with_scipy():
    for population, marked, draws, above in (
        (999, 100, 80, 20),
        (50, 10, 20, 3),
        (9, 3, 9, 2),
        (999, 50, 40, 25),
    ):
        expected = -math.log2(stats.hypergeom.sf(above, population, marked, draws))
        assert graph.tail_bits(population, marked, draws, above) == pytest.approx(expected, rel=1e-6)
    assert graph.tail_bits(10, 2, 5, 2) == math.inf
    assert graph.tail_bits(10, 2, 5, -1) == 0


@pytest.mark.parametrize(
    ("cohort", "dropout", "collusion"),
    [(10, 0.1, 0.1), (100, 0.1, 0.05), (1000, 0.1, 0.1), (10_000, 0.1, 0.1)],
)
def test_a_chosen_degree_meets_its_bounds(cohort, dropout, collusion):
    chosen = neighbours_for(cohort, dropout, collusion)
    k, t = chosen.neighbours, chosen.threshold
    assert 3 * t > 2 * k
    if k == cohort - 1:
        assert math.floor(collusion * cohort) <= 2 * t - k - 1
        assert math.floor(dropout * cohort) <= k - t
    else:
        assert graph.security_bits(cohort, k, t, collusion) >= 40
        assert graph.liveness_bits(cohort, k, t, dropout) >= 20
        assert k % 2 == 0


def test_degrees_grow_like_the_logarithm():
    sizes = [neighbours_for(cohort, 0.05, 0.05).neighbours for cohort in (1000, 10_000, 100_000)]
    assert sizes[0] < sizes[1] < sizes[2] < 1.5 * sizes[0]


def test_a_hopeless_wish_is_refused():
    with pytest.raises(PolicyError, match="no threshold stands 40% drop-outs and 40% colluders"):
        neighbours_for(50, 0.4, 0.4)


def test_the_default_threshold_is_the_least_above_two_thirds():
    for degree in range(1, 200):
        threshold = default_threshold(degree)
        assert 3 * threshold > 2 * degree >= 3 * (threshold - 1)
        assert threshold <= degree or degree < 1


def test_expected_colluders_are_the_fewest_that_meet_the_bound():
    assert graph.colluders_expected(12, 11, 0.25, 40) == 3
    assert graph.colluders_expected(12, 11, 0.0, 40) == 0
    for cohort, k, bits in ((1000, 80, 40), (200, 30, 20), (50, 10, 200)):
        most = graph.colluders_expected(cohort, k, 0.1, bits)
        assert graph._colluder_bits(cohort, k, 0.1, most) >= bits or most == k
        assert graph._colluder_bits(cohort, k, 0.1, most - 1) < bits
