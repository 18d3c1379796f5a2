"""The secure source: uniform, never repeated, not even by a fork; the test-only one: repeatable."""

import os

import numpy as np
import pytest
from scipy import stats

from privacy.randomness import SystemSource, TestOnlySource


def test_bytes_are_uniform() -> None:
    counts = np.bincount(np.frombuffer(SystemSource().bytes(1 << 20), np.uint8), minlength=256)
    assert stats.chisquare(counts).pvalue > 1e-6


def test_two_sources_and_two_draws_differ() -> None:
    source = SystemSource()
    draws = {source.bytes(16), source.bytes(16), SystemSource().bytes(16)}
    assert len(draws) == 3


def test_a_fork_does_not_repeat_its_parent() -> None:
    source = SystemSource()
    source.bytes(16)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, source.bytes(32))
        os._exit(0)
    os.waitpid(child, 0)
    from_child = os.read(reader, 32)
    os.close(reader), os.close(writer)
    assert from_child != source.bytes(32)


def test_keys_are_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("privacy.randomness._REKEY_AFTER", 100)
    source = TestOnlySource(1)
    first = source.bytes(100)
    assert source.bytes(100) != first  # a second key, not the first one again
    whole = TestOnlySource(1)
    monkeypatch.setattr("privacy.randomness._REKEY_AFTER", 1 << 30)
    assert whole.bytes(200)[:100] == first


def test_test_only_streams_repeat_and_labels_separate_them() -> None:
    assert TestOnlySource(3, "a").test_only
    assert not SystemSource().test_only
    np.testing.assert_array_equal(TestOnlySource(3, "a").uint64(9), TestOnlySource(3, "a").uint64(9))
    assert TestOnlySource(3, "a").bytes(8) != TestOnlySource(3, "b").bytes(8)
    assert TestOnlySource(3, "a", "b").bytes(8) != TestOnlySource(3, "a,b").bytes(8)


def test_fill_crosses_blocks_and_needs_contiguous_memory() -> None:
    out = np.zeros(100_003, np.uint8)
    TestOnlySource(1).fill(out)
    assert out.tobytes() == TestOnlySource(1).bytes(100_003)
    with pytest.raises(ValueError, match="contiguous"):
        TestOnlySource(1).fill(np.zeros((4, 4), np.uint8)[:, ::2])
