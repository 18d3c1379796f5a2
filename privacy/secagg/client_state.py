"""What a client keeps between two messages, as one canonical record."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from privacy.secagg.codec import Bitmap, Blob, Fixed, Many, Named, Nested, Number, Record, Subset
from privacy.secagg.identity import Directory
from privacy.secagg.keys import Prekeys, Session

STATE_VERSION = 1
MAX_SESSIONS = 2
"""One that is being unmasked and one that is being set up; older ones are forgotten."""
MAX_RUNS = 64
_PLAN = 16 << 20

SET_UP, UPLOADED, UNMASKED = 1, 2, 3
NOBODY = Subset(0, ())
FORGOTTEN = bytes(32)
"""What takes the place of a secret that is no longer needed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Peer(Record):
    """A neighbour in one session."""

    position: Annotated[int, Number(4)]
    name: Annotated[str, Named()]
    identity_key: Annotated[bytes, Fixed(32)]
    channel_key: Annotated[bytes, Fixed(32)]
    mask_key: Annotated[bytes, Fixed(32)]
    self_share: Annotated[bytes, Blob(32)] = b""
    """The share of its self-mask seed that it dealt to us; empty before the upload, or where it dealt none."""
    mask_share: Annotated[bytes, Blob(32)] = b""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClientSession(Record):
    """One round as its client sees it."""

    run: Annotated[str, Named()]
    round: Annotated[int, Number(4)]
    id: Annotated[bytes, Fixed(32)]
    stage: Annotated[int, Number(1)] = SET_UP
    plan: Annotated[bytes, Blob(_PLAN)]
    """Without its model until the upload, whole from then on."""
    plan_hash: Annotated[bytes, Fixed(32)] = FORGOTTEN
    self_seed: Annotated[bytes, Fixed(32)]
    upload_key: Annotated[bytes, Fixed(32)]
    peers: Annotated[tuple[Peer, ...], Many(Nested(Peer))]
    completed: Annotated[Subset, Bitmap()] = NOBODY
    request: Annotated[bytes, Fixed(32)]
    """Hash of the last request that was answered,"""
    reply: Annotated[bytes, Blob(32 << 20)]
    """and the answer, which the same request gets again. An upload is never answered again."""

    @property
    def keys(self) -> Session:
        """What the session's keys are bound to."""
        return Session(self.run, self.round, self.id)

    def uploaded(
        self, plan: bytes, plan_hash: bytes, completed: Subset, peers: tuple[Peer, ...]
    ) -> ClientSession:
        """Return the session after its upload: what made the masks is forgotten."""
        return dataclasses.replace(
            self,
            stage=UPLOADED,
            plan=plan,
            plan_hash=plan_hash,
            completed=completed,
            peers=tuple(dataclasses.replace(peer, mask_key=FORGOTTEN) for peer in peers),
            self_seed=FORGOTTEN,
            upload_key=FORGOTTEN,
            request=FORGOTTEN,
            reply=b"",
        )

    def unmasked(self, request: bytes, reply: bytes) -> ClientSession:
        """Return the session after its unmasking: every secret is forgotten, the reply is kept."""
        return dataclasses.replace(self, stage=UNMASKED, plan=b"", peers=(), request=request, reply=reply)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Progress(Record):
    """The highest round of a run that the client set up for."""

    run: Annotated[str, Named()]
    round: Annotated[int, Number(4)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClientState(Record):
    """All of a client. Secret: store it encrypted."""

    version: Annotated[int, Number(2)] = STATE_VERSION
    name: Annotated[str, Named()]
    identity: Annotated[bytes, Fixed(32)]
    server_key: Annotated[bytes, Blob(32)]
    """Empty until the server is pinned."""
    policy: Annotated[bytes, Blob(1 << 16)]
    directory: Annotated[Directory, Nested(Directory)]
    sequence: Annotated[int, Number(8)] = 0
    prekeys: Annotated[tuple[Prekeys, ...], Many(Nested(Prekeys), 1)] = ()
    sessions: Annotated[tuple[ClientSession, ...], Many(Nested(ClientSession), MAX_SESSIONS)] = ()
    progress: Annotated[tuple[Progress, ...], Many(Nested(Progress), MAX_RUNS)] = ()

    def session(self, run: str, number: int) -> ClientSession | None:
        """Return the session of one round, or None."""
        return next((one for one in self.sessions if (one.run, one.round) == (run, number)), None)

    def with_session(self, session: ClientSession) -> ClientState:
        """Return the state with ``session`` in the place of its former self, or as the newest."""
        others = [one for one in self.sessions if (one.run, one.round) != (session.run, session.round)]
        if len(others) < len(self.sessions):
            sessions = [
                session if (one.run, one.round) == (session.run, session.round) else one
                for one in self.sessions
            ]
        else:
            sessions = [*others, session][-MAX_SESSIONS:]
        return dataclasses.replace(self, sessions=tuple(sessions))

    def highest(self, run: str) -> int:
        """Return the highest round of ``run`` that was set up for, 0 if none."""
        return next((one.round for one in self.progress if one.run == run), 0)

    def with_progress(self, run: str, number: int) -> ClientState:
        """Return the state after set-up for a round; the runs that were seen longest ago are forgotten."""
        others = [one for one in self.progress if one.run != run]
        return dataclasses.replace(
            self, progress=tuple([*others, Progress(run=run, round=number)][-MAX_RUNS:])
        )
