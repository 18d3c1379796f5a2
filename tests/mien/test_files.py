"""Files are whole or absent, also when the writer is killed."""

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mien.files import canonical_json, sha256_file, write_atomic

WRITER = """
import sys
from pathlib import Path
from mien.files import write_atomic
path, letter = Path(sys.argv[1]), 0
print("ready", flush=True)
while True:
    letter = (letter + 1) % 26
    write_atomic(path, bytes([97 + letter]) * 3_000_000)
"""


def test_content_permissions_and_hash(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_atomic(path, b"secret", mode=0o600)
    assert path.read_bytes() == b"secret"
    assert path.stat().st_mode & 0o777 == 0o600
    assert sha256_file(path) == "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"


def test_a_killed_writer_leaves_a_whole_file(tmp_path: Path, repository: Path) -> None:
    path = tmp_path / "file"
    for attempt in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, cwd=repository
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.05 + 0.013 * attempt)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        if path.exists():
            content = path.read_bytes()
            assert len(content) == 3_000_000
            assert len(set(content)) == 1


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def full(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_canonical_json_is_one_encoding() -> None:
    assert canonical_json({"b": 1, "a": "é"}) == b'{"a":"\\u00e9","b":1}'
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(math.nan)
