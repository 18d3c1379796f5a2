"""A worker that was taken over can say what it likes: it is read as data of the expected type, or refused."""

from __future__ import annotations

import json
import os
import pickle
import typing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommend.reading.reading import Reading
from recommend.serve import jobs
from recommend.serve.limits import Limits
from recommend.serve.problems import InternalError
from recommend.serve.wire import decode, encode
from recommend.serve.workers import _Worker


def same(left, right) -> bool:
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and np.array_equal(left, right)
    if hasattr(left, "__dataclass_fields__"):
        return type(left) is type(right) and all(
            same(getattr(left, n), getattr(right, n)) for n in left.__dataclass_fields__
        )
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[k], right[k]) for k in left)
    if isinstance(left, tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


def test_a_real_reading_arrives_as_it_was_to_the_bit(photo):
    read = jobs.read_photos([photo], None, Limits())
    arrived = decode(jobs.Read, encode(read))
    assert arrived.view == read.view
    assert same(arrived.reading, read.reading)


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("/nowhere/taken-over",)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(st.binary(max_size=60) | values.map(lambda value: json.dumps(value).encode()))
def test_whatever_the_bytes_are_it_is_the_type_or_a_value_error(data):
    """W1."""
    for expected in (
        Reading,
        jobs.Tracked,
        typing.Literal["a"],
        np.ndarray[tuple[int], np.dtype[np.float64]],
    ):
        try:
            found = decode(expected, data)
        except ValueError:
            continue
        assert isinstance(found, np.ndarray | jobs.Tracked | Reading | str)


@pytest.mark.parametrize(
    "data",
    [b"[" * 100_000, b'[[99999999999],""]', b'[[-1],""]', b'[[2],"AAAA"]', b'[[0,0,0,0,0],""]'],
)
def test_arrays_that_lie_are_refused(data):
    with pytest.raises(ValueError, match=r"answer|reshape|expected|divisible|buffer|element"):
        decode(np.ndarray[tuple[int], np.dtype[np.float64]], data)


def _say(pipe, limits, mark):
    pipe.send_bytes(b"[null,true]")
    pipe.recv()
    pipe.send_bytes(b"null")
    pipe.send_bytes(pickle.dumps(_Touch(mark)))


class _Touch:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (Path(self.mark),)


def test_a_taken_over_worker_that_sends_a_pickle_runs_nothing(tmp_path, monkeypatch, photo):
    """The server's side is the real one; in the worker's place speaks an attacker."""
    mark = tmp_path / "ran"
    assert pickle.loads(pickle.dumps(_Touch(mark))) is None
    assert mark.exists(), "the control: unpickled, it does run"
    mark.unlink()
    worker = _Worker(Limits(workers=1, job_seconds=5.0))
    try:
        import multiprocessing
        import threading

        ours, theirs = multiprocessing.Pipe()
        monkeypatch.setattr(worker, "_pipe", ours)
        threading.Thread(target=_say, args=(theirs, None, mark), daemon=True).start()
        with pytest.raises(InternalError):
            worker.do(jobs.read_only, (photo, Limits()))
        assert not mark.exists()
    finally:
        worker.end()
