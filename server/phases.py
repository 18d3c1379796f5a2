"""One message phase: ask a set of clients, and hand over each answer as it comes.

Answers are consumed one by one, so the coordinator holds one client's vector at a time. No wait is without
limit: a phase ends when all have answered or its deadline has passed.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from flwr.app import Message
from flwr.serverapp import Grid

from mien.errors import ProtocolError
from mien.wire import Part, pack, size, unpack
from privacy.audit.transcript import Transcript

_POLL_SECONDS = 0.2

Parts = Mapping[str, Part]


@runtime_checkable
class StreamingGrid(Protocol):
    """A grid that delivers and answers one message after another (the in-process engine)."""

    def stream(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """Yield replies as they come."""


@dataclass
class Tally:
    """What a round has sent and received, in bytes of payload, and who said no."""

    up: int = 0
    down: int = 0
    refusals: dict[str, str] = field(default_factory=dict)


class Phases:
    """Asks clients over a Flower grid, keeps the tally of a round, and writes every message's hash down."""

    def __init__(self, grid: Grid, deadline_seconds: float, transcript: Transcript) -> None:
        self._grid, self._deadline, self._transcript = grid, deadline_seconds, transcript
        self.tally = Tally()

    def ask(
        self,
        kind: str,
        round_number: int,
        requests: Mapping[int, Parts],
        names: Mapping[int, str],
        watch: Callable[[int, int], None],
    ) -> Iterator[tuple[int, dict[str, Part]]]:
        """Send ``requests`` (by node) and yield ``(node, parts)`` for every usable answer.

        A refusal, an error or a malformed answer is noted in the tally under the client's name and not
        yielded; ``watch(answered, asked)`` is called after each.
        """
        sent: Counter[str] = Counter()
        messages = (self._message(kind, round_number, node, parts, sent) for node, parts in requests.items())
        watch(0, len(requests))
        for answered, message in enumerate(self._replies(messages), start=1):
            node = message.metadata.src_node_id
            parts = self._open(kind, round_number, names.get(node, str(node)), message)
            watch(answered, len(requests))
            if parts is not None:
                yield node, parts
        self._transcript.append(
            "asked", round=round_number, message=kind, clients=len(requests), bytes=dict(sent)
        )

    def _message(self, kind: str, round_number: int, node: int, parts: Parts, sent: Counter[str]) -> Message:
        self.tally.down += size(parts)
        sent.update({name: size({name: part}) for name, part in parts.items()})
        return Message(pack(parts), node, kind, group_id=str(round_number))

    def _replies(self, messages: Iterable[Message]) -> Iterator[Message]:
        if isinstance(self._grid, StreamingGrid):
            yield from self._grid.stream(messages, timeout=self._deadline)
            return
        waiting = set(self._grid.push_messages(messages))
        end = time.monotonic() + self._deadline
        while waiting and time.monotonic() < end:
            for reply in self._grid.pull_messages(waiting):
                waiting.discard(reply.metadata.reply_to_message_id)
                yield reply
            if waiting:
                time.sleep(_POLL_SECONDS)

    def _open(self, kind: str, round_number: int, name: str, message: Message) -> dict[str, Part] | None:
        if message.has_error():
            self.tally.refusals[name] = f"no answer: {message.error.reason}"
            return None
        try:
            parts = unpack(message.content)
        except ProtocolError as error:
            self.tally.refusals[name] = str(error)
            return None
        self.tally.up += size(parts)
        self._transcript.append(
            "received",
            round=round_number,
            message=kind,
            client=name,
            parts={name: digest(name, part) for name, part in parts.items()},
        )
        refusal = parts.get("refusal")
        if isinstance(refusal, bytes):
            self.tally.refusals[name] = refusal.decode("utf-8", "replace")
            return None
        return parts


_WHOLE = ("enrolment", "header")
"""Parts that are written down whole: public keys, and what a client signed of its masked vector (T3, T6)."""


def digest(name: str, part: Part) -> dict[str, object]:
    """Return the size and, for byte strings, the SHA-256 of a message part; of some also the content.

    The masked vector itself is bound by the tag in its signed header.
    """
    if isinstance(part, bytes):
        facts = {"bytes": len(part), "sha256": hashlib.sha256(part).hexdigest()}
        return {**facts, "content": base64.b64encode(part).decode()} if name in _WHOLE else facts
    return {"bytes": part.nbytes, "dtype": str(part.dtype), "shape": list(part.shape)}
