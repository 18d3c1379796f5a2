"""Start the server on the loopback address, open the page, run until it is stopped.

Guarantee L1: it listens on 127.0.0.1 and nothing else. Another address is refused before a socket exists:
photos of faces and a camera's frames would cross a network, in the clear, to whoever asks.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable

import uvicorn

from mien.errors import ServeError
from privacy.randomness import RandomSource
from recommend.knowledge.model import Language
from recommend.serve.app import create_app
from recommend.serve.connections import PatientProtocol
from recommend.serve.keys import Keys
from recommend.serve.limits import Limits
from recommend.serve.offline import Traffic, watch
from recommend.serve.opinions import Opinions
from recommend.serve.sandbox import no_core_dump

HOST = "127.0.0.1"
DEFAULT_PORT = 8420
_BACKLOG = 128


def serve(
    *,
    port: int = DEFAULT_PORT,
    host: str = HOST,
    language: Language = "en",
    browser: bool = True,
    limits: Limits | None = None,
    opinions: Opinions | None = None,
    announce: Callable[[str], None] = print,
    source: RandomSource | None = None,
) -> None:
    """Serve until interrupted. ``announce`` is given the address with the token; ``port`` 0 takes a free one.

    Raises ServeError for an address that is not 127.0.0.1 and a port that cannot be had, and
    MissingModelError where the landmark model is not installed.
    """
    with contextlib.closing(listen(host, port)) as listener:
        bound = int(listener.getsockname()[1])
        keys = Keys(source=source)
        no_core_dump()
        traffic = Traffic()
        watch(traffic)
        app = create_app(
            port=bound, keys=keys, language=language, limits=limits, traffic=traffic, opinions=opinions
        )
        config = uvicorn.Config(
            app,
            http=PatientProtocol,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            backlog=_BACKLOG,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=5,
            h11_max_incomplete_event_size=32 * 1024,
        )
        page = f"http://{HOST}:{bound}/"
        _Server(config, lambda: _open(page, keys, announce, browser=browser)).run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on the loopback address; raise ServeError for any other."""
    if host != HOST:
        raise ServeError(
            f"The server was asked to listen on {host!r}: it listens on {HOST} only. Anywhere else, photos and "
            "camera pictures would cross a network. To use it from another device, install it there."
        )
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # a port that was just left may be taken again; on Windows this would share it
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        raise ServeError(
            f"Port {port} on {HOST} cannot be had: {error}. Choose another with --port, or --port 0 for a free one."
        ) from error
    if not ipaddress.ip_address(listener.getsockname()[0]).is_loopback:
        listener.close()
        raise ServeError("The system gave an address that is not loopback, so the server was not started.")
    return listener


class _Server(uvicorn.Server):
    """A server that says when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then call ``ready`` unless the start failed."""
        await super().startup(sockets)
        if self.started and not self.should_exit:
            self._ready()


def _open(page: str, keys: Keys, announce: Callable[[str], None], *, browser: bool) -> None:
    announce(f"{page}#token={keys.token}")
    sys.stdout.flush()
    if browser:
        # Others may list processes: what starts a browser carries a code that works once, not the token.
        address = f"{page}#code={keys.issue_code()}"
        # A browser in the terminal would keep the server waiting until it is left.
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
