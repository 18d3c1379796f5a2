"""The client's side of the protocol: one object, five calls, no I/O, no clock, no globals.

    enrol → (set-up → upload → unmask) for every round; the set-up of the next round may come before this
    round's unmask.

Every call either returns a signed answer or raises and changes nothing. :meth:`SecAggClient.refuse` turns
what it raised into a signed refusal for the server. Between two calls the caller stores
:meth:`SecAggClient.to_bytes`, encrypted, *before* it sends the answer: a client that is restored from an
older state would mask or answer twice.

Guarantees, beyond those of the modules it uses (assumption: the stored state is never rolled back):

C1. One set-up per bundle and per round; rounds of a run only ascend. A replayed request of an earlier round or
    run names a bundle whose secrets are gone.
C2. One upload per session, under one plan: the plan that was set up for, completed by one model.
C3. One answer to one survivor set per session. The same request again gets the same bytes; any other is
    refused.
C4. The client refuses unless it is itself in the cohort, the completed set and the survivors, each a subset
    of the one before, with at least ``threshold`` of its neighbours and ``min_survivors`` in all.
"""

from __future__ import annotations

import dataclasses
import hashlib
from bisect import bisect_left
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from mien.errors import MienError, ProtocolError
from privacy.plan import RoundPlan
from privacy.randomness import RandomSource
from privacy.secagg import agreement, client_setup, dealing, masking
from privacy.secagg.client_state import SET_UP, STATE_VERSION, UNMASKED, ClientSession, ClientState, Peer
from privacy.secagg.codec import Subset
from privacy.secagg.dealing import Kind
from privacy.secagg.encoding import element_bound
from privacy.secagg.identity import COORDINATOR, Directory, Identity, verify
from privacy.secagg.keys import Prekeys
from privacy.secagg.memory import aligned_empty
from privacy.secagg.messages import (
    NO_SESSION,
    Enrolment,
    Message,
    Refusal,
    SetupRequest,
    UnmaskReply,
    UnmaskRequest,
    UploadHeader,
    UploadRequest,
    decode,
    encode,
    kind_of,
    subset_hash,
)
from privacy.secagg.policy import SecAggPolicy

_M = TypeVar("_M", bound=Message)


class SecAggClient:
    """One device's part in secure aggregation.

    Methods raise PolicyError or ProtocolError, and then change nothing.
    """

    def __init__(self, state: ClientState, source: RandomSource) -> None:
        self._state = state
        self._source = source
        self.identity = Identity.from_bytes(state.identity)
        try:
            self.policy = SecAggPolicy.model_validate_json(state.policy)
        except ValidationError as error:
            raise ProtocolError(
                f"client state: the stored policy is invalid: {error.errors()[0]['msg']}"
            ) from None

    @classmethod
    def create(
        cls,
        name: str,
        identity: Identity,
        server_key: bytes | None,
        policy: SecAggPolicy,
        source: RandomSource,
        directory: Directory | None = None,
    ) -> SecAggClient:
        """Return a new client. With ``server_key`` None the first server that asks is pinned.

        ``directory`` is first-use unless a provisioned one is given.
        """
        if name == COORDINATOR:
            raise ProtocolError(f"client name {name!r} is reserved for the server; choose another")
        if server_key is not None and len(server_key) != 32:
            raise ProtocolError(f"server key: expected 32 bytes, got {len(server_key)}")
        state = ClientState(
            name=name,
            identity=identity.to_bytes(),
            server_key=server_key or b"",
            policy=policy.model_dump_json().encode(),
            directory=directory or Directory.first_use(),
        )
        ClientState.from_bytes(state.to_bytes())
        return cls(state, source)

    @property
    def name(self) -> str:
        """The client's name."""
        return self._state.name

    @property
    def server_key(self) -> bytes | None:
        """The pinned identity key of the server, or None before the first set-up."""
        return self._state.server_key or None

    @property
    def directory(self) -> Directory:
        """The members that were seen so far."""
        return self._state.directory

    def to_bytes(self) -> bytes:
        """Return the whole state, secrets included; store it encrypted, before sending what the call returned."""
        return self._state.to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes, source: RandomSource) -> SecAggClient:
        """Return the client of a stored state. Raises ProtocolError for anything else."""
        state = ClientState.from_bytes(data)
        if state.version != STATE_VERSION:
            raise ProtocolError(
                f"client state: version {state.version}; this program reads {STATE_VERSION}. Enrol the device anew"
            )
        return cls(state, source)

    def enrol(self, run: str) -> bytes:
        """Return a signed enrolment with fresh prekeys, which take the place of unused ones.

        To be called once per device, and again when the server has no unused prekeys of it (a set-up request
        or its answer was lost).
        """
        sequence = self._state.sequence + 1
        prekeys = Prekeys.generate(self.name, self.identity, sequence, self._source)
        state = dataclasses.replace(self._state, prekeys=(prekeys,), sequence=sequence)
        message = Enrolment(
            run=run,
            round=0,
            session=NO_SESSION,
            sender=self.name,
            recipient=COORDINATOR,
            bundle=prekeys.bundle,
        )
        encoded = encode(message, self.identity)
        self._state = state
        return encoded

    def setup(self, request: bytes) -> bytes:
        """Answer a set-up request with shares for every neighbour and the next prekeys."""
        signed = decode(request, SetupRequest)
        server_key = self._state.server_key or signed.message.server_key
        message = signed.check(server_key)
        self._addressed(message)
        session = self._state.session(message.run, message.round)
        digest = hashlib.sha256(request).digest()
        if session is not None and session.stage == SET_UP and session.request == digest:
            return session.reply
        self._state, reply = client_setup.answer(
            self._state, self.identity, self.policy, message, server_key, digest, self._source
        )
        return reply

    def plan_of(self, request: bytes) -> RoundPlan:
        """Return the plan of an upload request after every check, to train by. Changes nothing."""
        message, session = self._session_of(request, UploadRequest)
        return self._check_upload(message, session)

    def upload(
        self,
        request: bytes,
        vector: NDArray[np.int32] | NDArray[np.int64],
        out: masking.FieldVector | None = None,
    ) -> tuple[bytes, masking.FieldVector]:
        """Answer an upload request: the signed header, and ``vector`` under all its masks.

        ``vector`` holds ``plan.secagg.vector_length`` signed integers of the field's word size, C-contiguous.
        ``out`` receives the masked vector; pass ``vector.view(uint32)`` to mask in place. After an error
        ``out`` is undefined and must not be sent.
        """
        message, session = self._session_of(request, UploadRequest)
        plan = self._check_upload(message, session)
        dtype = masking.field_dtype(plan.secagg.field_bits)
        _check_vector(vector, plan, np.dtype(f"<i{dtype.itemsize}"), "vector")
        if out is None:
            out = aligned_empty(len(vector), dtype)
        _check_vector(out, plan, dtype, "out")

        peers = self._accept_deals(message, session)
        me = bisect_left(plan.cohort, self.name)
        masks = [(session.keys.self_mask_key(session.self_seed, self.name), True)]
        masks += [(peer.mask_key, peer.position > me) for peer in peers]
        tag = masking.mask_vector(vector, masks, session.upload_key, element_bound(plan), out)

        content = dealing.confirmation_content(session.id, self.name, plan.hash, message.completed)
        header = UploadHeader(
            run=session.run,
            round=session.round,
            session=session.id,
            sender=self.name,
            recipient=COORDINATOR,
            plan_hash=plan.hash,
            completed_hash=subset_hash(message.completed),
            length=len(out),
            bits=plan.secagg.field_bits,
            tag=tag,
            confirmation=self.identity.sign(dealing.CONFIRMATION, content),
        )
        encoded = encode(header, self.identity)
        after = session.uploaded(message.plan, plan.hash, message.completed, peers)
        self._state = self._state.with_session(after)
        return encoded, out

    def unmask(self, request: bytes) -> bytes:
        """Answer an unmask request: one share of each neighbour that uploaded or dropped out, sealed."""
        message, session = self._session_of(request, UnmaskRequest)
        digest = hashlib.sha256(request).digest()
        if session.stage == UNMASKED:
            if session.request == digest:
                return session.reply
            raise ProtocolError(
                f"round {session.round} of run {session.run!r}: a second, different unmask request; one survivor "
                "set is answered per round, refuse it"
            )
        if session.stage == SET_UP:
            raise ProtocolError(
                f"round {session.round}: unmask request before this client uploaded; refuse it"
            )
        surviving = self._check_survivors(message, session)
        view = agreement.view_of(session.id, session.plan_hash, session.completed, message.survivors)
        plan = RoundPlan.from_bytes(session.plan)
        sealed = agreement.seal(
            self.name,
            view,
            plan.secagg.threshold,
            [agreement.Neighbour(peer.name, peer.position + 1, peer.channel_key) for peer in surviving],
            dealing.encode_payload([_entry(peer, message.survivors) for peer in session.peers]),
            self._source,
        )
        reply = UnmaskReply(
            run=session.run,
            round=session.round,
            session=session.id,
            sender=self.name,
            recipient=COORDINATOR,
            plan_hash=session.plan_hash,
            view=view,
            pieces=sealed.pieces,
            tokens=sealed.tokens,
            sealed=sealed.payload,
        )
        encoded = encode(reply, self.identity)
        self._state = self._state.with_session(session.unmasked(digest, encoded))
        return encoded

    def refuse(self, request: bytes, error: MienError) -> bytes:
        """Return the signed refusal of ``request`` for the reason that ``error`` gives. Changes nothing.

        The text of ``error`` goes to the server. The request need not be readable.
        """
        run, number, session = "unreadable", 0, NO_SESSION
        try:
            message = decode(request, kind_of(request)).message
            run, number, session = message.run, message.round, message.session
        except ProtocolError:
            pass  # the refusal still names the request by its hash
        refusal = Refusal(
            run=run,
            round=number,
            session=session,
            sender=self.name,
            recipient=COORDINATOR,
            code=error.exit_code,
            request=hashlib.sha256(request).digest(),
            text=str(error).encode()[:2000].decode(errors="ignore"),
        )
        return encode(refusal, self.identity)

    def _addressed(self, message: Message) -> None:
        if message.recipient != self.name or message.sender != COORDINATOR:
            raise ProtocolError(
                f"{type(message).__name__}: from {message.sender!r} to {message.recipient!r}; expected from "
                f"{COORDINATOR!r} to {self.name!r}"
            )

    def _session_of(self, request: bytes, kind: type[_M]) -> tuple[_M, ClientSession]:
        """Decode a request of a running session. Raises ProtocolError where there is none such."""
        if not self._state.server_key:
            raise ProtocolError(f"{kind.__name__}: no server is pinned yet; set-up comes first")
        message = decode(request, kind).check(self._state.server_key)
        self._addressed(message)
        session = self._state.session(message.run, message.round)
        if session is None or session.id != message.session:
            raise ProtocolError(
                f"{kind.__name__}: run {message.run!r} round {message.round} is no session of this client (never "
                "set up, long over, or replayed)"
            )
        return message, session

    def _check_upload(self, message: UploadRequest, session: ClientSession) -> RoundPlan:
        if session.stage != SET_UP:
            raise ProtocolError(
                f"round {session.round} of run {session.run!r}: uploaded already; a client uploads once per session"
            )
        plan = RoundPlan.from_bytes(message.plan)
        if plan.session.to_bytes() != session.plan or plan.model_hash is None:
            raise ProtocolError(
                f"round {session.round} of run {session.run!r}: the plan is not the one that was set up for, "
                "completed by a model; it was changed after keys were sent"
            )
        self.policy.check(plan)
        completed = message.completed
        _check_subset(completed, plan, self.name, session.peers, "completed set-up")
        if len(message.deals) != sum(peer.position in completed for peer in session.peers):
            raise ProtocolError("upload request: the number of deals is not that of the completed neighbours")
        return plan

    def _accept_deals(self, message: UploadRequest, session: ClientSession) -> tuple[Peer, ...]:
        """Return the neighbours that completed set-up, with the shares they dealt (none where unusable)."""
        peers = []
        deals = iter(message.deals)
        for peer in session.peers:
            if peer.position not in message.completed:
                continue
            shares = dealing.open_deal(session.id, peer.name, self.name, peer.channel_key, next(deals))
            if shares is not None:
                peer = dataclasses.replace(peer, self_share=shares.self_share, mask_share=shares.mask_share)
            peers.append(peer)
        return tuple(peers)

    def _check_survivors(self, message: UnmaskRequest, session: ClientSession) -> list[Peer]:
        """Return the surviving neighbours; raises ProtocolError unless the request is sound."""
        plan, survivors = RoundPlan.from_bytes(session.plan), message.survivors
        if message.plan_hash != session.plan_hash:
            raise ProtocolError(f"round {session.round}: unmask request for another plan; refuse it")
        _check_subset(survivors, plan, self.name, session.peers, "survived")
        strangers = survivors.as_set - session.completed.as_set
        if strangers:
            names = ", ".join(plan.cohort[position] for position in sorted(strangers)[:3])
            raise ProtocolError(
                f"round {session.round}: survivors that did not complete set-up: {names}; refuse it"
            )
        surviving = [peer for peer in session.peers if peer.position in survivors]
        if len(message.confirmations) != len(surviving):
            raise ProtocolError(
                f"unmask request: {len(surviving)} confirmations expected, got {len(message.confirmations)}"
            )
        for peer, confirmation in zip(surviving, message.confirmations, strict=True):
            content = dealing.confirmation_content(
                session.id, peer.name, session.plan_hash, session.completed
            )
            verify(peer.identity_key, dealing.CONFIRMATION, content, confirmation, peer.name)
        return surviving


def _entry(peer: Peer, survivors: Subset) -> tuple[Kind, bytes]:
    if not peer.self_share:
        return Kind.NONE, bytes(32)
    return (Kind.SELF, peer.self_share) if peer.position in survivors else (Kind.MASK, peer.mask_share)


def _check_subset(members: Subset, plan: RoundPlan, name: str, peers: tuple[Peer, ...], what: str) -> None:
    """Raise ProtocolError unless ``members`` fit the plan, include ``name``, and are enough (guarantee C4)."""
    if members.size != len(plan.cohort):
        raise ProtocolError(f"members that {what}: of a cohort of {members.size}, not {len(plan.cohort)}")
    if bisect_left(plan.cohort, name) not in members:
        raise ProtocolError(f"members that {what}: this client, {name!r}, is not among them; refuse it")
    if len(members) < plan.secagg.min_survivors:
        raise ProtocolError(f"{len(members)} members {what}, at least {plan.secagg.min_survivors} are needed")
    near = sum(peer.position in members for peer in peers)
    if near < plan.secagg.threshold:
        raise ProtocolError(f"{near} neighbours {what}, the threshold is {plan.secagg.threshold}")


def _check_vector(vector: NDArray[Any], plan: RoundPlan, dtype: np.dtype[Any], what: str) -> None:
    length = plan.secagg.vector_length
    if vector.dtype != dtype or vector.shape != (length,) or not vector.flags.c_contiguous:
        raise ProtocolError(
            f"upload: {what} must be contiguous {dtype.name} of shape ({length},), got {vector.dtype.name} of "
            f"shape {vector.shape}"
        )
