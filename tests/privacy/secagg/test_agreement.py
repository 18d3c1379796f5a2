"""The sealing itself, and the theorem: no lie that can be enumerated or drawn opens more than it says."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import ProtocolError
from privacy.randomness import TestOnlySource
from privacy.secagg import agreement
from privacy.secagg.agreement import Neighbour
from privacy.secagg.codec import Subset

SOURCE = TestOnlySource(1)
KEYS = {frozenset((u, v)): SOURCE.bytes(32) for u in range(9) for v in range(u)}


def neighbours(of: int) -> list[Neighbour]:
    return [Neighbour(f"n{u}", u + 1, KEYS[frozenset((of, u))]) for u in range(9) if u != of]


def reply(of: int, view: bytes) -> agreement.Sealed:
    return agreement.seal(f"n{of}", view, 6, neighbours(of), b"shares of %d" % of, SOURCE)


def tokens_for(owner: int, replies: dict[int, agreement.Sealed]) -> dict[int, bytes]:
    """Return what the others' replies give for the owner's."""
    found = {}
    for giver, sealed in replies.items():
        if giver != owner:
            place = [n.name for n in neighbours(giver)].index(f"n{owner}")
            found[giver + 1] = sealed.tokens[place]
    return found


def pieces_of(owner: int, sealed: agreement.Sealed) -> dict[int, bytes]:
    return {n.point: piece for n, piece in zip(neighbours(owner), sealed.pieces, strict=True)}


def test_replies_open_where_a_threshold_saw_the_same():
    for told_otherwise in range(9):
        views = {of: b"other" if of < told_otherwise else b"view" for of in range(9)}
        replies = {of: reply(of, views[of]) for of in range(9)}
        for owner, sealed in replies.items():
            shares = agreement.key_shares(pieces_of(owner, sealed), tokens_for(owner, replies))
            agreeing = sum(views[of] == views[owner] for of in range(9)) - 1
            assert len(shares) == agreeing
            if agreeing >= 6:
                opened = agreement.open_sealed(f"n{owner}", views[owner], 6, shares, sealed.payload)
                assert opened == b"shares of %d" % owner
            else:
                with pytest.raises(ProtocolError, match="6 shares are needed"):
                    agreement.open_sealed(f"n{owner}", views[owner], 6, shares, sealed.payload)


def test_a_colluder_makes_tokens_for_any_view_but_only_its_own():
    """Its channel keys give its own pads under every view, and nothing about anybody else's."""
    sealed = reply(0, b"view")
    colluder = {2: agreement.token(KEYS[frozenset((0, 1))], "n0", b"view")}
    assert len(agreement.key_shares(pieces_of(0, sealed), colluder)) == 1
    stolen = {3: agreement.token(KEYS[frozenset((0, 1))], "n0", b"view")}
    assert agreement.key_shares(pieces_of(0, sealed), stolen) == {}


def test_wrong_pieces_tokens_and_payloads():
    replies = {of: reply(of, b"view") for of in range(9)}
    tokens = tokens_for(0, replies)
    tokens[5] = bytes(32)
    shares = agreement.key_shares(pieces_of(0, replies[0]), tokens | {77: bytes(32)})
    assert sorted(shares) == [2, 3, 4, 6, 7, 8, 9], "a token that does not fit is passed over"
    payload = replies[0].payload
    assert agreement.open_sealed("n0", b"view", 6, shares, payload) == b"shares of 0"
    for owner, view, sealed, some in (
        ("n1", b"view", payload, shares),
        ("n0", b"other", payload, shares),
        ("n0", b"view", payload[:-1] + bytes([payload[-1] ^ 1]), shares),
        ("n0", b"view", payload, {**shares, 2: bytes(32)}),
    ):
        with pytest.raises(ProtocolError, match="its key opens nothing"):
            agreement.open_sealed(owner, view, 6, some, sealed)


def test_a_view_is_all_that_a_client_was_told():
    base = (b"s" * 32, b"p" * 32, Subset(4, (0, 1, 2)), Subset(4, (0, 1)))
    views = {agreement.view_of(*base)}
    for index, value in enumerate((b"t" * 32, b"q" * 32, Subset(4, (0, 1, 2, 3)), Subset(4, (0, 2)))):
        views.add(agreement.view_of(*base[:index], value, *base[index + 1 :]))
    assert len(views) == 5


def test_a_reply_with_too_few_neighbours_is_not_sealed():
    with pytest.raises(ProtocolError, match="threshold 6"):
        agreement.seal("n0", b"view", 6, neighbours(0)[:5], b"", SOURCE)


# -- The theorem, on graphs: what a server may open when it tells every client another story -------------------


class Game:
    """A graph with colluders; the server chooses each honest client's survivors, or that it never answers."""

    def __init__(self, near: dict[int, set[int]], colluders: set[int], threshold: int) -> None:
        self.near, self.colluders, self.threshold = near, colluders, threshold
        self.honest = set(near) - colluders

    def opened(self, told: dict[int, frozenset[int] | None]) -> tuple[set[int], set[int], set[int]]:
        """Return whose reply, self seed and mask seed (of the honest) server and colluders can open."""

        def collusion(of: int) -> int:
            return len(self.near[of] & self.colluders)

        replies = {
            v
            for v in self.honest
            if told[v] is not None
            and sum(told[u] == told[v] for u in self.near[v] & self.honest) + collusion(v) >= self.threshold
        }

        def opens(w: int, survived: bool) -> bool:
            givers = sum((w in (told[v] or ())) == survived for v in self.near[w] & replies)
            return givers + collusion(w) >= self.threshold

        selves = {w for w in self.honest if opens(w, True)}
        masks = {w for w in self.honest if opens(w, False)}
        return replies, selves, masks

    def smallest_sum(self, selves: set[int], masks: set[int]) -> int:
        """Return how many honest clients the smallest opened sum covers (all honest ones uploaded)."""
        left, smallest = set(self.honest), len(self.near) + 1
        while left:
            component, edge = set(), {left.pop()}
            while edge:
                component |= edge
                edge = {
                    v
                    for u in edge
                    for v in self.near[u] & self.honest
                    if u not in masks and v not in masks and v not in component
                }
            left -= component
            if component <= selves:
                smallest = min(smallest, len(component))
        return smallest

    def check(self, told: dict[int, frozenset[int] | None]) -> None:
        replies, selves, masks = self.opened(told)
        assert not selves & masks, "A2: both secrets of one client were opened"
        assert not replies & masks, "A3: a witness was opened as dropped"
        worst = max((len(self.near[v] & self.colluders) for v in self.honest), default=0)
        assert self.smallest_sum(selves, masks) >= self.threshold - worst + 1, "A5"


def ring(size: int, degree: int) -> dict[int, set[int]]:
    if degree == size - 1:
        return {v: set(range(size)) - {v} for v in range(size)}
    half = range(1, degree // 2 + 1)
    return {v: {(v + s) % size for s in half} | {(v - s) % size for s in half} for v in range(size)}


def stories(game: Game, of: int, choices: list[frozenset[int]]) -> list[frozenset[int] | None]:
    """Return those stories that ``of`` answers: it is in them, with a threshold of its neighbours."""
    return [
        None,
        *(s for s in choices if of in s and len(s & game.near[of]) >= game.threshold),
    ]


def test_every_lie_on_a_small_full_graph():
    """Five clients, one of whom colludes: all 2^5 survivor sets, for every honest client independently."""
    game = Game(ring(5, 4), {4}, 3)
    subsets = [frozenset(s) for r in range(6) for s in itertools.combinations(range(5), r)]
    options = [stories(game, of, subsets) for of in range(4)]
    played = 0
    for combination in itertools.product(*options):
        told = dict(enumerate(combination))
        game.check(told)
        replies, _, _ = game.opened(told)
        assert len({told[v] for v in replies}) <= 1, "A6: two survivor sets were opened"
        played += 1
    assert played == 6**4


@settings(max_examples=600, deadline=None)
@given(seed=st.integers(0, 1 << 40), size=st.integers(5, 22), data=st.data())
def test_no_drawn_lie_isolates_anybody(seed, size, data):
    degree = data.draw(st.sampled_from([k for k in range(4, size) if k % 2 == 0 or k == size - 1]))
    threshold = data.draw(st.integers(2 * degree // 3 + 1, degree))
    rng = random.Random(seed)
    near = ring(size, degree)
    colluders: set[int] = set()
    for one in rng.sample(range(size), size):
        trial = colluders | {one}
        if all(2 * threshold > degree + len(near[v] & trial) for v in set(near) - trial):
            colluders = trial
        if rng.random() < 0.2:
            break
    game = Game(near, colluders, threshold)
    victim = rng.choice(sorted(game.honest)) if game.honest else 0
    base = frozenset(range(size))
    lies = [base, base - {victim}, base - (near[victim] & game.honest), base - near[victim] | {victim}]
    lies += [frozenset(rng.sample(range(size), rng.randint(size // 2, size))) for _ in range(3)]
    for _ in range(30):
        told = {v: rng.choice(stories(game, v, lies)) for v in sorted(game.honest)}
        game.check(told)


class Gullible(Game):
    """The game with the defence switched off: every reply opens at once, as in SecAgg+ without a check."""

    def opened(self, told):
        replies = {v for v in self.honest if told[v] is not None}

        def opens(w: int, survived: bool) -> bool:
            return sum((w in told[v]) == survived for v in self.near[w] & replies) >= self.threshold

        return (
            replies,
            {w for w in self.honest if opens(w, True)},
            {w for w in self.honest if opens(w, False)},
        )


def test_without_agreement_the_same_lie_isolates_a_client():
    """Every neighbour of the victim is said to have dropped out, but only to that neighbour's own neighbours.

    No client is told of more than a few drop-outs, nobody colludes, and no secret is opened twice: the rules of
    each single client hold. What stops it is that their views differ.
    """
    size, threshold, victim = 601, 9, 0
    steps = (33, 61, 69, 131, 254, 292)  # two neighbours share few neighbours
    near = {v: {(v + s) % size for s in steps} | {(v - s) % size for s in steps} for v in range(size)}
    assert {len(others) for others in near.values()} == {12}
    everybody = frozenset(range(size))
    around = near[victim]
    told: dict[int, frozenset[int] | None] = {}
    for v in range(size):
        hidden = frozenset() if v in around or v == victim else around & near[v]
        told[v] = everybody - hidden
        assert len(told[v] & near[v]) >= threshold, "no client sees more than its share of drop-outs"

    _, selves, masks = Gullible(near, set(), threshold).opened(told)
    assert not selves & masks
    assert victim in selves
    assert around <= masks
    assert Game(near, set(), threshold).smallest_sum(selves, masks) == 1, "its vector alone is opened"

    guarded = Game(near, set(), threshold)
    guarded.check(told)
    _, selves, masks = guarded.opened(told)
    assert not masks
