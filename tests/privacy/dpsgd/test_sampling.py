"""Poisson sampling: probabilities, independence, empty batches, public parameters."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mien.errors import ConfigError
from privacy.dpsgd.sampling import poisson_batches
from privacy.randomness import SystemSource, TestOnlySource


class Words:
    """A source whose 64-bit words are given."""

    test_only = True

    def __init__(self, words):
        self.words = np.array(words, dtype=np.uint64)

    def uint64(self, count):
        return self.words[:count]


def test_the_threshold_is_exact():
    rate = 0.08
    threshold = int(Fraction(rate) * 2**64)
    words = [threshold - 1, threshold, threshold + 1, 0, 2**64 - 1]
    (batch,) = poisson_batches(5, rate, 1, Words(words))
    assert batch.tolist() == [0, 3]
    assert batch.dtype == np.int64
    assert Fraction(threshold, 2**64) == Fraction(rate)  # every float from 2^-11 up is met exactly


def test_rate_one_takes_all_and_tiny_rates_almost_none():
    assert next(poisson_batches(4, 1.0, 1, Words([0, 1, 2**63, 2**64 - 1]))).tolist() == [0, 1, 2, 3]
    assert next(poisson_batches(4, 2.0**-64, 1, Words([0, 1, 2, 3]))).tolist() == [0]
    assert next(poisson_batches(4, 2.0**-65, 1, Words([0, 1, 2, 3]))).tolist() == []


def test_sizes_are_binomial_and_members_uniform_and_independent():
    records, rate, steps = 400, 0.08, 4000
    member = np.zeros((steps, records), dtype=bool)
    for step, batch in enumerate(poisson_batches(records, rate, steps, TestOnlySource(1))):
        member[step, batch] = True
    sizes = member.sum(axis=1)
    # False alarms are below 1e-4 in each line; the seed is fixed, so there are none in repetition.
    assert abs(sizes.mean() - 32) < 4 * np.sqrt(400 * 0.08 * 0.92 / steps)
    assert stats.chisquare(*_cells(sizes, stats.binom(records, rate))).pvalue > 1e-4
    assert stats.chisquare(member.sum(axis=0)).pvalue > 1e-4
    lag = np.mean(member[1:] & member[:-1])
    assert abs(lag - rate**2) < 4 * np.sqrt(rate**2 * (1 - rate**2) / (steps * records))


def _cells(sizes, distribution):
    edges = np.arange(22, 44)
    observed = np.histogram(sizes, np.concatenate(([-1], edges, [10**6])))[0]
    expected = np.diff(np.concatenate(([0.0], distribution.cdf(edges - 1), [1.0])))
    return observed, expected * len(sizes)


@given(st.integers(0, 50), st.floats(2.0**-30, 1.0), st.integers(0, 20))
def test_as_many_batches_as_asked_for_whatever_the_records(records, rate, steps):
    batches = list(poisson_batches(records, rate, steps, TestOnlySource(0)))
    assert len(batches) == steps  # S2, S3: the number of records decides nothing but membership
    for batch in batches:
        assert np.all(np.diff(batch) > 0)
        assert np.all((batch >= 0) & (batch < records))


def test_without_records_every_batch_is_empty_and_is_yielded():
    assert [len(batch) for batch in poisson_batches(0, 0.5, 3, SystemSource())] == [0, 0, 0]


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.0000001, float("nan")])
def test_a_rate_out_of_range_is_refused_at_once(rate):
    with pytest.raises(ConfigError, match="sampling rate"):
        poisson_batches(10, rate, 1, SystemSource())


def test_negative_counts_are_refused():
    with pytest.raises(ConfigError, match="negative"):
        poisson_batches(-1, 0.5, 1, SystemSource())
