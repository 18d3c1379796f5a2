"""The server's side: the directory of who enrolled, and the rounds that it begins.

A server that follows the protocol learns the sum and nothing else; one that does not is held by the clients
(:mod:`privacy.secagg.client`, :mod:`privacy.secagg.agreement`). No I/O, no clock, no globals.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated

from mien.errors import ProtocolError
from privacy.plan import MAX_COHORT, RoundPlan
from privacy.randomness import RandomSource
from privacy.secagg.client_state import MAX_RUNS, Progress
from privacy.secagg.codec import Fixed, Many, Nested, Number, Record
from privacy.secagg.encoding import check_capacity
from privacy.secagg.graph import check_degree
from privacy.secagg.identity import COORDINATOR, Directory, Identity, Member
from privacy.secagg.keys import Bundle
from privacy.secagg.messages import Enrolment, decode
from privacy.secagg.round import SecAggRound

_STATE_VERSION = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServerState(Record):
    """What a server keeps between rounds. ``identity`` is secret."""

    version: Annotated[int, Number(2)] = _STATE_VERSION
    identity: Annotated[bytes, Fixed(32)]
    directory: Annotated[Directory, Nested(Directory)]
    bundles: Annotated[tuple[Bundle, ...], Many(Nested(Bundle), MAX_COHORT)]
    progress: Annotated[tuple[Progress, ...], Many(Nested(Progress), MAX_RUNS)]


class SecAggServer:
    """Knows the members and their unused prekeys; begins rounds. Methods raise ProtocolError or PolicyError."""

    def __init__(self, identity: Identity, directory: Directory, source: RandomSource) -> None:
        self.identity = identity
        self._directory = directory
        self._source = source
        self._bundles: dict[str, Bundle] = {}
        self._progress: dict[str, int] = {}

    @classmethod
    def create(
        cls, identity: Identity, source: RandomSource, directory: Directory | None = None
    ) -> SecAggServer:
        """Return a server without members. A provisioned ``directory`` limits who may enrol."""
        return cls(identity, directory or Directory.first_use(), source)

    @property
    def known(self) -> tuple[str, ...]:
        """The names of all members that enrolled or were provisioned."""
        return tuple(member.name for member in self._directory.members)

    def identity_key(self, name: str) -> bytes:
        """Return the public key that ``name`` enrolled with. Raises ProtocolError where it did not."""
        member = self._directory.get(name)
        if member is None:
            raise ProtocolError(f"member {name!r} has not enrolled")
        return member.identity_key

    @property
    def ready(self) -> frozenset[str]:
        """The members with unused prekeys: those that the next round can be begun with.

        A member that was asked to set up and never answered is not among them until it enrols anew.
        """
        return frozenset(self._bundles)

    def enrol(self, message: bytes) -> str:
        """Take a device's enrolment and return its name. The same one again changes nothing."""
        signed = decode(message, Enrolment)
        bundle = signed.message.bundle
        known = self._directory.get(bundle.name)
        enrolment = signed.check(known.identity_key if known else bundle.identity_key)
        if enrolment.sender != bundle.name or enrolment.recipient != COORDINATOR or enrolment.round != 0:
            raise ProtocolError(
                f"enrolment of {bundle.name!r}: it was sent by {enrolment.sender!r}; refuse it"
            )
        if self._bundles.get(bundle.name) != bundle:
            self.accept_bundle(bundle)
        return bundle.name

    def accept_bundle(self, bundle: Bundle) -> None:
        """Keep a member's next prekeys; raises ProtocolError unless they are signed, its own, and new."""
        bundle.check()
        known = self._directory.get(bundle.name)
        if known is not None and bundle.sequence <= known.sequence:
            raise ProtocolError(
                f"prekeys {bundle.sequence} of {bundle.name!r} are not newer than {known.sequence}, which were "
                "seen already; they are replayed"
            )
        member = Member(name=bundle.name, identity_key=bundle.identity_key, sequence=bundle.sequence)
        self._directory = self._directory.seen([member])
        self._bundles[bundle.name] = bundle

    def begin(self, plan: RoundPlan) -> SecAggRound:
        """Begin a round: its cohort's prekeys are used up, whatever becomes of it.

        ``plan.model_hash`` may be None until the uploads are asked for. Rounds of a run must ascend; a round
        that aborted is repeated under a new number. Raises PolicyError where a sum could overflow.
        """
        check_capacity(plan)
        check_degree(len(plan.cohort), plan.secagg.neighbours)
        if plan.round <= self._progress.get(plan.run, 0):
            raise ProtocolError(
                f"round {plan.round} of run {plan.run!r} was begun already; rounds must ascend, repeat an aborted "
                "one under a new number"
            )
        missing = [name for name in plan.cohort if name not in self._bundles]
        if missing:
            raise ProtocolError(
                f"{len(missing)} members of the cohort have no unused prekeys, for example {missing[0]!r}; ask "
                "them to enrol (anew), or leave them out"
            )
        bundles = tuple(self._bundles.pop(name) for name in plan.cohort)
        self._progress.pop(plan.run, None)
        self._progress[plan.run] = plan.round
        while len(self._progress) > MAX_RUNS:
            del self._progress[next(iter(self._progress))]
        return SecAggRound(self.identity, plan, bundles, self.accept_bundle, self._source)

    def to_bytes(self) -> bytes:
        """Return the state between rounds, for a checkpoint; secret. Rounds under way are not in it."""
        return ServerState(
            identity=self.identity.to_bytes(),
            directory=self._directory,
            bundles=tuple(self._bundles[name] for name in sorted(self._bundles)),
            progress=tuple(Progress(run=run, round=number) for run, number in self._progress.items()),
        ).to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes, source: RandomSource) -> SecAggServer:
        """Return the server of a checkpoint. Raises ProtocolError for anything else."""
        state = ServerState.from_bytes(data)
        if state.version != _STATE_VERSION:
            raise ProtocolError(f"server state: version {state.version}; this program reads {_STATE_VERSION}")
        server = cls(Identity.from_bytes(state.identity), state.directory, source)
        server._bundles = {bundle.name: bundle for bundle in state.bundles}
        server._progress = {one.run: one.round for one in state.progress}
        if server.to_bytes() != data:
            raise ProtocolError(
                "server state: a member or a run is listed twice or out of order; it is damaged"
            )
        return server
