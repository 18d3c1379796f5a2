"""Clipping: the bound holds for every input, as a real number."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mien.errors import PrivacyError
from privacy.mechanisms.clipping import l2_clip, norm_upper_bound

VECTORS = st.one_of(
    hnp.arrays(np.float64, st.integers(0, 30), elements=st.floats(allow_nan=False, allow_infinity=False)),
    hnp.arrays(
        np.float32, st.integers(0, 30), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)
    ),
)
NORMS = st.floats(1e-6, 1e6)


def _square(vector) -> Fraction:
    """Return the squared norm without rounding."""
    return sum((Fraction(float(value)) ** 2 for value in vector), Fraction(0))


@given(VECTORS, NORMS)
@settings(max_examples=300, deadline=None)
def test_the_norm_after_clipping_is_at_most_the_bound_exactly(vector, bound):
    clipped, report = l2_clip(vector, bound)
    assert clipped.dtype == vector.dtype
    assert _square(clipped) <= Fraction(bound) ** 2
    assert report.non_finite == 0
    if _square(vector) <= (Fraction(bound) * Fraction(999_999, 1_000_000)) ** 2:
        assert not report.clipped
        assert np.array_equal(clipped, vector)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 7, 65_536, 1_000_001])
def test_long_vectors_keep_the_bound_and_nearly_reach_it(dtype, size):
    vector = np.random.default_rng(size).normal(size=size).astype(dtype) * 10
    clipped, report = l2_clip(vector, 1.5)
    exact = math.sqrt(math.fsum(float(value) ** 2 for value in clipped))
    assert 1.5 * (1 - 1e-6) < exact <= 1.5
    assert report.clipped
    assert report.norm == pytest.approx(float(np.linalg.norm(vector.astype(np.float64))), rel=1e-6)
    cosine = float(clipped.astype(np.float64) @ vector.astype(np.float64)) / (exact * report.norm)
    assert cosine == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_non_finite_vectors_become_zero_and_are_reported(bad, dtype):
    vector = np.array([1.0, bad, 2.0, bad], dtype=dtype)
    clipped, report = l2_clip(vector, 1.0)
    assert not clipped.any()
    assert report.non_finite == 2
    assert math.isnan(report.norm)


@pytest.mark.parametrize("value", [5e-324, 1e-310, 1e-200, 1e-150, 1e150, 1e200, 1.7e308])
def test_extreme_values_neither_vanish_nor_overflow(value):
    vector = np.array([value, -value, value])
    norm = norm_upper_bound(vector)
    assert Fraction(norm) ** 2 >= _square(vector) if math.isfinite(norm) else value > 1e308
    clipped, _ = l2_clip(vector, 1e-3)
    assert _square(clipped) <= Fraction(1e-3) ** 2


@pytest.mark.parametrize(
    ("vector", "bound"),
    [
        (np.zeros((2, 2)), 1.0),
        (np.zeros(3, dtype=np.int64), 1.0),
        (np.zeros(3, dtype=np.float16), 1.0),
        (np.zeros(3), 0.0),
        (np.zeros(3), -1.0),
        (np.zeros(3), math.inf),
        (np.zeros(3), math.nan),
    ],
)
def test_what_cannot_be_clipped_is_refused(vector, bound):
    with pytest.raises(PrivacyError, match="clipping"):
        l2_clip(vector, bound)
