"""What the kernel takes away from a process that decodes strangers' pictures.

Guarantees, for a process that called ``lock_down`` (Linux; elsewhere only what the system has):

S1. It cannot write a byte into a file: the limit on file size is 0. Pipes still work.
S2. A crash leaves no core dump, which would hold pixels: the limit on core size is 0.
S3. It can take no more than ``memory`` bytes of address space, so a picture that decodes to more than was
    foreseen ends the worker, not the machine.
S4. Where the kernel lets an ordinary user make namespaces, it has no network at all: not even loopback.

Assumptions: the kernel enforces its limits; S4 is reported as not given where the call fails.
"""

from __future__ import annotations

import ctypes
import os
import sys

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


def no_core_dump() -> None:
    """Make sure that a crash of this process leaves no picture of its memory on the disk (S2)."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def lock_down(memory: int) -> bool:
    """Give up files, core dumps, memory beyond ``memory`` bytes, and the network; say whether S4 holds.

    Call it while the process has one thread: the kernel refuses a new user namespace to several.
    """
    if sys.platform == "win32":
        return False
    import resource

    without_network = _leave_network()
    no_core_dump()
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if sys.platform.startswith("linux"):
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    return without_network


def _leave_network() -> bool:
    """Move this process into an empty network namespace; return False where that is not allowed."""
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    flags = _CLONE_NEWNET if os.geteuid() == 0 else _CLONE_NEWUSER | _CLONE_NEWNET
    return int(libc.unshare(flags)) == 0
