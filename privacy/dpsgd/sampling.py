"""Poisson sampling of records, by the operating system's randomness and public parameters only.

Guarantees, for a source that is indistinguishable from uniform (:mod:`privacy.randomness`, R1):

S1. Every record joins every batch independently, with probability ``floor(rate * 2^64) / 2^64``: at most
    ``rate``, and equal to it for every float rate of 2^-11 or more.
S2. The rate and the number of steps are the caller's public numbers. Neither they nor the number of batches
    yielded is computed from the number of records, so adding one record changes nothing but membership.
S3. A batch may be empty and is then yielded as empty: dropping it would break S1 and tell that it was empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from mien.errors import ConfigError
from privacy.randomness import RandomSource

_WORDS = 1 << 64


def poisson_batches(
    records: int, rate: float, steps: int, source: RandomSource
) -> Iterator[NDArray[np.int64]]:
    """Yield ``steps`` Poisson samples of ``range(records)``, each a sorted int64 array, possibly empty.

    ``rate`` in (0, 1] and ``steps`` must be public: they are what the accounting is told. ``records`` is the
    private number of records. Raises ConfigError for a rate or a count out of range.
    """
    if not 0.0 < rate <= 1.0:
        raise ConfigError(f"sampling rate: expected a public number in (0, 1], got {rate!r}")
    if records < 0 or steps < 0:
        raise ConfigError(f"sampling: records and steps must not be negative, got {records} and {steps}")
    return _batches(records, int(Fraction(rate) * _WORDS), steps, source)


def _batches(records: int, threshold: int, steps: int, source: RandomSource) -> Iterator[NDArray[np.int64]]:
    for _ in range(steps):
        words = source.uint64(records)
        if threshold == _WORDS:  # every word is below 2^64, which does not fit a word
            yield np.arange(records, dtype=np.int64)
        else:
            yield np.flatnonzero(words < np.uint64(threshold)).astype(np.int64, copy=False)
