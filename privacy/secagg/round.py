"""One round at the server: ask, collect, sum as vectors arrive, open, decode.

Memory: one running sum, whatever the cohort, and about 250 bytes for each pair of neighbours. A client's
vector is added when it arrives and never kept. The phases are set-up, upload, unmask, done; a reply that is
late, doubled, malformed or forged raises ProtocolError and changes nothing.
"""

from __future__ import annotations

import enum
from bisect import bisect_left
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mien.errors import ProtocolError, RoundAbortedError
from privacy.plan import RoundPlan
from privacy.randomness import RandomSource
from privacy.secagg import agreement, dealing, masking
from privacy.secagg.codec import Subset
from privacy.secagg.graph import Graph
from privacy.secagg.identity import COORDINATOR, Identity, verify
from privacy.secagg.keys import Bundle, Session, public_of, roster_hash, session_id
from privacy.secagg.memory import aligned_zeros
from privacy.secagg.messages import (
    Message,
    Refusal,
    SetupReply,
    SetupRequest,
    UnmaskReply,
    UnmaskRequest,
    UploadHeader,
    UploadRequest,
    decode,
    encode,
    subset_hash,
)
from privacy.secagg.recovery import AggregateResult, Recovery

_M = TypeVar("_M", bound=Message)


class Phase(enum.IntEnum):
    """What a round waits for."""

    SETUP = 1
    UPLOAD = 2
    UNMASK = 3
    DONE = 4


class SecAggRound:
    """One round; made by :meth:`~privacy.secagg.server.SecAggServer.begin`."""

    def __init__(
        self,
        identity: Identity,
        plan: RoundPlan,
        bundles: tuple[Bundle, ...],
        accept_bundle: Callable[[Bundle], None],
        source: RandomSource,
    ) -> None:
        self.plan = plan
        self.phase = Phase.SETUP
        self.refusals: dict[str, Refusal] = {}
        """What clients refused, and why, by name."""
        self._identity = identity
        self._accept_bundle = accept_bundle
        self._bundles = bundles
        self._roster = tuple(bundle.hash for bundle in bundles)
        self._run_private = source.bytes(32)
        run_key = public_of(self._run_private)
        self._run_key = run_key
        session_hash = plan.session_hash
        self._session = Session(
            plan.run, plan.round, session_id(session_hash, self._roster, identity.public_key, run_key)
        )
        self.graph = Graph(len(plan.cohort), plan.secagg.neighbours, session_hash, self._roster)
        self._setups: dict[int, SetupReply] = {}
        self._headers: dict[int, UploadHeader] = {}
        self._replies: dict[int, UnmaskReply] = {}
        self._completed = Subset(len(plan.cohort), ())
        self._survivors = Subset(len(plan.cohort), ())
        self._total: masking.FieldVector = np.zeros(0, dtype=masking.field_dtype(plan.secagg.field_bits))

    @property
    def session(self) -> bytes:
        """The 32 bytes that every message of the round is bound to."""
        return self._session.id

    def facts(self) -> dict[str, str]:
        """Return the session and what, with the plan and the server's key, it is a hash of: for the transcript."""
        return {
            "session": self.session.hex(),
            "roster": roster_hash(self._roster).hex(),
            "run_key": self._run_key.hex(),
        }

    # -- set-up ---------------------------------------------------------------------------------------------

    def setup_requests(self) -> dict[str, bytes]:
        """Return the set-up request of every member of the cohort."""
        return {name: self.setup_request(name) for name in self.plan.cohort}

    def setup_request(self, name: str) -> bytes:
        """Return the set-up request of one member."""
        self._in(Phase.SETUP, "set-up requests")
        request = SetupRequest(
            **self._to(name),
            server_key=self._identity.public_key,
            run_key=self._run_key,
            plan=self.plan.session.to_bytes(),
            roster=self._roster,
            bundles=tuple(self._bundles[near] for near in self.graph.neighbours(self._position(name))),
        )
        return encode(request, self._identity)

    def receive_setup(self, reply: bytes) -> str:
        """Take a member's set-up reply and return its name; its next prekeys become ready."""
        self._in(Phase.SETUP, "a set-up reply")
        message, position = self._from(reply, SetupReply, self._setups)
        if len(message.deals) != self.graph.degree:
            raise ProtocolError(
                f"set-up reply of {message.sender!r}: {len(message.deals)} deals, expected {self.graph.degree}"
            )
        if message.next_bundle.name != message.sender:
            raise ProtocolError(f"set-up reply of {message.sender!r}: the next prekeys are not its own")
        self._accept_bundle(message.next_bundle)
        self._setups[position] = message
        return message.sender

    # -- upload ---------------------------------------------------------------------------------------------

    def upload_requests(self, model_hash: str | None = None) -> dict[str, bytes]:
        """Close set-up and return the upload request of every member that completed it.

        ``model_hash`` completes a plan that was begun without one. Raises RoundAbortedError where fewer than
        ``min_survivors`` are left, or fewer than ``threshold`` in a neighbourhood.
        """
        self._in(Phase.SETUP, "upload requests")
        if (model_hash is None) == (self.plan.model_hash is None):
            raise ProtocolError(
                f"round {self.plan.round}: the model's hash must be given once, in the plan or with the uploads"
            )
        self._completed = Subset(len(self.plan.cohort), tuple(sorted(self._setups)))
        self._enough(self._completed, "completed set-up")
        if model_hash is not None:
            self.plan = RoundPlan.model_validate(
                self.plan.model_copy(update={"model_hash": model_hash}).model_dump()
            )
        self._total = aligned_zeros(
            self.plan.secagg.vector_length, masking.field_dtype(self.plan.secagg.field_bits)
        )
        self.phase = Phase.UPLOAD
        return {
            self.plan.cohort[position]: self._upload_request(position)
            for position in self._completed.positions
        }

    def _upload_request(self, position: int) -> bytes:
        deals = []
        for near in self._near(position, self._completed):
            deals.append(self._setups[near].deals[self.graph.index(near, position)])
        request = UploadRequest(
            **self._to(self.plan.cohort[position]),
            plan=self.plan.to_bytes(),
            completed=self._completed,
            deals=tuple(deals),
        )
        return encode(request, self._identity)

    def receive_upload(self, header: bytes, vector: NDArray[Any] | bytes) -> str:
        """Check a masked vector against its header, add it to the sum, and return its sender's name.

        ``vector`` is the field's little-endian words, as an array or as raw bytes; it is not kept.
        """
        self._in(Phase.UPLOAD, "an upload")
        message, position = self._from(header, UploadHeader, self._headers)
        if position not in self._completed:
            raise ProtocolError(f"upload of {message.sender!r}: it did not complete set-up")
        if message.plan_hash != self.plan.hash or message.completed_hash != subset_hash(self._completed):
            raise ProtocolError(f"upload of {message.sender!r}: for another plan or another cohort")
        bundle = self._bundles[position]
        content = dealing.confirmation_content(
            self.session, message.sender, message.plan_hash, self._completed
        )
        verify(bundle.identity_key, dealing.CONFIRMATION, content, message.confirmation, message.sender)
        words = self._words(message, vector)
        key = self._session.upload_key(self._run_private, bundle.channel_key, message.sender)
        if not masking.add_checked(self._total, words, key, message.tag):
            raise ProtocolError(
                f"upload of {message.sender!r}: the vector was altered on its way; ask for it again"
            )
        self._headers[position] = message
        return message.sender

    def _words(self, message: UploadHeader, vector: NDArray[Any] | bytes) -> masking.FieldVector:
        secagg = self.plan.secagg
        dtype = self._total.dtype
        if not isinstance(vector, np.ndarray):
            if len(vector) != secagg.vector_length * dtype.itemsize:
                raise ProtocolError(
                    f"upload of {message.sender!r}: {len(vector)} bytes, expected "
                    f"{secagg.vector_length * dtype.itemsize}"
                )
            vector = np.frombuffer(vector, dtype=dtype)
        announced = (message.length, message.bits) == (secagg.vector_length, secagg.field_bits)
        if not announced or vector.dtype != dtype or vector.shape != self._total.shape:
            raise ProtocolError(
                f"upload of {message.sender!r}: {message.length} words of {message.bits} bits announced, "
                f"{vector.dtype.name}{vector.shape} received, "
                f"{secagg.vector_length} of {secagg.field_bits} expected"
            )
        return np.ascontiguousarray(vector)

    # -- unmask ---------------------------------------------------------------------------------------------

    def unmask_requests(self) -> dict[str, bytes]:
        """Close the uploads and return the unmask request of every survivor.

        Raises RoundAbortedError where fewer than ``min_survivors`` uploaded, or where a member cannot be
        opened because too many of its neighbours dropped out.
        """
        self._in(Phase.UPLOAD, "unmask requests")
        self._survivors = Subset(len(self.plan.cohort), tuple(sorted(self._headers)))
        self._enough(self._survivors, "uploaded")
        self.phase = Phase.UNMASK
        return {
            self.plan.cohort[position]: self._unmask_request(position)
            for position in self._survivors.positions
        }

    def _unmask_request(self, position: int) -> bytes:
        request = UnmaskRequest(
            **self._to(self.plan.cohort[position]),
            plan_hash=self.plan.hash,
            survivors=self._survivors,
            confirmations=tuple(
                self._headers[near].confirmation for near in self._near(position, self._survivors)
            ),
        )
        return encode(request, self._identity)

    def receive_unmask(self, reply: bytes) -> str:
        """Take a survivor's unmask reply and return its name."""
        self._in(Phase.UNMASK, "an unmask reply")
        message, position = self._from(reply, UnmaskReply, self._replies)
        if position not in self._survivors:
            raise ProtocolError(f"unmask reply of {message.sender!r}: it did not upload")
        view = agreement.view_of(self.session, self.plan.hash, self._completed, self._survivors)
        count = len(self._near(position, self._survivors))
        if message.view != view or message.plan_hash != self.plan.hash:
            raise ProtocolError(f"unmask reply of {message.sender!r}: for another plan or other survivors")
        if len(message.pieces) != count or len(message.tokens) != count:
            raise ProtocolError(
                f"unmask reply of {message.sender!r}: {len(message.pieces)} pieces and {len(message.tokens)} "
                f"tokens, expected {count}"
            )
        self._replies[position] = message
        return message.sender

    def result(self) -> AggregateResult:
        """Open the masks and return the sum of the survivors' vectors.

        Raises RoundAbortedError where a secret cannot be opened; it says whose, and who gave wrong shares.
        """
        self._in(Phase.UNMASK, "the result")
        recovery = Recovery(
            self.plan,
            self._session,
            self.graph,
            self._bundles,
            self._setups,
            self._completed,
            self._survivors,
            self._replies,
        )
        try:
            masks = recovery.masks()
        except RoundAbortedError:
            self._end()
            raise
        masking.add_masks(self._total, masks)
        total = self._total
        self._end()
        return recovery.result(total, len(masks))

    # -- all phases -----------------------------------------------------------------------------------------

    def receive_refusal(self, data: bytes) -> Refusal:
        """Take a member's signed refusal of a request of this round, keep it by name, and return it."""
        signed = decode(data, Refusal)
        position = self._position(signed.message.sender)
        message = signed.check(self._bundles[position].identity_key)
        if message.session not in (self.session, bytes(32)) or message.recipient != COORDINATOR:
            raise ProtocolError(f"refusal of {message.sender!r}: of another session")
        self.refusals[message.sender] = message
        return message

    def _to(self, name: str) -> dict[str, Any]:
        return {
            "run": self.plan.run,
            "round": self.plan.round,
            "session": self.session,
            "sender": COORDINATOR,
            "recipient": name,
        }

    def _from(self, data: bytes, kind: type[_M], seen: dict[int, _M]) -> tuple[_M, int]:
        """Decode a member's first message of its kind and check its signature and session."""
        signed = decode(data, kind)
        position = self._position(signed.message.sender)
        message = signed.check(self._bundles[position].identity_key)
        bound = (message.run, message.round, message.session, message.recipient)
        if bound != (self.plan.run, self.plan.round, self.session, COORDINATOR):
            raise ProtocolError(f"{kind.__name__} of {message.sender!r}: of another session")
        if position in seen:
            raise ProtocolError(f"{kind.__name__} of {message.sender!r}: received already")
        return message, position

    def _position(self, name: str) -> int:
        position = bisect_left(self.plan.cohort, name)
        if position == len(self.plan.cohort) or self.plan.cohort[position] != name:
            raise ProtocolError(f"{name!r} is no member of the cohort of round {self.plan.round}")
        return position

    def _near(self, position: int, members: Subset) -> list[int]:
        return [near for near in self.graph.neighbours(position) if near in members]

    def _enough(self, members: Subset, what: str) -> None:
        """Abort unless enough members are left, and enough around each of them to open it.

        On a circulant graph one neighbourhood below the threshold cannot be left out alone: its neighbours on
        the ring share nearly all of its losses.
        """
        needed, threshold = self.plan.secagg.min_survivors, self.plan.secagg.threshold
        if len(members) < needed:
            self._abort(
                f"{len(members)} of {len(self.plan.cohort)} members {what}, {needed} are needed "
                f"({len(self.refusals)} refused)"
            )
        for position in self._completed.positions:
            left = len(self._near(position, members))
            if left < threshold and (position in members or left):
                name = self.plan.cohort[position]
                self._abort(f"{left} neighbours of {name!r} {what}, {threshold} are needed to open it")

    def _abort(self, why: str) -> None:
        self._end()
        raise RoundAbortedError(
            f"round {self.plan.round} of run {self.plan.run!r} aborted: {why}; nothing was opened. Begin the next "
            "round under a new number"
        )

    def _end(self) -> None:
        self.phase = Phase.DONE
        self._total = self._total[:0]
        self._run_private = b""

    def _in(self, phase: Phase, what: str) -> None:
        if self.phase != phase:
            raise ProtocolError(
                f"round {self.plan.round} of run {self.plan.run!r}: {what} in phase {self.phase.name.lower()}, "
                f"expected in {phase.name.lower()}; it is late or early"
            )
