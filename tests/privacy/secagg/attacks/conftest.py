"""The adversary: a server that signs whatever it likes, colluders that tell it all they know, and its arithmetic.

Everything here uses only what the threat model gives: the server's own keys, every message that was sent, the
whole state of the colluders. It never looks into an honest client, except to compare at the end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pytest
from scipy import stats

from mien.errors import MienError, ProtocolError
from privacy.secagg import agreement, dealing, masking, shamir
from privacy.secagg.client_state import ClientSession
from privacy.secagg.codec import Subset
from privacy.secagg.dealing import Kind
from privacy.secagg.keys import mask_private
from privacy.secagg.messages import (
    SetupReply,
    SetupRequest,
    UnmaskReply,
    UnmaskRequest,
    UploadHeader,
    UploadRequest,
    decode,
    encode,
)
from privacy.secagg.policy import SecAggPolicy

MODEL = "ab" * 32
LENGTH = 2048
STRICT = SecAggPolicy(min_cohort=3, min_neighbours=2, min_survivors=2, security_bits=0)
"""Small cohorts and no random graph to speak of, but the threshold and the sums are those of the defaults."""


def looks_uniform(words: np.ndarray[Any, Any]) -> bool:
    """Return whether the bytes of ``words`` pass a chi-square test at one in a million."""
    counts = np.bincount(words.view(np.uint8), minlength=256)
    return bool(stats.chisquare(counts).pvalue > 1e-6)


@dataclasses.dataclass
class Knowledge:
    """Secrets that server and colluders hold, by the position of their owner."""

    self_seeds: dict[int, bytes] = dataclasses.field(default_factory=dict)
    mask_seeds: dict[int, bytes] = dataclasses.field(default_factory=dict)


class Adversary:
    """A malicious server, with ``colluders`` among the members of its federation."""

    def __init__(self, devices: Any, colluders: Iterable[str] = ()) -> None:
        self.devices = devices
        self.colluders = frozenset(colluders)
        self.sessions: dict[str, ClientSession] = {}
        """What the colluders knew between set-up and upload."""
        self.mask_seeds_of_colluders: dict[str, bytes] = {}
        self.vectors: dict[str, Any] = {}
        self.uploads: dict[str, tuple[UploadHeader, Any]] = {}
        self.completed: dict[str, Subset] = {}
        self.replies: dict[str, UnmaskReply] = {}
        self.views: dict[str, Subset] = {}
        self.refused: dict[str, str] = {}

    # -- what the server may say --------------------------------------------------------------------------

    @property
    def plan(self) -> Any:
        return self.devices.round.plan

    @property
    def graph(self) -> Any:
        return self.devices.round.graph

    @property
    def threshold(self) -> int:
        return int(self.plan.secagg.threshold)

    def position(self, name: str) -> int:
        return int(self.plan.cohort.index(name))

    def near(self, name: str) -> list[str]:
        return [self.plan.cohort[one] for one in self.graph.neighbours(self.position(name))]

    def subset(self, names: Iterable[str]) -> Subset:
        return Subset(len(self.plan.cohort), tuple(sorted(self.position(name) for name in names)))

    def sign(self, message: Any) -> bytes:
        return encode(message, self.devices.server.identity)

    def to(self, name: str) -> dict[str, Any]:
        return self.devices.round._to(name)

    def setup_request(self, name: str, **changes: Any) -> bytes:
        honest = decode(self.devices.round.setup_request(name), SetupRequest).message
        return self.sign(dataclasses.replace(honest, **changes))

    def upload_request(self, name: str, completed: Iterable[str], plan: Any = None) -> bytes:
        members = self.subset(completed)
        me = self.position(name)
        setups = self.devices.round._setups
        deals = tuple(
            setups[near].deals[self.graph.index(near, me)]
            for near in self.graph.neighbours(me)
            if near in members
        )
        content = (plan or self.whole_plan()).to_bytes()
        return self.sign(UploadRequest(**self.to(name), plan=content, completed=members, deals=deals))

    def whole_plan(self, model: str = MODEL) -> Any:
        return self.plan.model_copy(update={"model_hash": model})

    def unmask_request(self, name: str, survivors: Iterable[str], plan_hash: bytes | None = None) -> bytes:
        members = self.subset(survivors)
        confirmations = tuple(
            self.uploads[one][0].confirmation if one in self.uploads else bytes(64)
            for one in self.near(name)
            if self.position(one) in members
        )
        request = UnmaskRequest(
            **self.to(name),
            plan_hash=plan_hash or self.whole_plan().hash,
            survivors=members,
            confirmations=confirmations,
        )
        return self.sign(request)

    # -- what the clients answer --------------------------------------------------------------------------

    def set_up(self, lost: Iterable[str] = ()) -> None:
        """Let everybody but ``lost`` deal its shares."""
        for name in self.colluders:
            self.mask_seeds_of_colluders[name] = self.devices.client(name)._state.prekeys[0].mask_seed
        self.devices.set_up(lost)
        for name in self.colluders - set(lost):
            self.sessions[name] = self.session_of(name)

    def take_setup(self, name: str, reply: bytes) -> None:
        """Accept a set-up reply without a single check."""
        self.devices.round._setups[self.position(name)] = decode(reply, SetupReply).message

    def session_of(self, name: str) -> ClientSession:
        state = self.devices.client(name)._state
        session = state.session(self.plan.run, self.plan.round)
        assert session is not None
        return session

    def vector(self, name: str) -> Any:
        """Return what ``name`` will upload: small integers, nothing like uniform words."""
        length = self.plan.secagg.vector_length
        label = f"secret of {name} in {self.plan.run} {self.plan.round}"
        raw = self.devices.source(label).uint32(length)
        return ((raw % 2001).astype(np.int64) - 1000).astype(f"<i{self.plan.secagg.field_bits // 8}")

    def upload(self, name: str, completed: Iterable[str], plan: Any = None, vector: Any = None) -> None:
        """Have ``name`` upload; raises what it refuses with."""
        request = self.upload_request(name, completed, plan)
        vector = self.vector(name) if vector is None else vector
        self.vectors[name] = vector.copy()
        header, masked = self.devices.client(name).upload(request, vector)
        self.uploads[name] = (decode(header, UploadHeader).message, masked.copy())
        self.completed[name] = self.subset(completed)

    def upload_all(self, names: Iterable[str] | None = None) -> None:
        """Have ``names`` (everybody) upload under the honest plan and set."""
        everybody = [self.plan.cohort[one] for one in sorted(self.devices.round._setups)]
        for name in names or everybody:
            self.upload(name, everybody)

    def unmask(self, name: str, survivors: Iterable[str], plan_hash: bytes | None = None) -> bool:
        """Ask ``name`` to unmask under a view of its own; return whether it answered."""
        try:
            raw = self.devices.client(name).unmask(self.unmask_request(name, survivors, plan_hash))
        except MienError as error:
            self.refused[name] = str(error)
            return False
        self.replies[name] = decode(raw, UnmaskReply).message
        self.views[name] = self.subset(survivors)
        return True

    # -- what it makes of the answers ---------------------------------------------------------------------

    def open(self) -> Knowledge:
        """Return every secret that the replies and the colluders' shares open, by whatever view."""
        given: dict[tuple[int, Kind], dict[int, bytes]] = {}
        for name in self.colluders:
            self._shares_of_colluder(name, given)
        for name, reply in self.replies.items():
            for owner, kind, share in self._opened_entries(name, reply):
                given.setdefault((owner, kind), {})[self.position(name) + 1] = share
        known = Knowledge()
        for name, seed in self.mask_seeds_of_colluders.items():
            known.mask_seeds[self.position(name)] = seed
        for name, session in self.sessions.items():
            known.self_seeds[self.position(name)] = session.self_seed
        for (owner, kind), shares in given.items():
            if len(shares) >= self.threshold:
                into = known.self_seeds if kind == Kind.SELF else known.mask_seeds
                into.setdefault(owner, shamir.combine(shares, self.threshold))
        return known

    def _shares_of_colluder(self, name: str, given: dict[tuple[int, Kind], dict[int, bytes]]) -> None:
        """Add both shares that each neighbour dealt to the colluder: it opens the deals itself."""
        if name not in self.sessions:
            return
        setups, me = self.devices.round._setups, self.position(name)
        for peer in self.sessions[name].peers:
            if peer.position not in setups:
                continue
            deal = setups[peer.position].deals[self.graph.index(peer.position, me)]
            session = self.devices.round.session
            shares = dealing.open_deal(session, peer.name, name, peer.channel_key, deal)
            if shares is not None:
                given.setdefault((peer.position, Kind.SELF), {})[me + 1] = shares.self_share
                given.setdefault((peer.position, Kind.MASK), {})[me + 1] = shares.mask_share

    def _opened_entries(self, name: str, reply: UnmaskReply) -> list[tuple[int, Kind, bytes]]:
        """Return the shares in one reply, if pieces and tokens of any views open it."""
        survivors, completed = self.views[name], self.completed[name]
        near = [one for one in self.graph.neighbours(self.position(name)) if one in survivors]
        pieces = {one + 1: piece for one, piece in zip(near, reply.pieces, strict=True)}
        tokens = dict.fromkeys(pieces, b"")  # opens a piece that is not padded, and no other
        for one in near:
            other = self.plan.cohort[one]
            if other in self.sessions:  # a colluder vouches for anything
                key = next(peer.channel_key for peer in self.sessions[other].peers if peer.name == name)
                tokens[one + 1] = agreement.token(key, name, reply.view)
            elif other in self.replies:
                theirs = [n for n in self.graph.neighbours(one) if n in self.views[other]]
                if self.position(name) in theirs:
                    given = self.replies[other].tokens[theirs.index(self.position(name))]
                    tokens[one + 1] = given
        shares = agreement.key_shares(pieces, tokens)
        try:
            payload = agreement.open_sealed(name, reply.view, self.threshold, shares, reply.sealed)
        except ProtocolError:
            return []
        peers = [one for one in self.graph.neighbours(self.position(name)) if one in completed]
        entries = dealing.decode_payload(payload, len(peers))
        return [
            (owner, kind, share)
            for owner, (kind, share) in zip(peers, entries, strict=True)
            if kind != Kind.NONE
        ]

    def strip(self, name: str, known: Knowledge | None = None) -> tuple[Any, int]:
        """Return ``name``'s vector less every mask that is known, and how many masks are left on it."""
        known = known or self.open()
        me, left = self.position(name), 0
        session = self.devices.round._session
        masks: list[masking.Mask] = []
        if me in known.self_seeds:
            masks.append((session.self_mask_key(known.self_seeds[me], name), False))
        else:
            left += 1
        for one in self.graph.neighbours(me):
            if one not in self.completed[name]:
                continue
            key = self._pair_key(me, one, known)
            if key is None:
                left += 1
            else:
                masks.append((key, one < me))  # added for later members, so it is subtracted for them
        words = self.uploads[name][1].copy()
        masking.add_masks(words, masks)
        return words, left

    def _pair_key(self, one: int, other: int, known: Knowledge) -> bytes | None:
        bundles, cohort, session = self.devices.round._bundles, self.plan.cohort, self.devices.round._session
        for mine, theirs in ((one, other), (other, one)):
            if mine in known.mask_seeds:
                private = mask_private(known.mask_seeds[mine])
                return bytes(
                    session.mask_key(private, bundles[theirs].mask_key, cohort[mine], cohort[theirs])
                )
        return None

    def recovered(self, name: str, known: Knowledge | None = None) -> bool:
        """Return whether the adversary holds ``name``'s vector; if not, what it holds must look uniform."""
        words, left = self.strip(name, known)
        vector = self.vectors[name]
        if np.array_equal(words.view(vector.dtype), vector):
            return True
        assert left > 0, "every mask was removed, and yet it is not the vector: the attack is wrong"
        assert looks_uniform(words), "part of the vector shows through"
        return False

    def determined_sums(self, known: Knowledge | None = None) -> list[frozenset[str]]:
        """Return the sets of honest clients whose sum is determined (lemma 6.1 of Bonawitz et al. 2017).

        They are the connected components, by pairwise masks that stay closed, in which every self mask is
        open and no closed mask is in one upload alone. Each is checked by adding it up.
        """
        known = known or self.open()
        honest = [name for name in self.uploads if name not in self.colluders]
        component = {name: {name} for name in honest}
        for name in honest:
            for other in honest:
                if self._joined(name, other, known) and component[name] is not component[other]:
                    merged = component[name] | component[other]
                    for one in merged:
                        component[one] = merged
        found = {frozenset(members) for members in component.values()}
        sums = [c for c in found if all(self._is_open(name, known) for name in c)]
        for members in sums:
            words = sum(self.strip(name, known)[0] for name in members)
            expected = sum(self.vectors[name] for name in members)
            assert np.array_equal(words.view(expected.dtype), expected), "the sum is not what it should be"
        return sorted(sums, key=sorted)

    def _is_open(self, name: str, known: Knowledge) -> bool:
        me = self.position(name)
        closed = [one for one in self.completed[name].positions if one in self.graph.neighbours(me)]
        closed = [self.plan.cohort[one] for one in closed if self._pair_key(me, one, known) is None]
        shared = [one in self.completed and self._joined(name, one, known) for one in closed]
        return me in known.self_seeds and all(shared)

    def _joined(self, one: str, other: str, known: Knowledge) -> bool:
        a, b = self.position(one), self.position(other)
        both = b in self.completed[one] and a in self.completed[other] and b in self.graph.neighbours(a)
        return both and self._pair_key(a, b, known) is None


@pytest.fixture
def strict() -> SecAggPolicy:
    return STRICT


@pytest.fixture
def attack(federation: Callable[..., Any]) -> Callable[..., Adversary]:
    """Return a maker of adversaries at the head of a fresh federation, with a round begun."""

    def make(
        size: int,
        colluders: Mapping[str, Any] | Iterable[int] = (),
        policy: SecAggPolicy = STRICT,
        seed: int = 1,
        **changes: Any,
    ) -> Adversary:
        devices = federation(size, policy, seed)
        adversary = Adversary(devices, [devices.names[index] for index in colluders])
        devices.begin(**{"vector_length": LENGTH, "scale": 1 << 12, **changes})
        return adversary

    return make


@pytest.fixture
def uniform() -> Callable[[Any], bool]:
    return looks_uniform
