"""Parts survive the way through a Flower message, and nothing else does."""

import numpy as np
import pytest
from flwr.app import ConfigRecord, MetricRecord, RecordDict

from mien.errors import ProtocolError
from mien.wire import array_part, bytes_part, pack, size, unpack


def test_round_trip_and_size() -> None:
    parts = {"header": b"\x00\xff", "vector": np.arange(5, dtype=np.uint32)}
    back = unpack(pack(parts))
    assert bytes_part(back, "header") == b"\x00\xff"
    np.testing.assert_array_equal(array_part(back, "vector"), parts["vector"])
    assert array_part(back, "vector").dtype == np.uint32
    assert size(parts) == 22


@pytest.mark.parametrize(
    "record",
    [
        RecordDict({"metrics": MetricRecord({"loss": 1.0})}),
        RecordDict({"bytes": ConfigRecord({"loss": 1.0})}),
    ],
)
def test_other_records_are_refused(record: RecordDict) -> None:
    with pytest.raises(ProtocolError):
        unpack(record)


def test_absent_or_wrong_parts_are_named() -> None:
    with pytest.raises(ProtocolError, match="'vector'"):
        array_part({"vector": b""}, "vector")
    with pytest.raises(ProtocolError, match="'header'"):
        bytes_part({}, "header")
