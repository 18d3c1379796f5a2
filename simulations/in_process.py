"""A Flower ``Grid`` in one process: unmodified ServerApp and ClientApp, no Ray, no sockets, no polling.

Messages are handled one after another in the order in which they are sent, so a run is deterministic as far
as its apps are. A fault plan says which client fails in which phase, so that every failure can be replayed.

It uses three semi-private names of Flower (``TaskIdentity``, ``Run.create_empty``, message metadata), which
is why ``flwr`` is pinned to one minor version.
"""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Callable, Iterable
from typing import Literal

from flwr.app import Context, Error, Message, RecordDict, UserConfig
from flwr.clientapp import ClientApp
from flwr.common.constant import NUM_PARTITIONS_KEY, PARTITION_ID_KEY, SUPERLINK_NODE_ID, ErrorCode
from flwr.serverapp import Grid, ServerApp
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

Failure = Literal["lost", "reply_lost", "crash"]
"""``lost``: the request never arrives. ``reply_lost``: the client did its work, nobody hears of it.
``crash``: the client app dies, and the coordinator is told so."""

FaultPlan = Callable[[str, int, int], Failure | None]
"""Called with the message type, how often this client was sent it before, and the client's partition."""


class InProcessGrid(Grid):
    """Runs ``clients`` copies of a ClientApp, each with its own Flower context.

    ``node_config`` is given to every client, with its partition number added.
    """

    def __init__(
        self,
        app: ClientApp,
        clients: int,
        *,
        run_config: UserConfig,
        node_config: UserConfig | None = None,
        faults: FaultPlan | None = None,
        run_id: int = 1,
    ) -> None:
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, run_id, SUPERLINK_NODE_ID
        self._app, self._faults, self._run = app, faults, Run.create_empty(run_id=run_id)
        self._contexts = {
            partition + 2: Context(  # node 1 is the coordinator's own
                run_id=run_id,
                node_id=partition + 2,
                node_config={**(node_config or {}), PARTITION_ID_KEY: partition, NUM_PARTITIONS_KEY: clients},
                state=RecordDict(),
                run_config=run_config,
            )
            for partition in range(clients)
        }
        self._numbers = itertools.count(1)
        self._seen: dict[tuple[str, int], int] = {}
        self._replies: dict[str, Message] = {}

    def set_run(self, run: Run) -> None:
        """Take the run that this grid belongs to."""
        self._run = run

    @property
    def run(self) -> Run:
        """The run that this grid belongs to."""
        return self._run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """Return a message as ``flwr.app.Message`` makes it (kept for Flower's interface)."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> list[int]:
        """Return all nodes, in order of their partitions."""
        return list(self._contexts)

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Deliver each message and keep its reply, if there is one."""
        return [self._deliver(message) for message in messages]

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Return, once, the replies that there are to the given messages."""
        return [self._replies.pop(number) for number in list(message_ids) if number in self._replies]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        """Deliver one message after another, until ``timeout`` seconds have passed, and return the replies.

        Each reply is handed over before the next message is delivered only if the caller iterates
        :meth:`stream`; this method, like Flower's, returns them all at the end.
        """
        return list(self.stream(messages, timeout=timeout))

    def stream(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """Yield replies as they come: memory then holds one client's reply, not a cohort's."""
        end = None if timeout is None else time.monotonic() + timeout
        for message in messages:
            if end is not None and time.monotonic() >= end:
                return
            yield from self.pull_messages([self._deliver(message)])

    def _deliver(self, message: Message) -> str:
        number = f"message-{next(self._numbers)}"
        message.metadata.__dict__["_message_id"] = number
        node, kind = message.metadata.dst_node_id, message.metadata.message_type
        times = self._seen.get((kind, node), 0)
        self._seen[kind, node] = times + 1
        failure = self._faults(kind, times, node - 2) if self._faults else None
        if failure == "lost":
            return number
        if failure == "crash":
            self._replies[number] = _error(message, "the client app was killed")
            return number
        try:
            reply = self._app(_own_containers(message), self._contexts[node])
        except Exception as error:  # whatever a ClientApp raises becomes an error reply
            reply = _error(message, repr(error))
        if failure != "reply_lost":
            reply.metadata.__dict__["_message_id"] = f"reply-to-{number}"
            self._replies[number] = reply
        return number


def run_in_process(
    server_app: ServerApp,
    client_app: ClientApp,
    clients: int,
    *,
    run_config: UserConfig,
    node_config: UserConfig | None = None,
    faults: FaultPlan | None = None,
) -> None:
    """Run a whole Flower app in this process. Exceptions of the ServerApp reach the caller."""
    grid = InProcessGrid(client_app, clients, run_config=run_config, node_config=node_config, faults=faults)
    context = Context(
        run_id=1, node_id=SUPERLINK_NODE_ID, node_config={}, state=RecordDict(), run_config=run_config
    )
    server_app(grid, context)


def _error(message: Message, reason: str) -> Message:
    return Message(Error(code=ErrorCode.CLIENT_APP_RAISED_EXCEPTION, reason=reason), reply_to=message)


def _own_containers(message: Message) -> Message:
    """Give the client its own record containers, arrays shared: strategies put one record in many messages."""
    if message.has_error():
        return message
    content = RecordDict({name: copy.copy(record) for name, record in message.content.items()})
    own = copy.copy(message)
    own.__dict__.update(_content=content, _metadata=copy.copy(message.metadata))
    return own
