from __future__ import annotations

import dataclasses
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import ProtocolError
from privacy.secagg.codec import (
    Bitmap,
    Blob,
    Fixed,
    Many,
    Named,
    Nested,
    Number,
    Record,
    Subset,
    Text,
    joined,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inner(Record):
    name: Annotated[str, Named()]
    size: Annotated[int, Number(4)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outer(Record):
    key: Annotated[bytes, Fixed(4)]
    data: Annotated[bytes, Blob(10)]
    text: Annotated[str, Text(10)]
    items: Annotated[tuple[Inner, ...], Many(Nested(Inner), 3)]
    members: Annotated[Subset, Bitmap()]


names = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
inners = st.builds(Inner, name=names, size=st.integers(0, (1 << 32) - 1))
subsets = st.integers(0, 40).flatmap(
    lambda size: st.sets(st.integers(0, max(0, size - 1)), max_size=size).map(
        lambda members: Subset(size, tuple(sorted(members)) if size else ())
    )
)
outers = st.builds(
    Outer,
    key=st.binary(min_size=4, max_size=4),
    data=st.binary(max_size=10),
    text=st.text(max_size=2),
    items=st.lists(inners, max_size=3).map(tuple),
    members=subsets,
)


@given(outers)
def test_decoding_inverts_encoding(record):
    assert Outer.from_bytes(record.to_bytes()) == record


@given(st.binary(max_size=60))
def test_what_decodes_encodes_to_the_same_bytes(data):
    try:
        record = Outer.from_bytes(data)
    except ProtocolError:
        return
    assert record.to_bytes() == data


@given(outers, st.data())
def test_a_changed_byte_is_another_record_or_an_error(record, data):
    raw = bytearray(record.to_bytes())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    try:
        other = Outer.from_bytes(bytes(raw))
    except ProtocolError:
        return
    assert other != record
    assert other.to_bytes() == bytes(raw)


EXAMPLE = Outer(
    key=b"1234", data=b"ab", text="é", items=(Inner(name="a", size=1),), members=Subset(3, (0, 2))
)


def test_every_truncation_and_extension_is_refused():
    raw = EXAMPLE.to_bytes()
    for end in range(len(raw)):
        with pytest.raises(ProtocolError, match=r"cut short|limit|not a name"):
            Outer.from_bytes(raw[:end])
    with pytest.raises(ProtocolError, match="1 bytes too many at the end"):
        Outer.from_bytes(raw + b"\0")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"key": b"123"}, "expected 4 bytes, got 3"),
        ({"data": bytes(11)}, "11 bytes are above the limit of 10"),
        ({"text": "é" * 6}, "12 bytes are above the limit of 10"),
        ({"items": (Inner(name="a", size=1),) * 4}, "4 items are above the limit of 3"),
        ({"items": (Inner(name="a b", size=1),)}, "is not a name"),
        ({"items": (Inner(name="", size=1),)}, "is not a name"),
        ({"items": (Inner(name="a", size=1 << 32),)}, "does not fit 4 unsigned bytes"),
        ({"items": (Inner(name="a", size=-1),)}, "does not fit 4 unsigned bytes"),
        ({"members": Subset(3, (3,))}, "ascend and stay below 3"),
        ({"members": Subset(3, (1, 1))}, "ascend and stay below 3"),
    ],
)
def test_values_beyond_their_limits_are_not_encoded(change, reason):
    with pytest.raises(ProtocolError, match=reason):
        dataclasses.replace(EXAMPLE, **change).to_bytes()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"1234" + (11).to_bytes(4, "little"), "length 11 is above the limit"),
        (b"1234" + b"\xff\xff\xff\xff", "length 4294967295 is above the limit"),
        (b"1234" + bytes(4) + b"\x01\0\0\0\xff", "not UTF-8"),
        (b"1234" + bytes(8) + b"\x01\0\0\0\x02a\xe9", "is not a name"),
        (b"1234" + bytes(12) + b"\x03\0\0\0\x08", "a bit is set beyond the cohort of 3"),
    ],
)
def test_other_spellings_are_refused(data, reason):
    with pytest.raises(ProtocolError, match=reason):
        Outer.from_bytes(data)


def test_a_subset_knows_its_members():
    members = Subset(4, (1, 3))
    assert [place in members for place in range(5)] == [False, True, False, True, False]
    assert members.names(("a", "b", "c", "d")) == ("b", "d")
    assert len(members) == 2


@given(
    st.lists(st.one_of(st.binary(max_size=4), st.text(max_size=3), st.integers(0, 9)), max_size=4), st.data()
)
def test_a_joint_encoding_is_unambiguous(parts, data):
    other = data.draw(st.lists(st.one_of(st.binary(max_size=4), st.text(max_size=3)), max_size=4))
    as_bytes = [p.encode() if isinstance(p, str) else p for p in parts]
    as_bytes = [p.to_bytes(8, "little") if isinstance(p, int) else p for p in as_bytes]
    other_bytes = [p.encode() if isinstance(p, str) else p for p in other]
    assert (joined(*parts) == joined(*other)) == (as_bytes == other_bytes)
