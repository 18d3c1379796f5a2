"""A worker's answer as bytes that can be nothing but data.

A worker opens strangers' pictures, so it is the one that may be taken over. Unpickling what it says would run
what it wants. Here the reader says what type it expects (the job's return annotation), and what does not have
exactly that shape is refused: no class, function or name is ever taken from the bytes.

Format: UTF-8 JSON. A dataclass is the list of its fields in order, an array is ``[shape, base64 of float64]``,
bytes are base64, a mapping is an object; other values are themselves, with NaN and infinities as Python's
``json`` has them. Guarantee W1: ``decode(expected, data)`` returns a value of type ``expected`` or raises
ValueError, whatever the bytes are.
"""

from __future__ import annotations

import base64
import collections.abc
import dataclasses
import functools
import json
import types
import typing
from collections.abc import Hashable
from typing import Any, cast

import numpy as np

MAX_ELEMENTS = 1_000_000
_NUMBERS = (int, float)


def encode(value: Any) -> bytes:
    """Return a value made of dataclasses, mappings, tuples, lists, arrays and plain values as bytes."""
    return json.dumps(_plain(value), separators=(",", ":")).encode()


def decode(expected: Any, data: bytes) -> Any:
    """Return the value of type ``expected`` (as ``typing.get_type_hints`` gives it); raise ValueError otherwise."""
    try:
        return _typed(expected, json.loads(data))
    except RecursionError as error:
        raise ValueError("the answer is nested too deeply") from error


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return [_plain(getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, np.ndarray):
        return [list(value.shape), _text(np.ascontiguousarray(value, dtype="<f8").tobytes())]
    if isinstance(value, bytes | bytearray):
        return _text(bytes(value))
    if isinstance(value, collections.abc.Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value.item() if isinstance(value, np.generic) else value


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _typed(expected: Any, value: Any) -> Any:
    """Check one value against one type; the types are those of the readings' dataclasses."""
    origin, inner = typing.get_origin(expected), typing.get_args(expected)
    if dataclasses.is_dataclass(expected):
        return _instance(cast("type[Any]", expected), value)
    if origin in (typing.Union, types.UnionType):
        return _one_of(inner, value)
    if origin is typing.Literal:
        return _if(isinstance(value, str) and value in inner, value, expected)
    if origin is np.ndarray:
        return _array(value)
    if origin in (dict, collections.abc.Mapping):
        _if(isinstance(value, dict), value, expected)
        return {key: _typed(inner[1], one) for key, one in value.items()}
    if origin in (tuple, list):
        return _sequence(origin, inner, value, expected)
    if expected is bytes:
        return base64.b64decode(_if(isinstance(value, str), value, expected), validate=True)
    if expected is float:
        return float(_if(type(value) in _NUMBERS, value, expected))
    if expected is type(None):
        return _if(value is None, value, expected)
    if expected in (int, str, bool):
        return _if(type(value) is expected, value, expected)
    raise ValueError(f"{expected} cannot be in an answer")


def _if(holds: bool, value: Any, expected: Any) -> Any:
    if not holds:
        raise ValueError(f"the answer holds a {type(value).__name__} where {expected} is expected")
    return value


def _one_of(kinds: tuple[Any, ...], value: Any) -> Any:
    for kind in kinds:
        try:
            return _typed(kind, value)
        except ValueError:
            continue
    raise ValueError(f"the answer holds a {type(value).__name__} where one of {kinds} is expected")


def _sequence(origin: type, inner: tuple[Any, ...], value: Any, expected: Any) -> Any:
    _if(isinstance(value, list), value, expected)
    if origin is tuple and inner[-1:] != (Ellipsis,):
        _if(len(value) == len(inner), value, expected)
        return tuple(_typed(kind, one) for kind, one in zip(inner, value, strict=True))
    return origin(_typed(inner[0], one) for one in value)


def _array(value: Any) -> np.ndarray[Any, Any]:
    """Return a float64 array of its own memory; its size is known from the bytes before any is made."""
    shape, text = _typed(tuple[list[int], str], value)
    content = base64.b64decode(text, validate=True)
    count = len(content) // 8
    if not 1 <= len(shape) <= 4 or min(shape) < 0 or count > MAX_ELEMENTS:
        raise ValueError(f"the answer holds an array of shape {shape[:5]}")
    return np.frombuffer(content, dtype="<f8").reshape(shape).astype(np.float64)


def _instance(kind: type[Any], value: Any) -> Any:
    fields = _fields(cast("Hashable", kind))
    _if(isinstance(value, list) and len(value) == len(fields), value, kind)
    return kind(**{name: _typed(inner, one) for (name, inner), one in zip(fields, value, strict=True)})


@functools.cache
def _fields(kind: type[Any]) -> tuple[tuple[str, Any], ...]:
    hints = typing.get_type_hints(kind)
    return tuple((field.name, hints[field.name]) for field in dataclasses.fields(kind) if field.init)
