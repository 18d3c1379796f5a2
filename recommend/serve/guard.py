"""The door: who may speak to the server, and what every answer carries.

Guarantees, while the server listens on the loopback address only (``recommend.serve.server``):

D1. A request whose Host is not 127.0.0.1:PORT or localhost:PORT is refused. A name in the internet that is
    bent to 127.0.0.1 (DNS rebinding) therefore reaches nothing.
D2. A request with a foreign Origin, or that the browser marks as coming from another site, is refused; no
    answer ever has an Access-Control header. No other web page can use or read the interface.
D3. Every call of the interface needs the token of this start (256 bits, compared in constant time). It
    reaches the page in the fragment of its address, which browsers do not send and servers do not log.
    Exceptions: ``POST /face`` from programs that are no browser, as the original interface had no token; and
    ``POST /session``, which exchanges a code for a key (``recommend.serve.keys``).
D4. Every answer forbids its page everything but the server itself (Content-Security-Policy), being framed,
    being stored, and telling its address to others.

Assumptions: the browser obeys these headers (all current ones do). Other programs of the same person can read
the token from the terminal; other users of the machine cannot connect to what they do not know the token of,
apart from ``/face``, which gives them nothing but the measures of the picture that they sent.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.errors import MienError
from recommend.knowledge.model import Language
from recommend.serve.answers import failure, language_of
from recommend.serve.keys import Keys
from recommend.serve.offline import Traffic
from recommend.serve.problems import ForeignHostError, ForeignOriginError, TokenError

TOKEN_HEADER = "X-Mien-Token"  # noqa: S105 - the header's name
TOKENLESS_METHOD, TOKENLESS_PATH, SESSION_PATH = "POST", "/face", "/session"
OPEN_PREFIXES = ("/assets/", "/sheet/")  # a sheet's address is itself a secret that works once
OPEN_PATHS = frozenset({"/", "/index.html", "/favicon.ico", "/favicon.svg", "/openapi.json"})
OWN_SITES = ("same-origin", "none")  # Sec-Fetch-Site: our page, or the person's own typing

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "media-src 'self' blob:",
        "font-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=(), display-capture=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cache-Control": "no-store",
    "X-DNS-Prefetch-Control": "off",
}


class Guard:
    """ASGI middleware that checks Host, Origin and token, adds the headers, and counts what leaves."""

    def __init__(self, app: ASGIApp, *, port: int, keys: Keys, traffic: Traffic, language: Language) -> None:
        self._app, self._keys, self._traffic, self._language = app, keys, traffic, language
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._origins = {f"http://{host}" for host in self._hosts}
        if port == 80:
            self._hosts |= {"127.0.0.1", "localhost"}
            self._origins |= {"http://127.0.0.1", "http://localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer it here."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no WebSockets here
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            elif message["type"] == "http.response.body":
                self._traffic.count(scope.get("client"), len(message.get("body", b"")))
            await send(message)

        scope["language"] = language_of(scope, self._language)
        refused = self._check(scope)
        if refused is None:
            await self._app(scope, receive, send_guarded)
        else:
            await failure(refused, scope["language"])(scope, receive, send_guarded)

    def _check(self, scope: Scope) -> MienError | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return ForeignHostError(
                f"The request is for the host {hosts}: expected one of {sorted(self._hosts)}. "
                "Use the address that was printed at the start."
            )
        origins = headers.getlist("origin")
        if any(origin.lower() not in self._origins for origin in origins):
            return ForeignOriginError(
                f"The request comes from a page of {origins}: expected the server's own."
            )
        site = headers.get("sec-fetch-site")
        if site is not None and site.lower() not in OWN_SITES:
            return ForeignOriginError(f"The browser says that the request comes from a {site} page.")
        if _is_open(scope) or self._knows_token(headers) or _is_tokenless(scope, headers):
            return None
        return TokenError(
            f"The header {TOKEN_HEADER} is missing or does not hold the token of this start of the server."
        )

    def _knows_token(self, headers: Headers) -> bool:
        given = headers.getlist(TOKEN_HEADER)
        return len(given) == 1 and self._keys.opens(given[0])


def _is_open(scope: Scope) -> bool:
    path = scope["path"]
    if (scope["method"], path) == (TOKENLESS_METHOD, SESSION_PATH):
        return True
    return scope["method"] in ("GET", "HEAD") and (path in OPEN_PATHS or path.startswith(OPEN_PREFIXES))


def _is_tokenless(scope: Scope, headers: Headers) -> bool:
    """Say whether this is the original interface called by a program that is no browser."""
    if scope["path"] != TOKENLESS_PATH or scope["method"] != TOKENLESS_METHOD:
        return False
    return not any(name == "origin" or name.startswith("sec-fetch-") for name in headers)
