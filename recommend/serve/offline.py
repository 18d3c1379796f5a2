"""The server's own watch over the network: what leaves the device is counted, and it is nothing.

Guarantees, once ``watch`` was called in a process:

N1. A connection, a datagram or a name look-up from this process's Python code to anywhere but the loopback
    address is refused with PermissionError before the system is asked, and counted.
N2. ``bytes_sent`` counts the bytes of every answer that went to a peer off the loopback address.

Assumptions: code in C that opens sockets by itself is not seen by Python's audit events. The tests therefore
also run the server where there is no network at all, and under a tracer of system calls.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import sys
import threading
from typing import Any

_CONNECTING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_LOOKING_UP = frozenset(
    {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}
)


@dataclasses.dataclass
class Traffic:
    """What went, or tried to go, off this device."""

    bytes_sent: int = 0
    refused: int = 0
    watching: bool = False
    _lock: threading.Lock = dataclasses.field(default_factory=threading.Lock, repr=False)

    def count(self, peer: tuple[str, int] | list[Any] | None, size: int) -> None:
        """Count an answer of ``size`` bytes to ``peer`` (host, port) if that is not on this device."""
        if peer is not None and not is_loopback(peer[0]):
            with self._lock:
                self.bytes_sent += size

    def refuse(self) -> None:
        """Count one refused attempt."""
        with self._lock:
            self.refused += 1


def is_loopback(host: object) -> bool:
    """Say whether an address, or the name localhost, is this device's own; nothing is looked up."""
    if isinstance(host, bytes | bytearray):
        host = bytes(host).decode("latin-1")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False


def watch(traffic: Traffic) -> None:
    """Refuse and count every way off the loopback address, from now until this process ends (N1)."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _CONNECTING:
            address = arguments[1]
            allowed = not isinstance(address, tuple) or is_loopback(address[0])
        elif event in _LOOKING_UP:
            named = arguments[0]
            host = named[0] if isinstance(named, tuple) else named
            allowed = host in (None, "", b"") or is_loopback(host)
        else:
            return
        if not allowed:
            traffic.refuse()
            raise PermissionError(
                f"{event} off this device was refused: the adviser's server uses no network."
            )

    sys.addaudithook(hook)
    traffic.watching = True
