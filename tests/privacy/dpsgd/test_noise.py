"""Exact Gaussian noise: every pass against exact arithmetic, the distribution, the tails."""

from __future__ import annotations

import math
import os
from decimal import Decimal, localcontext

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import ndtr, ndtri

from mien.errors import PrivacyError
from privacy.dpsgd import noise, rounding
from privacy.dpsgd.noise import BLOCK, GridGaussian, inverse_normal
from privacy.randomness import SystemSource, TestOnlySource


class Recorded:
    """A source that remembers what it gave, so that the exact noise can be recomputed."""

    test_only = True

    def __init__(self, seed):
        self._inner = TestOnlySource(seed)
        self.digits = None

    def fill(self, out):
        self._inner.fill(out)
        self.digits = out.copy()

    def uint64(self, count):
        return self._inner.uint64(count)

    def bytes(self, count):
        return self._inner.bytes(count)


@pytest.mark.parametrize("point", ["0.5", "0.123", "0.9999", "1e-3", "1e-20", "1e-57"])
def test_inverse_normal_has_sixty_digits(point):
    x = inverse_normal(Decimal(point))
    with localcontext() as context:
        context.prec = 140
        tail = _upper_tail(abs(x))  # by the continued fraction, which shares nothing with the series
        expected = min(Decimal(point), 1 - Decimal(point))
        assert abs(tail / expected - 1) < Decimal("1e-55") * (1 + x * x)


def _upper_tail(x):
    """Return 1 - Phi(x) by Laplace's continued fraction, or the series for small x."""
    density = (-x * x / 2).exp() / (2 * noise._PI).sqrt()
    if x < 4:
        return Decimal("0.5") - density * noise._series(x)
    fraction = x
    for term in range(6000, 0, -1):
        fraction = x + term / fraction
    return density / fraction


def test_float64_inverse_is_as_accurate_as_the_second_pass_assumes():
    points = np.concatenate((2.0 ** -np.linspace(1, 28, 70), np.linspace(0.4, 0.5, 20)))
    for point in points:
        exact = inverse_normal(Decimal(float(point)))
        assert abs(Decimal(float(ndtri(point))) - exact) < Decimal(2) ** -40


def test_a_sure_first_pass_is_never_contradicted_by_more_digits():
    """Where the first pass is sure, both ends of the interval round to the same integer, in float64."""
    rng = np.random.default_rng(0)
    gaussian = GridGaussian(3.7, recorded := Recorded(0))
    doubtful, seen = 0, 0
    marked: list[int] = []
    original = gaussian._second_pass
    gaussian._second_pass = lambda digits, values: marked.append(len(digits)) or original(digits, values)
    for scale in (0.0, 0.01, 1.0, 300.0):
        sums = torch.from_numpy(rng.normal(size=BLOCK).astype(np.float32) * np.float32(scale))
        marked.clear()
        steps = gaussian.release(sums, float(sums.abs().max())).numpy().astype(np.float64)
        digits = recorded.digits.astype(np.float64)
        shift = sums.numpy().astype(np.float64) / gaussian.grid
        low = np.rint(shift + 8 * ndtri(digits / 65536) - 1e-9)
        high = np.rint(shift + 8 * ndtri((digits + 1) / 65536) + 1e-9)
        assert np.all((steps >= low) & (steps <= high))
        doubtful, seen = doubtful + sum(marked), seen + BLOCK
        assert np.count_nonzero(low != high) <= sum(marked)  # all that could differ were given more digits
    assert doubtful < 0.02 * seen


def test_a_small_block_and_the_third_pass_agree():
    """Small blocks take 64 digits at once, drawn ahead of several steps; a step's digits are never used again."""
    recorded = Recorded(5)
    gaussian = GridGaussian(1.0, recorded)
    drawn: list[np.ndarray] = []
    recorded.uint64 = lambda count: drawn.append(TestOnlySource(len(drawn)).uint64(count)) or drawn[-1]
    sums = np.random.default_rng(1).normal(size=161).astype(np.float32)
    released = [gaussian.release(torch.from_numpy(sums), 5.0).numpy().astype(int) for _ in range(9)]
    assert len(drawn) == 4  # 1, 2, 4 and 8 steps' worth
    uniform = np.concatenate([words[: len(words) // 161 * 161] for words in drawn])[: 9 * 161]
    assert len(np.unique(uniform)) == 9 * 161
    for value, word, integer in zip(np.tile(sums, 9), uniform, np.concatenate(released), strict=True):
        assert gaussian._third_pass(int(word), float(value)) == integer


def test_a_fork_does_not_repeat_noise_that_was_drawn_ahead():
    gaussian = GridGaussian(1.0, SystemSource())
    sums = torch.zeros(50)
    for _ in range(2):
        gaussian.release(sums, 0.0)
    assert gaussian._ahead._used < gaussian._ahead._drawn  # a child could use what is left
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, gaussian.release(sums, 0.0).numpy().tobytes())
        os._exit(0)
    os.waitpid(child, 0)
    of_child = np.frombuffer(os.read(reading, 200), np.float32)
    os.close(reading), os.close(writing)
    assert not np.array_equal(of_child, gaussian.release(sums, 0.0).numpy())


@pytest.mark.parametrize("numba", [True, False])
def test_moving_the_weights_is_adding_the_released_integers(monkeypatch, numba):
    """The integers that the fused update adds, from weights of zero, are those that release() gives."""
    if numba:
        pytest.importorskip("numba")
    else:
        monkeypatch.setattr(rounding, "compiled", lambda: None)
    count = 200_000
    sums = torch.from_numpy(np.random.default_rng(0).normal(size=count).astype(np.float32) * 3)
    expected = GridGaussian(1.0, TestOnlySource(4)).release(sums, 20.0).clone()
    moved = torch.zeros(count)
    gaussian = GridGaussian(1.0, TestOnlySource(4))
    gaussian.add_to(moved, sums, 20.0, -2.0)
    assert (bool((moved == 0).sum() > (expected == 0).sum()) and len(gaussian._left) == 1) is numba
    gaussian.settle()
    assert torch.equal(moved, -2.0 * expected)
    gaussian.settle()  # nothing is added twice
    assert torch.equal(moved, -2.0 * expected)


def test_the_second_and_third_pass_agree():
    gaussian = GridGaussian(1.0, TestOnlySource(5))
    digits = np.arange(0, 65536, 655, dtype=np.uint16)
    sums = np.random.default_rng(1).normal(size=len(digits)).astype(np.float32)
    float64 = gaussian._second_pass(digits, sums)
    exact = []
    source = TestOnlySource(5)  # the same 48 digits again
    more = source.uint64(len(digits)) >> np.uint64(16)
    for digit, low, value in zip(digits, more, sums, strict=False):
        exact.append(GridGaussian(1.0, source)._third_pass(int(digit) << 48 | int(low), float(value)))
    assert float64.tolist() == exact


def test_the_third_pass_is_reached_and_decides(monkeypatch):
    calls = []
    gaussian = GridGaussian(1.0, TestOnlySource(2))
    original = gaussian._third_pass
    monkeypatch.setattr(gaussian, "_third_pass", lambda u, v: calls.append(u) or original(u, v))
    monkeypatch.setattr(noise, "_ERROR_64", 0.01)  # as if float64 were poor
    gaussian.release(torch.zeros(BLOCK), 0.0)
    assert len(calls) > 20


def test_the_distribution_is_the_rounded_gaussian():
    """Chi-square over the integers of 2.6 million draws; p above 1e-4."""
    gaussian = GridGaussian(0.3, TestOnlySource(3))
    shift = 0.37 * gaussian.grid  # not on the grid: the fraction must count
    sums = torch.full((BLOCK,), shift)
    counts = np.zeros(121)
    for _ in range(10):
        steps = gaussian.release(sums, shift).numpy().astype(int)
        counts += np.bincount(np.clip(steps, -60, 60) + 60, minlength=121)
    edges = (np.arange(-60, 61) - 0.5 - 0.37) / 8
    expected = np.diff(np.concatenate(([0.0], ndtr(edges[1:]), [1.0]))) * counts.sum()
    usual = expected >= 10
    observed = np.append(counts[usual], counts[~usual].sum())
    assert stats.chisquare(observed, np.append(expected[usual], expected[~usual].sum())).pvalue > 1e-4


def test_the_smallest_digits_give_the_far_tail():
    """N2: a uniform number that begins with 64 zeros is a noise of 9 standard deviations and more."""

    class Zeros:
        test_only = True

        def fill(self, out):
            out[...] = 0

        def uint64(self, count):
            return np.zeros(count, np.uint64)

        def bytes(self, count):
            return bytes(count)

    steps = GridGaussian(1.0, Zeros()).release(torch.zeros(3), 0.0)
    assert torch.all(steps == round(8 * float(inverse_normal(Decimal("0.5") / 2**192))))
    assert float(steps[0]) < -8 * 15


def test_standard_deviation_and_independence_with_the_real_source():
    """N3; the bound is 5 standard errors: a false alarm once in 1.7 million runs."""
    gaussian = GridGaussian(2.0, SystemSource())
    first = gaussian.release(torch.zeros(BLOCK), 0.0).numpy().astype(np.float64) * gaussian.grid
    second = gaussian.release(torch.zeros(BLOCK), 0.0).numpy().astype(np.float64) * gaussian.grid
    both = np.concatenate((first, second))
    expected = 2.0 * math.sqrt(1 + 1 / 768)
    assert abs(both.std() / expected - 1) < 5 / math.sqrt(2 * len(both))
    assert abs(both.mean()) < 5 * 2 / math.sqrt(len(both))
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / math.sqrt(BLOCK)
    assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < 5 / math.sqrt(BLOCK)


@pytest.mark.parametrize("count", [0, 1, 2, 161, BLOCK - 1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_any_length_and_both_precisions(count, dtype):
    gaussian = GridGaussian(1.0, TestOnlySource(0))
    steps = gaussian.release(torch.full((count,), 1000.0, dtype=dtype), 1000.0)
    assert len(steps) == count
    assert torch.equal(steps, steps.round())
    if count:
        assert abs(float(steps.mean()) - 8000) < 50


def test_large_sums_are_rounded_as_well():
    """A sum of 2^20 grid steps leaves float32 only eighths: nearly all goes through float64."""
    gaussian = GridGaussian(1.0, recorded := Recorded(0))
    sums = torch.full((5000,), float(2**17) + 0.3)
    steps = gaussian.release(sums, 2.0**18).numpy().astype(np.float64)
    shift = sums.numpy().astype(np.float64) * 8
    digits = recorded.digits.astype(np.float64)
    assert np.all(steps >= np.rint(shift + 8 * ndtri(digits / 65536) - 1e-6))
    assert np.all(steps <= np.rint(shift + 8 * ndtri((digits + 1) / 65536) + 1e-6))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_sum_that_is_not_finite_is_refused(value):
    sums = torch.zeros(100)
    sums[17] = value
    with pytest.raises(PrivacyError, match="not finite"):
        GridGaussian(1.0, TestOnlySource(0)).release(sums, 1.0)


@pytest.mark.parametrize("std", [0.0, -1.0, math.nan, math.inf])
def test_a_standard_deviation_out_of_range_is_refused(std):
    with pytest.raises(ValueError, match="standard deviation"):
        GridGaussian(std, TestOnlySource(0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e5, math.inf])
def test_the_compiled_first_pass_gives_the_same_bits_as_numpy(monkeypatch, dtype, scale):
    pytest.importorskip("numba")
    count = 50_000
    sums = np.random.default_rng(0).normal(size=count)
    sums = (np.zeros(count) if scale == math.inf else sums * scale).astype(str(dtype).split(".")[1])
    if scale == math.inf:
        sums[7], sums[8] = math.inf, math.nan
    digits = np.empty(count, np.uint16)
    TestOnlySource(0).fill(digits)
    first = rounding.FirstPass(*noise._intervals(), BLOCK)
    assert rounding.compiled() is not None
    results = []
    for program in (rounding.compiled(), None):
        monkeypatch.setattr(rounding, "compiled", lambda program=program: program)
        steps = np.empty(count, np.float32)
        results.append((first.round(digits, sums, 3.3, 1e-3, steps), steps))
    (doubtful, steps), (doubtful_numpy, steps_numpy) = results
    assert np.array_equal(doubtful, doubtful_numpy)
    assert 0 < len(doubtful) < 0.02 * count or scale == 1e5
    assert np.array_equal(steps, steps_numpy, equal_nan=True)
    if scale == math.inf:
        assert {7, 8} <= set(doubtful.tolist())
