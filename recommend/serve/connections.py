"""Connections that ask nothing, or slowly: each has a time in which a request's head must have come.

Guarantees:

C1. A connection that holds no request in work is closed when the head of one is not complete within
    ``HEAD_SECONDS``, however its bytes drip in.
C2. No more than ``MAX_CONNECTIONS`` are open. One more takes the place of the one that has been idle longest;
    where all have a request in work, it is closed.

The parser is h11, whatever else is installed: it is strict with ambiguous requests and bounds their heads.
"""

from __future__ import annotations

import asyncio
from typing import cast

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 15.0
MAX_CONNECTIONS = 256


class PatientProtocol(H11Protocol):
    """uvicorn's connection over h11, with an end to its patience."""

    head_seconds = HEAD_SECONDS
    max_connections = MAX_CONNECTIONS
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room for the connection, or close it; then wait for its first head."""
        if len(self.connections) >= self.max_connections:
            idle = [one for one in self.connections if isinstance(one, PatientProtocol) and one._deadline]
            longest = min(
                idle, key=lambda one: cast("asyncio.TimerHandle", one._deadline).when(), default=None
            )
            (transport if longest is None else longest.transport).abort()
            if longest is not None:
                self.connections.discard(longest)
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take bytes in; those of a head that is not complete do not lengthen its time."""
        super().data_received(data)
        self._wait()

    def on_response_complete(self) -> None:
        """Wait for the next head after an answer."""
        super().on_response_complete()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop the timer with the connection."""
        self._stop()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()
        elif self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self.head_seconds, self.transport.abort)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
