"""The server shows every client another set of survivors, to open both secrets of one, or to isolate one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from privacy.secagg import agreement


def halves(adversary, victim):
    """Tell one half of the honest others that ``victim`` survived, and the other half that it dropped."""
    everybody = set(adversary.plan.cohort)
    honest = [name for name in adversary.near(victim) if name not in adversary.colluders]
    return everybody, honest


def split(adversary, victim, surviving):
    """Tell ``surviving`` and the victim that all survived, everybody else that the victim dropped out."""
    everybody, honest = halves(adversary, victim)
    for name in [victim, *honest]:
        view = everybody if name == victim or name in surviving else everybody - {victim}
        assert adversary.unmask(name, view), adversary.refused[name]


def test_no_split_of_two_views_opens_both_secrets_of_a_member(attack):
    for told_it_survived in range(9):
        adversary = attack(10, colluders=[7, 8, 9], neighbours=9, min_survivors=6, seed=told_it_survived)
        adversary.set_up()
        adversary.upload_all()
        victim = adversary.plan.cohort[3]
        honest = halves(adversary, victim)[1]
        split(adversary, victim, honest[:told_it_survived])
        known = adversary.open()
        me = adversary.position(victim)
        assert not (me in known.self_seeds and me in known.mask_seeds)
        assert not adversary.recovered(victim, known)


def test_control_with_more_colluders_than_the_threshold_stands_a_split_opens_the_vector(attack):
    # k = 12, t = 9 stands 5 colluders. With 7, each side of the split needs 2 honest neighbours only.
    adversary = attack(13, colluders=range(6, 13), min_survivors=8)
    adversary.set_up()
    adversary.upload_all()
    victim = adversary.plan.cohort[0]
    split(adversary, victim, halves(adversary, victim)[1][:2])
    assert adversary.recovered(victim)


def isolation(adversary, victim):
    """Return, for every honest client, which neighbours of the victim to call dropped, or None.

    The victim's self mask opens if t neighbours say that it survived; every pairwise mask of it opens if, of
    every honest neighbour u, t of the neighbours of u say that u dropped out. Each client sees at least t
    surviving neighbours and itself. Solved as an integer programme over (client, neighbour of the victim).
    """
    t, graph = adversary.threshold, adversary.graph
    names = adversary.plan.cohort
    targets = [u for u in adversary.near(victim) if u not in adversary.colluders]
    givers = [v for v in names if v not in adversary.colluders]
    pairs = [(v, u) for v in givers for u in targets if v != u and u in adversary.near(v)]
    rows, low, high = [], [], []
    for u in targets:
        helped = sum(name in adversary.colluders for name in adversary.near(u))
        rows.append([float(pair[1] == u) for pair in pairs])
        low.append(t - helped)
        high.append(np.inf)
    for v in givers:
        rows.append([float(pair[0] == v) for pair in pairs])
        low.append(0)
        high.append(graph.degree - t)
    constraint = LinearConstraint(np.array(rows), low, high)
    solved = milp(np.zeros(len(pairs)), constraints=constraint, integrality=1, bounds=Bounds(0, 1))
    if not solved.success:
        return None
    lies = {v: set() for v in givers}
    for (v, u), chosen in zip(pairs, solved.x, strict=True):
        if chosen > 0.5:
            lies[v].add(u)
    return lies


def isolate(adversary):
    """Run the isolation attack on the first client for which a plan of lies exists; return it."""
    adversary.set_up()
    adversary.upload_all()
    honest = [name for name in adversary.plan.cohort if name not in adversary.colluders]
    victim, lies = next((name, plan) for name in honest if (plan := isolation(adversary, name)) is not None)
    everybody = set(adversary.plan.cohort)
    for name in honest:
        assert adversary.unmask(name, everybody - lies[name]), adversary.refused[name]
    return victim


SPARSE = {"neighbours": 12, "threshold": 9, "min_survivors": 8}
SCATTERED = range(0, 40, 4)


def test_lying_about_all_neighbours_of_a_victim_on_a_sparse_graph_opens_nothing(attack):
    adversary = attack(40, colluders=SCATTERED, **SPARSE)
    victim = isolate(adversary)
    known = adversary.open()
    assert not adversary.recovered(victim, known)
    for members in adversary.determined_sums(known):
        assert len(members) >= adversary.threshold - 5 + 1, "k = 12, t = 9 stands 5 colluders"


def test_control_without_the_pads_of_silent_agreement_the_same_lies_isolate_the_victim(attack, monkeypatch):
    monkeypatch.setattr(agreement, "_pad", lambda token: (bytes(32), bytes(16)))
    adversary = attack(40, colluders=SCATTERED, **SPARSE)
    victim = isolate(adversary)
    assert adversary.recovered(victim)


def test_the_full_graph_opens_one_set_of_survivors_at_most(attack):
    adversary = attack(12, min_survivors=8)
    adversary.set_up()
    adversary.upload_all()
    everybody = set(adversary.plan.cohort)
    for index, name in enumerate(adversary.plan.cohort):
        absent = adversary.plan.cohort[(index + 1) % 12 if index < 4 else 0]
        assert adversary.unmask(name, everybody - {absent} if index else everybody)
    assert adversary.determined_sums() in ([], [frozenset(everybody - {adversary.plan.cohort[0]})])


@pytest.mark.parametrize("views", [2, 3, 4])
def test_several_views_on_the_full_graph_never_give_two_sums_to_subtract(attack, views):
    adversary = attack(12, colluders=[10, 11], min_survivors=8)
    adversary.set_up()
    adversary.upload_all()
    everybody = set(adversary.plan.cohort)
    for index, name in enumerate(adversary.plan.cohort[:10]):
        group = index % views
        absent = adversary.plan.cohort[(group + 1) % views]
        assert adversary.unmask(name, everybody - {absent})
    assert len(adversary.determined_sums()) <= 1
