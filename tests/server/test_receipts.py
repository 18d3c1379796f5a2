"""What the coordinator keeps of its devices' ledgers."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien.errors import ProtocolError
from server.receipts import Receipts

KEY, OTHER = bytes(range(32)), bytes(32)
FIRST, SECOND = b"1" * 64, b"2" * 64


def test_the_newest_receipt_is_kept_by_identity(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path)
    assert receipts.of(KEY) is None
    receipts.take(KEY, FIRST)
    receipts.take(KEY, SECOND)
    receipts.save()
    again = Receipts(tmp_path)
    assert (again.of(KEY), again.of(OTHER)) == (SECOND, None)


def test_earlier_runs_are_remembered_the_newest_last(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two", "three")]
    for folder, receipt in zip(folders, (FIRST, SECOND, None), strict=True):
        folder.mkdir()
        if receipt:
            receipts = Receipts(folder)
            receipts.take(KEY, receipt)
            receipts.save()
    assert Receipts(folders[2], folders[:2]).of(KEY) == SECOND


@pytest.mark.parametrize("wrong", [b"", b"1" * 63, b"1" * 65, b"g" * 64, b"A" * 64, b"\xff" * 64])
def test_what_is_no_hash_is_refused(wrong: bytes, tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="64 hexadecimal digits"):
        Receipts(tmp_path).take(KEY, wrong)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"00": 5}', b"\xff"])
def test_a_damaged_file_is_as_good_as_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "receipts.json").write_bytes(content)
    assert Receipts(tmp_path).of(KEY) is None
