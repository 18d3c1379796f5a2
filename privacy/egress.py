"""What may leave a device: an allow-list of message parts by name, type and size, checked on the bytes sent.

E1. A reply leaves the device only if every part of it is listed here for its kind of message, has the listed
    type, and is within the listed size; otherwise PolicyError is raised and nothing is sent.
E2. The only array that can leave is the masked vector, and it has exactly the plan's length and word size.
E3. No metric, count, loss, name of a person, or label is on the list: what the coordinator learns of them is
    inside the masked vector or not at all.

``receipt`` is the hash of the ledger's charge for this round: 64 hexadecimal digits that tell nothing without the
ledger, which starts with a random number. The coordinator hands it back with the next round
(:meth:`privacy.ledger.ledger.Ledger.confirm`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.errors import PolicyError

ENROL, SETUP, TRAIN, UNMASK = "query.enrol", "query.setup", "train", "query.unmask"

_KIB, _MIB = 1 << 10, 1 << 20


@dataclass(frozen=True)
class _Bytes:
    """A byte string of at most ``limit`` bytes."""

    limit: int


@dataclass(frozen=True)
class _MaskedVector:
    """The one array that leaves: unsigned words, as many as the plan says."""


_REFUSAL = {"refusal": _Bytes(4 * _KIB)}
_SETUP = {"setup": _Bytes(64 * _MIB)}
ALLOWED: Mapping[str, Mapping[str, _Bytes | _MaskedVector]] = {
    ENROL: {"enrolment": _Bytes(4 * _KIB), **_REFUSAL},
    SETUP: {**_SETUP, **_REFUSAL},
    TRAIN: {"header": _Bytes(64 * _KIB), "vector": _MaskedVector(), "receipt": _Bytes(64), **_REFUSAL},
    UNMASK: {"unmask": _Bytes(64 * _MIB), **_SETUP, **_REFUSAL},
}


def check_egress(
    kind: str,
    parts: Mapping[str, bytes | NDArray[np.generic]],
    *,
    vector_length: int = 0,
    field_bits: int = 32,
) -> None:
    """Raise PolicyError unless a reply of this kind may leave (guarantees E1 to E3)."""
    allowed = ALLOWED.get(kind)
    if allowed is None:
        raise PolicyError(f"nothing may leave in answer to {kind!r}: expected one of {sorted(ALLOWED)}")
    for name, part in parts.items():
        rule = allowed.get(name)
        if rule is None:
            raise PolicyError(
                f"part {name!r} may not leave in answer to {kind!r}; allowed: {sorted(allowed)}"
            )
        if isinstance(rule, _Bytes):
            _check_bytes(kind, name, part, rule.limit)
        else:
            _check_vector(kind, name, part, vector_length, field_bits)


def _check_bytes(kind: str, name: str, part: object, limit: int) -> None:
    if not isinstance(part, bytes):
        raise PolicyError(f"{kind} {name}: only bytes may leave here, got {type(part).__name__}")
    if len(part) > limit:
        raise PolicyError(f"{kind} {name}: {len(part)} bytes, more than the {limit} that may leave")


def _check_vector(kind: str, name: str, part: object, length: int, bits: int) -> None:
    word = np.uint32 if bits == 32 else np.uint64
    if not isinstance(part, np.ndarray) or part.dtype != word or part.shape != (length,):
        shape = getattr(part, "shape", None)
        dtype = getattr(part, "dtype", type(part).__name__)
        raise PolicyError(
            f"{kind} {name}: only {length} masked {word.__name__} words may leave, got {dtype} {shape}"
        )
