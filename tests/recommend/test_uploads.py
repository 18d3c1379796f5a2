"""Uploads at the level of bytes: nothing crashes, hangs or fills the memory, and every answer says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch, repository: Path):
    monkeypatch.syspath_prepend(repository / "benchmarks")
    import malformed_uploads

    return malformed_uploads


def check(found, count):
    import malformed_uploads

    assert malformed_uploads.failures(found) == []
    assert len(found) == count
    assert max(one["cpu_seconds"] for one in found) < 5
    assert max(one["memory_grew_mb"] for one in found[1:]) < 256
    outcomes = {one["outcome"] for one in found}
    assert {"read", "UnreadableImageError", "ImageTooLargeError", "NoFaceError"} <= outcomes


def test_four_hundred_malformed_uploads(reading):
    check(reading.read_all(400), 400)


@pytest.mark.slow
def test_two_thousand_malformed_uploads_of_another_seed(reading):
    check(reading.read_all(2000, seed=99), 2000)


def test_a_reader_that_dies_or_says_the_wrong_thing_is_noticed(reading):
    good = {"name": "x", "outcome": "read", "expected": "", "message": ""}
    assert reading.failures([good]) == []
    for bad in (
        {"outcome": "CRASH SystemError"},
        {"outcome": "HANG"},
        {"expected": "ImageTooLargeError"},
        {"outcome": "UnreadableImageError", "message": "broken"},
    ):
        assert len(reading.failures([{**good, **bad}])) == 1
