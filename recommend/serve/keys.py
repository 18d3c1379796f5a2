"""What opens the server: the token of this start, and a code that is exchanged for a session once.

The link that starts a browser is an argument of its process, and other users of the machine may list those.
So that link carries a code and not the token.

Guarantees:

K1. The token and a session's key are 256 random bits of the operating system, compared in constant time.
K2. A code opens one session, within ``CODE_SECONDS``, and never a second one.
K3. A code that is shown again within that time ends the session that it opened: it was seen by two, and which
    of them is the person cannot be known. The person still has the token that the terminal shows.

Assumptions: the person's page is loaded within seconds of the code's first appearance. Who is quicker than the
page has a session until the page asks, which ends it (K3) and tells the person that the link is used up.
"""

from __future__ import annotations

import dataclasses
import hmac
import threading
import time
from collections.abc import Callable

from mien.errors import MienError
from privacy.randomness import RandomSource, SystemSource
from recommend.serve.problems import TokenError

KEY_BYTES = 32
CODE_BYTES = 16
CODE_SECONDS = 120.0
MAX_CODES = 8


@dataclasses.dataclass
class _Code:
    until: float
    session: str | None = None


class Keys:
    """The keys of one start of the server; all threads may use it."""

    def __init__(
        self,
        token: str | None = None,
        *,
        source: RandomSource | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source, self._clock = source or SystemSource(), clock
        self.token = self._source.bytes(KEY_BYTES).hex() if token is None else token
        self._codes: dict[str, _Code] = {}
        self._sessions: set[str] = set()
        self._lock = threading.Lock()

    def issue_code(self) -> str:
        """Return a new code, 32 hexadecimal digits, for the link that a browser is started with."""
        with self._lock:
            self._expire()
            code = self._source.bytes(CODE_BYTES).hex()
            self._codes[code] = _Code(self._clock() + CODE_SECONDS)
            while len(self._codes) > MAX_CODES:
                del self._codes[next(iter(self._codes))]
            return code

    def redeem(self, code: str) -> str:
        """Return the key of a new session; raise TokenError for a code that is unknown, used or too old."""
        with self._lock:
            self._expire()
            given = code.encode()
            found = [
                entry for name, entry in self._codes.items() if hmac.compare_digest(given, name.encode())
            ]
            if found and found[0].session is None:
                found[0].session = self._source.bytes(KEY_BYTES).hex()
                self._sessions.add(found[0].session)
                return found[0].session
            if found:
                self._sessions.discard(str(found[0].session))
            raise _used_up()

    def opens(self, key: str) -> bool:
        """Say whether a key is the token or that of an open session."""
        with self._lock:
            known = [self.token, *self._sessions]
        given = key.encode()
        return sum(hmac.compare_digest(given, one.encode()) for one in known) > 0

    def _expire(self) -> None:
        now = self._clock()
        self._codes = {name: code for name, code in self._codes.items() if now < code.until}


def _used_up() -> MienError:
    return TokenError(
        "The code is unknown, was used before, or is too old: it works once, soon after the start. Open the link "
        "that the terminal shows."
    )
