"""How Mien's byte strings and arrays ride in Flower messages: the one place that both ends share.

A message carries named *parts*. Byte strings go into one ``ConfigRecord``, arrays into one ``ArrayRecord``;
nothing else is ever put into a message, so what is allowed to leave (:mod:`privacy.egress`) is checked on
exactly what is sent.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict
from numpy.typing import NDArray

from mien.errors import ProtocolError

Part = bytes | NDArray[np.generic]
_BYTES, _ARRAYS = "bytes", "arrays"


def pack(parts: Mapping[str, Part]) -> RecordDict:
    """Return a Flower record that holds ``parts``."""
    texts = {name: part for name, part in parts.items() if isinstance(part, bytes)}
    arrays = {name: Array(part) for name, part in parts.items() if isinstance(part, np.ndarray)}
    record = RecordDict()
    record[_BYTES] = ConfigRecord(dict(texts))
    if arrays:
        record[_ARRAYS] = ArrayRecord(arrays)
    return record


def unpack(record: RecordDict) -> dict[str, Part]:
    """Return the parts of a message. Raises ProtocolError for anything that :func:`pack` does not make."""
    parts: dict[str, Part] = {}
    for name, content in record.items():
        if name == _BYTES and isinstance(content, ConfigRecord):
            for key, value in content.items():
                if not isinstance(value, bytes):
                    raise ProtocolError(f"message part {key!r}: expected bytes, got {type(value).__name__}")
                parts[key] = value
        elif name == _ARRAYS and isinstance(content, ArrayRecord):
            parts.update({key: value.numpy() for key, value in content.items()})
        else:
            raise ProtocolError(f"message has an unknown record {name!r} of type {type(content).__name__}")
    return parts


def bytes_part(parts: Mapping[str, Part], name: str) -> bytes:
    """Return a part that must be a byte string. Raises ProtocolError where it is absent or an array."""
    part = parts.get(name)
    if not isinstance(part, bytes):
        raise ProtocolError(f"message part {name!r}: expected bytes, got {type(part).__name__}")
    return part


def array_part(parts: Mapping[str, Part], name: str) -> NDArray[np.generic]:
    """Return a part that must be an array. Raises ProtocolError where it is absent or a byte string."""
    part = parts.get(name)
    if not isinstance(part, np.ndarray):
        raise ProtocolError(f"message part {name!r}: expected an array, got {type(part).__name__}")
    return part


def size(parts: Mapping[str, Part]) -> int:
    """Return the payload of a message in bytes, framing excluded."""
    return sum(part.nbytes if isinstance(part, np.ndarray) else len(part) for part in parts.values())
