"""The samplers: exact by their tables, exact by experiment, and on the paths that are almost never taken."""

from __future__ import annotations

import decimal
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from scipy import special, stats

from mien.errors import PrivacyError
from privacy.mechanisms import discrete_gaussian, skellam
from privacy.mechanisms.discrete_gaussian import DiscreteGaussianLaw
from privacy.mechanisms.skellam import SkellamLaw
from privacy.mechanisms.strips import MAX_VARIANCE, StripSampler
from privacy.randomness import SystemSource, TestOnlySource

LAWS = {"skellam": SkellamLaw, "discrete_gaussian": DiscreteGaussianLaw}
DRAW = {"skellam": skellam.skellam, "discrete_gaussian": discrete_gaussian.discrete_gaussian}
both = pytest.mark.parametrize("name", list(LAWS))


def _log_pmf(name: str, variance: float, x: np.ndarray) -> np.ndarray:
    """Return the law in an independent way: scipy's Bessel functions, or a plain normalised exponential."""
    if name == "skellam":
        return np.log(special.ive(np.abs(x), variance))
    far = np.arange(-int(40 * math.sqrt(variance)) - 40, int(40 * math.sqrt(variance)) + 41)
    return -(x**2) / (2 * variance) - special.logsumexp(-(far**2) / (2 * variance))


class _Counter:
    """A source that counts what is drawn from it, so that no other randomness can hide."""

    test_only = True

    def __init__(self) -> None:
        self.inner, self.words = TestOnlySource(1), 0

    def __getattr__(self, name):
        def draw(count):
            self.words += count
            return getattr(self.inner, name)(count)

        return draw


# -- exact by construction -------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("variance", [0.05, 0.7, 6.0, 900.0, 5000.0, 1e6])
def test_the_tables_imply_the_law(name, variance):
    """Compute each probability from the tables and the acceptance rule: no statistics involved."""
    sampler = StripSampler(LAWS[name](variance))
    width = 1 << sampler._shift
    x = (sampler._base[:, None] + np.arange(width)).ravel()
    strips = np.repeat(np.arange(len(sampler._base)), width)
    entries = np.bincount(sampler._strip[sampler._strip >= 0], minlength=len(sampler._base))
    certain_entries = (sampler._start[:, None] == sampler._base).sum(axis=0)
    assert np.array_equal(certain_entries, sampler._certain)
    assert np.array_equal(entries - sampler._certain, sampler._uncertain.astype(int))
    ratio = np.exp(sampler.law.log_ratio(x.astype(float)))
    threshold = (ratio * sampler._scale - sampler._certain[strips]) / sampler._uncertain[strips]
    assert threshold.min() >= 0  # the certain part is a lower bound, the entries an upper bound
    assert threshold.max() <= 1
    weight = sampler._certain[strips] + threshold * sampler._uncertain[strips]
    implied = weight / weight.sum()
    assert np.allclose(implied, np.exp(_log_pmf(name, variance, x)), rtol=1e-9, atol=1e-38)
    accepted = weight.sum() / width / 65536
    assert accepted > 0.95  # and few draws are wasted


@both
@pytest.mark.parametrize("variance", [0.7, 100.0, 4096.0, 1e8, 2.0**40, 2.0**90])
def test_the_cut_tails_weigh_less_than_2_to_the_minus_126(name, variance):
    law = LAWS[name](variance)
    sampler = StripSampler(law)
    cut = sampler.largest
    assert cut >= law.tail(-126 * math.log(2))
    assert cut < 15 * math.sqrt(variance) + 70
    if variance <= 1e8:
        x = np.arange(cut, cut + 40 + 4 * int(math.sqrt(variance)))
        with np.errstate(divide="ignore"):
            mass = 2 * np.exp(special.logsumexp(_log_pmf(name, variance, x)))
        assert mass < 2.0**-125.9


@both
def test_float_and_exact_evaluations_agree(name):
    for variance in (0.3, 50.0, 4095.0, 4096.0, 3e7, 2.0**60, 2.0**96):
        law = LAWS[name](variance)
        x = np.unique(np.linspace(0, 13 * math.sqrt(variance), 25).round())
        exact = [float(law.exact_ratio(int(value)).ln()) for value in x]
        assert np.abs(law.log_ratio(x) - exact).max() < 1e-11


def test_both_expansions_of_skellam_agree_to_55_digits():
    with decimal.localcontext(prec=100):
        for x in (0, 1, 64, 500, 850):
            series = skellam._ratio_by_power_series(x, Decimal(4096))
            debye = skellam._ratio_by_debye(x, Decimal(4096))
            assert abs(series / debye - 1) < Decimal(10) ** -55


@both
def test_ties_are_decided_exactly(name, monkeypatch):
    """Send every comparison down the exact path: the draws stay the same but for what float64 cannot tell."""
    from privacy.mechanisms import strips

    law = LAWS[name](300.0)
    quick = StripSampler(law).draw(3000, TestOnlySource(4))
    calls = []
    real = StripSampler._accept_exactly
    monkeypatch.setattr(strips, "_TIE", 2.0)
    monkeypatch.setattr(StripSampler, "_accept_exactly", lambda *args: calls.append(1) or real(*args))
    slow = StripSampler(law).draw(65536, TestOnlySource(4))
    assert len(calls) > 200
    assert abs(slow.std() - math.sqrt(300)) < 0.2
    assert np.mean(slow[: len(quick)] == quick) > 0.97  # later refills use other words of the stream


def test_the_exact_comparison_is_the_threshold():
    sampler = StripSampler(DiscreteGaussianLaw(300.0))
    x, strip = 17, int(np.searchsorted(sampler._base, 17, side="right")) - 1
    with decimal.localcontext(prec=100):
        exact = (sampler.law.exact_ratio(x) * Decimal(sampler._scale) - int(sampler._certain[strip])) / int(
            sampler._uncertain[strip]
        )
        word = int(exact * 2**64)
    assert sampler._accept_exactly(x, strip, word - 1, TestOnlySource(1))
    assert not sampler._accept_exactly(x, strip, word + 1, TestOnlySource(1))


# -- exact by experiment ---------------------------------------------------------------------------------------


def _canonne(variance: Fraction, source) -> int:  # noqa: C901 - one algorithm, as it is printed
    """Draw one discrete Gaussian by Canonne, Kamath, Steinke 2020, algorithm 3, in rationals only."""

    def below(n: int) -> int:
        bits = n.bit_length()
        while True:
            value = int(source.uint64(1)[0]) >> (64 - bits)
            if value < n:
                return value

    def bernoulli(p: Fraction) -> bool:
        return below(p.denominator) < p.numerator

    def bernoulli_exp(gamma: Fraction) -> bool:
        while gamma > 1:
            if not bernoulli_exp(Fraction(1)):
                return False
            gamma -= 1
        k = 1
        while bernoulli(gamma / k):
            k += 1
        return k % 2 == 1

    t = math.isqrt(int(variance)) + 1
    while True:
        u = below(t)
        if not bernoulli_exp(Fraction(u, t)):
            continue
        v = 0
        while bernoulli_exp(Fraction(1)):
            v += 1
        y = u + t * v
        negative = bernoulli(Fraction(1, 2))
        if negative and y == 0:
            continue
        if bernoulli_exp((y - variance / t) ** 2 / (2 * variance)):
            return -y if negative else y


def test_discrete_gaussian_is_that_of_the_rational_reference():
    source = TestOnlySource(11)
    reference = np.array([_canonne(Fraction(7, 2), source) for _ in range(3000)])
    ours = discrete_gaussian.discrete_gaussian(300_000, 3.5, TestOnlySource(12))
    edges = np.arange(-4, 6) - 0.5
    table = [np.histogram(np.clip(draws, -4, 4), edges)[0] for draws in (reference, ours)]
    assert stats.chi2_contingency(table).pvalue > 1e-4


def test_skellam_is_a_difference_of_poisson_variables():
    rng = np.random.default_rng(3)
    reference = rng.poisson(4.5, 300_000) - rng.poisson(4.5, 300_000)
    ours = skellam.skellam(300_000, 9.0, TestOnlySource(13))
    edges = np.arange(-9, 11) - 0.5
    table = [np.histogram(np.clip(draws, -9, 9), edges)[0] for draws in (reference, ours)]
    assert stats.chi2_contingency(table).pvalue > 1e-4


@both
@pytest.mark.parametrize("variance", [0.5, 40.0, 2.0**13, 2.0**32, 2.0**70])
def test_chi_square_moments_and_tails_of_a_million_draws(name, variance):
    draws = DRAW[name](1_000_000, variance, TestOnlySource(21, name))
    assert draws.dtype == np.int64
    deviation = math.sqrt(variance)
    scaled = draws / deviation
    excess = 1 / variance if name == "skellam" else 0.0
    actual = (
        1.0 if name == "skellam" or variance > 5 else np.exp(_log_pmf(name, variance, np.arange(-30, 31)))
    )
    if not np.isscalar(actual):
        actual = float((actual * np.arange(-30, 31) ** 2).sum() / variance)
    assert abs(scaled.mean()) < 5e-3
    assert scaled.var() == pytest.approx(actual, abs=7.5e-3 * (1 + excess))
    if variance > 5:
        assert stats.kurtosis(scaled) == pytest.approx(excess, abs=0.03)
    tail = (np.abs(scaled) > 3).mean()
    if variance > 1000:
        assert tail == pytest.approx(2 * stats.norm.sf(3), rel=0.1)
        assert stats.kstest(scaled + _dither(variance), "norm").pvalue > 1e-4
    else:
        x = np.arange(-int(6 * deviation) - 2, int(6 * deviation) + 3)
        expected = np.exp(_log_pmf(name, variance, x)) * 1_000_000
        found = np.bincount(np.clip(draws - x[0], 0, len(x) - 1), minlength=len(x))
        body = expected > 20
        statistic = ((found - expected)[body] ** 2 / expected[body]).sum()
        assert stats.chi2.sf(statistic, body.sum() - 1) > 1e-4


def _dither(variance: float) -> np.ndarray:
    """Spread the lattice of a wide law evenly, so that a continuous test applies."""
    return (np.random.default_rng(5).random(1_000_000) - 0.5) / math.sqrt(variance)


@both
def test_neighbouring_draws_and_low_bits_are_independent(name):
    draws = DRAW[name](1_000_000, 2.0**30, TestOnlySource(22, name)).astype(np.float64)
    scaled = draws / draws.std()
    for lag in (1, 2, 7, 65536):
        assert abs(np.mean(scaled[:-lag] * scaled[lag:])) < 5e-3
    low = draws.astype(np.int64) & 255
    assert stats.chisquare(np.bincount(low, minlength=256)).pvalue > 1e-4


@both
@pytest.mark.parametrize("deficit", [0.95, 0.98])
def test_a_small_noise_deficit_would_be_seen(name, deficit):
    """The experiments above can fail: 5 % (and even 2 %) too little deviation is far outside their bounds."""
    draws = DRAW[name](1_000_000, 2.0**32 * deficit**2, TestOnlySource(23, name))
    assert abs((draws / 2.0**16).var() - 1.0) > 3 * 7.5e-3


def test_shares_of_skellam_add_up_to_skellam():
    total = sum(skellam.skellam(200_000, 3.0, TestOnlySource(30 + n)) for n in range(5))
    x = np.arange(-20, 21)
    expected = np.exp(_log_pmf("skellam", 15.0, x)) * 200_000
    found = np.bincount(np.clip(total + 20, 0, 40), minlength=41)
    body = expected > 20
    assert stats.chi2.sf(((found - expected)[body] ** 2 / expected[body]).sum(), body.sum() - 1) > 1e-4


# -- where randomness comes from -------------------------------------------------------------------------------


@both
def test_all_randomness_is_drawn_from_the_source(name):
    source = _Counter()
    first = DRAW[name](100_000, 1e6, source)
    assert 100_000 <= source.words <= 115_000
    assert np.array_equal(first, DRAW[name](100_000, 1e6, _Counter()))  # the same stream, the same draws
    assert not np.array_equal(first, DRAW[name](100_000, 1e6, SystemSource()))


@both
def test_no_draw_is_an_empty_array_and_bad_variances_are_refused(name):
    assert DRAW[name](0, 5.0, TestOnlySource(1)).shape == (0,)
    for variance in (0.0, 2.0**-21, MAX_VARIANCE * 2, math.inf):
        with pytest.raises(PrivacyError, match="variance"):
            DRAW[name](1, variance, TestOnlySource(1))
