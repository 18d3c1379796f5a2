"""Checks of where noise and secrets come from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from privacy.audit.conformance.build import Build
from privacy.audit.conformance.check import Check, bytes_p, exact, statistical

_WORDS = 1 << 18


def check_source(build: Build) -> Iterator[Check]:
    """Yield the checks of the random source: secure, fresh for each client, uniform."""
    one, other = build.source(), build.source()
    yield exact(
        "source: secure", not one.test_only, "declared test-only" if one.test_only else "the system's",
        "no source that others can repeat", "a test's source that was left on",
    )  # fmt: skip
    first, second, beside = one.uint32(_WORDS), one.uint32(_WORDS), other.uint32(_WORDS)
    streams = (first, second, beside)
    yield statistical(
        "source: fresh",
        [bytes_p(left - right) for left, right in ((first, second), (first, beside), (second, beside))],
        "streams of two clients, and two stretches of one, differ by uniform words", "a reused seed",
    )  # fmt: skip
    yield statistical(
        "source: uniform", [bytes_p(np.ascontiguousarray(words)) for words in streams], "uniform bytes",
        "a broken generator",
    )  # fmt: skip
