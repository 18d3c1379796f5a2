"""A search for servers that break the guarantees: random lies to every client about everything it may lie about.

Every client is told its own completed set and its own survivors: drawn from a few views so that groups agree, or
each another one, to drop the neighbours of one victim wherever that is believed.
Afterwards linear algebra says what server and colluders can know: no member's two secrets may both be open
(A2), and every sum that is determined must cover t − c + 1 honest clients (A5), c being the colluders that
threshold and degree stand.
"""

from __future__ import annotations

import numpy as np
import pytest

from privacy.secagg import agreement

SHAPES = [
    pytest.param({"size": 10, "neighbours": 9}, id="full graph of 10"),
    pytest.param({"size": 16, "neighbours": 6, "threshold": 5}, id="6 neighbours among 16"),
    pytest.param({"size": 20, "neighbours": 8, "threshold": 6}, id="8 neighbours among 20"),
]


def colluders_of(adversary, rng):
    """Return members such that no honest neighbourhood holds more of them than is stood."""
    k, t = adversary.graph.degree, adversary.threshold
    stood = 2 * t - k - 1
    chosen: set[str] = set()
    for name in rng.permutation(adversary.plan.cohort):
        trial = chosen | {str(name)}
        honest = set(adversary.plan.cohort) - trial
        if all(len(trial & set(adversary.near(one))) <= stood for one in honest):
            chosen = trial
    return frozenset(chosen), stood


def lie(adversary, rng, always, among):
    """Return a random set that holds ``always`` and leaves each of a few neighbourhoods above its threshold."""
    names = set(among)
    budget = rng.integers(0, adversary.graph.degree - adversary.threshold + 2)
    centre = str(rng.choice(sorted(among)))
    local = [name for name in adversary.near(centre) if name in names]
    targets = local if rng.random() < 0.7 else sorted(names)
    absent = set(map(str, rng.permutation(targets)[:budget]))
    return (names - absent) | {always}


def any_server(attack, seed, shape):
    """Run one random malicious server to its end; return the adversary and the colluders it stands."""
    rng = np.random.default_rng(seed)
    shape = dict(shape)
    adversary = attack(shape.pop("size"), seed=seed, vector_length=8, min_survivors=4, **shape)
    adversary.colluders, stood = colluders_of(adversary, rng)
    adversary.set_up()
    names = adversary.plan.cohort
    honest = [name for name in names if name not in adversary.colluders]
    completed_views = [set(names), *(lie(adversary, rng, honest[0], names) for _ in range(2))]
    lying_about_completed = rng.random() < 0.5
    for name in honest:
        chosen = completed_views[rng.integers(3)] if lying_about_completed else set(names)
        try:
            adversary.upload(name, chosen | {name})
        except Exception as error:  # a refusal: this member is lost to the server
            adversary.refused[name] = str(error)
    uploaded = [name for name in honest if name in adversary.uploads]
    # colluders sign any confirmation that is asked for
    present = [*uploaded, *adversary.colluders]
    views = [set(present), *(lie(adversary, rng, honest[0], present) for _ in range(int(rng.integers(1, 4))))]
    alone, majority = rng.random() < 0.3, rng.random()
    victim = str(rng.choice(uploaded)) if uploaded else ""
    for name in map(str, rng.permutation(uploaded)):
        if rng.random() < 0.95:
            told = views[0 if rng.random() < majority else rng.integers(len(views))]
            if alone:
                told = around(adversary, rng, victim, present, name)
            told = {one for one in told if adversary.position(one) in adversary.completed[name]} | {name}
            confirm_for_colluders(adversary, name)
            adversary.unmask(name, told)
    return adversary, stood


def around(adversary, rng, victim, present, name):
    """Return a view for ``name`` that calls as many neighbours of ``victim`` dropped as ``name`` will believe."""
    targets = [one for one in adversary.near(victim) if one != name and one in adversary.near(name)]
    absent = map(str, rng.permutation(targets)[: adversary.graph.degree - adversary.threshold])
    return set(present) - set(absent)


def confirm_for_colluders(adversary, name):
    """Let the colluders sign exactly what ``name`` wants to see."""
    from privacy.secagg import dealing
    from privacy.secagg.messages import UploadHeader

    for colluder in adversary.colluders:
        identity = adversary.devices.client(colluder).identity
        content = dealing.confirmation_content(
            adversary.devices.round.session, colluder, adversary.whole_plan().hash, adversary.completed[name]
        )
        header = UploadHeader(
            run="run",
            round=1,
            session=bytes(32),
            sender=colluder,
            recipient="x",
            plan_hash=bytes(32),
            completed_hash=bytes(32),
            length=0,
            bits=32,
            tag=bytes(16),
            confirmation=identity.sign(dealing.CONFIRMATION, content),
        )
        adversary.uploads[colluder] = (header, None)


def violations(adversary, stood):
    """Return what the adversary should not have."""
    known = adversary.open()
    found = []
    for name in adversary.uploads:
        me = adversary.position(name)
        if name not in adversary.colluders and me in known.self_seeds and me in known.mask_seeds:
            found.append(f"both secrets of {name}")
    for members in adversary.determined_sums(known):
        if len(members) < adversary.threshold - stood + 1:
            found.append(f"a sum of {sorted(members)}")
    return found, bool(known.self_seeds.keys() - {adversary.position(n) for n in adversary.colluders})


def search(attack, seeds, shape):
    opened = 0
    found = []
    for seed in seeds:
        adversary, stood = any_server(attack, seed, shape)
        broken, something = violations(adversary, stood)
        found += [f"seed {seed}: {one}" for one in broken]
        opened += something
    return found, opened


@pytest.mark.parametrize("shape", SHAPES)
def test_no_random_server_breaks_a_guarantee(attack, shape):
    found, opened = search(attack, range(20), shape)
    assert not found
    assert opened > 2, "the servers are too clumsy to open anything, so the search says nothing"


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_no_random_server_of_hundreds_breaks_a_guarantee(attack, shape):
    found, opened = search(attack, range(1000, 1400), shape)
    assert not found
    assert opened > 50


def test_control_without_the_pads_of_silent_agreement_the_search_finds_a_break(attack, monkeypatch):
    monkeypatch.setattr(agreement, "_pad", lambda token: (bytes(32), bytes(16)))
    shape = {"size": 20, "neighbours": 8, "threshold": 6}
    assert any(search(attack, [seed], shape)[0] for seed in range(200))
