"""The transcript: continued after a restart, and no byte of it can change unseen."""

from pathlib import Path

import pytest

from mien.errors import RunError
from privacy.audit.transcript import GENESIS, Transcript, read_transcript


def write(path: Path, count: int) -> str:
    transcript = Transcript(path)
    for index in range(count):
        transcript.append("line", number=index)
    transcript.close()
    return transcript.head


def test_lines_are_chained_across_restarts(tmp_path: Path) -> None:
    path = tmp_path / "transcript.jsonl"
    assert write(path, 0) == GENESIS
    write(path, 3)
    head = write(path, 2)
    lines = list(read_transcript(path))
    assert [line["seq"] for line in lines] == [0, 1, 2, 3, 4]
    assert lines[-1]["hash"] == head


def test_every_altered_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "transcript.jsonl"
    write(path, 3)
    original = path.read_bytes()
    for index in range(len(original)):
        path.write_bytes(original[:index] + bytes([original[index] ^ 1]) + original[index + 1 :])
        with pytest.raises(RunError, match="line"):
            list(read_transcript(path))


def test_removed_and_exchanged_lines_are_found(tmp_path: Path) -> None:
    path = tmp_path / "transcript.jsonl"
    write(path, 3)
    one, two, three = path.read_bytes().splitlines(keepends=True)
    for content in (two + three, one + three, two + one + three):
        path.write_bytes(content)
        with pytest.raises(RunError):
            list(read_transcript(path))
