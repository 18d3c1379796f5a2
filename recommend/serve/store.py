"""What the server remembers: a few readings and printable pages, in memory, for a short time.

Guarantees:

M1. Readings and views live in this object's dictionaries and nowhere else; nothing here can write a file.
M2. A reading is gone after ``idle_seconds`` without use, when ``readings`` newer ones were added, or when
    ``forget`` is called, whichever comes first. The photo's bytes are overwritten with zeros at that moment.
M3. An id is 128 bits from the operating system's generator, so knowing none gives access to none.

Assumptions: the swap space is encrypted or off. Python may hold copies of single answers, and freed memory is
not wiped, until the process reuses it or ends.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from mien.errors import MienError
from privacy.randomness import RandomSource, SystemSource
from recommend.preferences import Preferences
from recommend.reading.reading import Reading
from recommend.serve.limits import Limits
from recommend.serve.problems import UnknownReadingError

ID_BYTES = 16


@dataclasses.dataclass
class Held:
    """One reading, the JPEG of the photo it is drawn on, when it was used last, and for which wishes."""

    reading: Reading
    view: bytearray
    used: float
    wishes: Preferences = dataclasses.field(default_factory=Preferences)


@dataclasses.dataclass(frozen=True)
class _Ticket:
    page: str
    reading: str
    until: float


class Store:
    """Readings by id, least recently used first, and pages that can be fetched once."""

    def __init__(
        self,
        limits: Limits,
        *,
        source: RandomSource | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits, self._source, self._clock = limits, source or SystemSource(), clock
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._tickets: OrderedDict[str, _Ticket] = OrderedDict()
        self._lock = threading.RLock()

    def __len__(self) -> int:
        with self._lock:
            self.expire()
            return len(self._held)

    def add(self, reading: Reading, view: bytes) -> str:
        """Keep a reading and its photo (JPEG); return its new id, 32 hexadecimal digits."""
        with self._lock:
            self.expire()
            name = self._name()
            self._held[name] = Held(reading, bytearray(view), self._clock())
            while len(self._held) > self._limits.readings:
                self._drop(next(iter(self._held)))
            return name

    def get(self, name: str) -> Held:
        """Return a reading and count it as used now; raise UnknownReadingError where it is not held."""
        with self._lock:
            self.expire()
            held = self._held.get(name)
            if held is None:
                raise _unknown()
            held.used = self._clock()
            self._held.move_to_end(name)
            return held

    def forget(self, name: str | None = None) -> int:
        """Drop one reading, or all; return how many were dropped. An unknown one is already forgotten."""
        with self._lock:
            names = list(self._held) if name is None else [name] if name in self._held else []
            for each in names:
                self._drop(each)
            if name is None:
                self._tickets.clear()
            return len(names)

    def expire(self) -> None:
        """Drop what nobody used for ``idle_seconds``."""
        with self._lock:
            now = self._clock()
            for name in [n for n, h in self._held.items() if now - h.used >= self._limits.idle_seconds]:
                self._drop(name)
            for name in [n for n, ticket in self._tickets.items() if now >= ticket.until]:
                del self._tickets[name]

    def issue(self, page: str, reading: str) -> str:
        """Keep a page to be fetched once; return its name. It goes when its reading is forgotten."""
        with self._lock:
            self.expire()
            name = self._name()
            self._tickets[name] = _Ticket(page, reading, self._clock() + self._limits.ticket_seconds)
            while len(self._tickets) > self._limits.tickets:
                self._tickets.popitem(last=False)
            return name

    def redeem(self, name: str) -> str:
        """Return a page and drop it; raise UnknownReadingError the second time."""
        with self._lock:
            self.expire()
            ticket = self._tickets.pop(name, None)
            if ticket is None:
                raise _unknown()
            return ticket.page

    def _name(self) -> str:
        return self._source.bytes(ID_BYTES).hex()

    def _drop(self, name: str) -> None:
        held = self._held.pop(name)
        held.view[:] = bytes(len(held.view))
        for ticket in [n for n, t in self._tickets.items() if t.reading == name]:
            del self._tickets[ticket]


def _unknown() -> MienError:
    return UnknownReadingError(
        "This id is not in memory: it was forgotten, has expired, was pushed out by newer ones, or is wrong. "
        "Read the photo again."
    )
