"""One canonical binary encoding for everything that secure aggregation sends, signs, hashes or stores.

A record is a frozen dataclass whose fields are annotated with how they are written, for example
``plan_hash: Annotated[bytes, Fixed(32)]``. Its encoding is the fields in order of declaration: integers are
little-endian and of fixed width, everything of variable size carries its length first, and every length has
a limit that is checked before anything is read. Nothing is optional and nothing has two spellings, so
``decode(encode(record)) == record`` and ``encode(decode(data)) == data``; whatever else arrives raises
:class:`~mien.errors.ProtocolError`. Decoding never allocates more than a small multiple of its input.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import typing
from collections.abc import Hashable
from typing import Any, Protocol, Self, cast

from mien.errors import ProtocolError
from privacy.plan import MAX_COHORT

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Reader:
    """A cursor over untrusted bytes; every read is bounded by what is there."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int, what: str) -> bytes:
        """Return the next ``size`` bytes, or raise ProtocolError."""
        end = self._at + size
        if end > len(self._data):
            raise ProtocolError(
                f"{what}: cut short at byte {self._at}: expected {size} more bytes, got "
                f"{len(self._data) - self._at}"
            )
        piece = self._data[self._at : end]
        self._at = end
        return piece

    def number(self, size: int, what: str) -> int:
        """Return the next little-endian unsigned integer of ``size`` bytes."""
        return int.from_bytes(self.take(size, what), "little")

    def length(self, limit: int, what: str) -> int:
        """Return the next 32-bit length, or raise ProtocolError where it is above ``limit``."""
        length = self.number(4, what)
        if length > limit:
            raise ProtocolError(f"{what}: length {length} is above the limit of {limit}")
        return length

    def finish(self, what: str) -> None:
        """Raise ProtocolError unless every byte was read."""
        if self._at != len(self._data):
            raise ProtocolError(f"{what}: {len(self._data) - self._at} bytes too many at the end")


class Field(Protocol):
    """How one value is written and read."""

    def write(self, value: Any, what: str) -> bytes:
        """Return the encoding of ``value``; raises ProtocolError where it has none."""

    def read(self, reader: Reader, what: str) -> Any:
        """Return the next value; raises ProtocolError where there is none."""


@dataclasses.dataclass(frozen=True)
class Number:
    """An unsigned integer of ``size`` bytes."""

    size: int

    def write(self, value: int, what: str) -> bytes:  # noqa: D102 - see Field
        if not 0 <= value < 1 << (8 * self.size):
            raise ProtocolError(f"{what}: {value} does not fit {self.size} unsigned bytes")
        return value.to_bytes(self.size, "little")

    def read(self, reader: Reader, what: str) -> int:  # noqa: D102
        return reader.number(self.size, what)


@dataclasses.dataclass(frozen=True)
class Fixed:
    """Exactly ``size`` bytes."""

    size: int

    def write(self, value: bytes, what: str) -> bytes:  # noqa: D102
        if len(value) != self.size:
            raise ProtocolError(f"{what}: expected {self.size} bytes, got {len(value)}")
        return bytes(value)

    def read(self, reader: Reader, what: str) -> bytes:  # noqa: D102
        return reader.take(self.size, what)


@dataclasses.dataclass(frozen=True)
class Blob:
    """At most ``limit`` bytes."""

    limit: int

    def write(self, value: bytes, what: str) -> bytes:  # noqa: D102
        if len(value) > self.limit:
            raise ProtocolError(f"{what}: {len(value)} bytes are above the limit of {self.limit}")
        return len(value).to_bytes(4, "little") + value

    def read(self, reader: Reader, what: str) -> bytes:  # noqa: D102
        return reader.take(reader.length(self.limit, what), what)


@dataclasses.dataclass(frozen=True)
class Text:
    """A UTF-8 string of at most ``limit`` bytes."""

    limit: int

    def write(self, value: str, what: str) -> bytes:  # noqa: D102
        return Blob(self.limit).write(value.encode(), what)

    def read(self, reader: Reader, what: str) -> str:  # noqa: D102
        try:
            return Blob(self.limit).read(reader, what).decode("utf-8")
        except UnicodeDecodeError:
            raise ProtocolError(f"{what}: not UTF-8") from None


@dataclasses.dataclass(frozen=True)
class Named:
    """A name of a run or of a member: 1 to 64 of the characters ``A-Z a-z 0-9 . _ -``."""

    def write(self, value: str, what: str) -> bytes:  # noqa: D102
        if not _NAME.fullmatch(value):
            raise ProtocolError(f"{what}: {value!r} is not a name (1 to 64 of A-Z a-z 0-9 . _ -)")
        return bytes([len(value)]) + value.encode("ascii")

    def read(self, reader: Reader, what: str) -> str:  # noqa: D102
        raw = reader.take(reader.number(1, what), what)
        value = raw.decode("latin-1")
        if not _NAME.fullmatch(value):
            raise ProtocolError(f"{what}: {value[:80]!r} is not a name (1 to 64 of A-Z a-z 0-9 . _ -)")
        return value


@dataclasses.dataclass(frozen=True)
class Many:
    """At most ``limit`` values of the same field."""

    item: Field
    limit: int = MAX_COHORT

    def write(self, value: tuple[Any, ...], what: str) -> bytes:  # noqa: D102
        if len(value) > self.limit:
            raise ProtocolError(f"{what}: {len(value)} items are above the limit of {self.limit}")
        return len(value).to_bytes(4, "little") + b"".join(self.item.write(item, what) for item in value)

    def read(self, reader: Reader, what: str) -> tuple[Any, ...]:  # noqa: D102
        # Every item takes at least one byte, so a lying count fails before it can allocate much.
        return tuple(self.item.read(reader, what) for _ in range(reader.length(self.limit, what)))


@dataclasses.dataclass(frozen=True)
class Nested:
    """Another record, in place."""

    kind: type[Record]

    def write(self, value: Record, what: str) -> bytes:  # noqa: D102, ARG002
        return value.to_bytes()

    def read(self, reader: Reader, what: str) -> Record:  # noqa: D102
        return self.kind.read(reader, what)


@dataclasses.dataclass(frozen=True)
class Subset:
    """A set of members of a cohort of ``size``, by their ascending positions in the sorted cohort."""

    size: int
    positions: tuple[int, ...]

    @functools.cached_property
    def as_set(self) -> frozenset[int]:
        """The positions, for membership tests."""
        return frozenset(self.positions)

    def __contains__(self, position: int) -> bool:
        return position in self.as_set

    def __len__(self) -> int:
        return len(self.positions)

    def names(self, cohort: tuple[str, ...]) -> tuple[str, ...]:
        """Return the members' names."""
        return tuple(cohort[position] for position in self.positions)


@dataclasses.dataclass(frozen=True)
class Bitmap:
    """A :class:`Subset` as its size and one bit a member; unused bits are zero."""

    def write(self, value: Subset, what: str) -> bytes:  # noqa: D102
        bits = bytearray((value.size + 7) // 8)
        previous = -1
        for position in value.positions:
            if not previous < position < value.size:
                raise ProtocolError(f"{what}: positions must ascend and stay below {value.size}")
            bits[position >> 3] |= 1 << (position & 7)
            previous = position
        return value.size.to_bytes(4, "little") + bytes(bits)

    def read(self, reader: Reader, what: str) -> Subset:  # noqa: D102
        size = reader.length(MAX_COHORT, what)
        bits = reader.take((size + 7) // 8, what)
        positions = tuple(i for i in range(8 * len(bits)) if bits[i >> 3] >> (i & 7) & 1)
        if positions and positions[-1] >= size:
            raise ProtocolError(f"{what}: a bit is set beyond the cohort of {size}")
        return Subset(size, positions)


@functools.cache
def _fields(kind: Hashable) -> tuple[tuple[str, Field], ...]:
    record = cast("type[Record]", kind)
    hints = typing.get_type_hints(record, include_extras=True)
    return tuple((field.name, hints[field.name].__metadata__[0]) for field in dataclasses.fields(record))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """The base of everything that has a canonical encoding."""

    def to_bytes(self) -> bytes:
        """Return the canonical encoding. Raises ProtocolError where a field is out of its limits."""
        kind = type(self)
        return b"".join(
            field.write(getattr(self, name), f"{kind.__name__}.{name}")
            for name, field in _fields(cast("Hashable", kind))
        )

    @classmethod
    def read(cls, reader: Reader, what: str = "") -> Self:
        """Return the next record of ``reader``; raises ProtocolError."""
        prefix = f"{what}." if what else ""
        return cls(
            **{
                name: field.read(reader, f"{prefix}{cls.__name__}.{name}")
                for name, field in _fields(cast("Hashable", cls))
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode ``data``, all of it. Raises ProtocolError unless it is the canonical encoding of a record."""
        reader = Reader(data)
        record = cls.read(reader)
        reader.finish(cls.__name__)
        return record


def joined(*parts: bytes | str | int) -> bytes:
    """Return an unambiguous concatenation: every part carries its length; integers take eight bytes."""
    pieces = []
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        raw = raw.to_bytes(8, "little") if isinstance(raw, int) else raw
        pieces.append(len(raw).to_bytes(4, "little") + raw)
    return b"".join(pieces)
