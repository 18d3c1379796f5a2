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
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from mien.errors import MienError, ProtocolError
from privacy.plan import RoundPlan
from privacy.randomness import RandomSource
from privacy.secagg import client_setup, client_unmask, client_upload
from privacy.secagg.client_state import SET_UP, STATE_VERSION, UNMASKED, ClientSession, ClientState
from privacy.secagg.identity import COORDINATOR, Directory, Identity
from privacy.secagg.keys import Prekeys
from privacy.secagg.masking import FieldVector
from privacy.secagg.messages import (
    NO_SESSION,
    Enrolment,
    Message,
    Refusal,
    SetupRequest,
    UnmaskRequest,
    UploadRequest,
    decode,
    encode,
    kind_of,
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

    def provision(self, directory: Directory) -> None:
        """Take over a newer provisioned directory; see :meth:`Directory.provisioned`."""
        self._state = dataclasses.replace(self._state, directory=self.directory.succeeded_by(directory))

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
        return client_upload.check(message, session, self.name, self.policy)

    def upload(
        self,
        request: bytes,
        vector: NDArray[np.int32] | NDArray[np.int64],
        out: FieldVector | None = None,
    ) -> tuple[bytes, FieldVector]:
        """Answer an upload request: the signed header, and ``vector`` under all its masks.

        ``vector`` holds ``plan.secagg.vector_length`` signed integers of the field's word size, C-contiguous.
        ``out`` receives the masked vector; pass ``vector.view(uint32)`` to mask in place. After an error
        ``out`` is undefined and must not be sent.
        """
        message, session = self._session_of(request, UploadRequest)
        plan = client_upload.check(message, session, self.name, self.policy)
        after, header, masked = client_upload.answer(
            session, self.identity, self.name, plan, message, vector, out
        )
        self._state = self._state.with_session(after)
        return header, masked

    def unmask(self, request: bytes) -> bytes:
        """Answer an unmask request: one share of each neighbour that uploaded or dropped out, sealed."""
        message, session = self._session_of(request, UnmaskRequest)
        digest = hashlib.sha256(request).digest()
        if session.stage == UNMASKED and session.request == digest:
            return session.reply
        after, reply = client_unmask.answer(session, self.identity, self.name, message, digest, self._source)
        self._state = self._state.with_session(after)
        return reply

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
