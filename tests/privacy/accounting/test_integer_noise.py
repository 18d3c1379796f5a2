"""Integer noise: the bounds against the exact laws, and that the price of integers is nothing at 2^16."""

from __future__ import annotations

import decimal
import itertools
import math

import mpmath
import numpy as np
import pytest
from scipy import signal, special

from privacy.accounting.composition import compose
from privacy.accounting.curve import PrivacyCurve
from privacy.accounting.epsilon import epsilon
from privacy.accounting.events import Composed, DiscreteGaussianSum, GaussianSum, SkellamSum
from privacy.accounting.integer_noise import (
    MIN_VARIANCE,
    REMAINDER,
    gaussian_equivalent,
    renyi,
    sum_of_discrete_gaussians_excess,
)
from privacy.mechanisms.skellam import SkellamLaw

KINDS = [SkellamSum, DiscreteGaussianSum]


def _event(kind, scale, noise, survivors, dimension, rate=1.0):
    return kind(scale, 1.0, (noise * scale) ** 2 / survivors, survivors, dimension, rate)


@pytest.mark.parametrize("power", [16, 19, 32, 48])
def test_the_log_ratio_to_a_rounded_gaussian_is_hermite_plus_a_bounded_remainder(power):
    """The one analytic step of I2, checked at 60 digits with the exact Skellam and discrete Gaussian laws."""
    with mpmath.workdps(60), decimal.localcontext(prec=100):
        mu = mpmath.mpf(2) ** power
        v = mu - mpmath.mpf(1) / 12
        law = SkellamLaw(float(mu))
        log_at_zero = mpmath.log(mpmath.besseli(0, mu)) - mu
        log_normaliser = mpmath.log(mpmath.sqrt(2 * mpmath.pi * mu))
        for y in np.linspace(0, 14, 15):
            x = int(y * math.sqrt(float(mu)))
            tail = [mpmath.erfc((x + half) / mpmath.sqrt(2 * v)) / 2 for half in (-0.5, 0.5)]
            log_rounded = mpmath.log(tail[0] - tail[1])
            s = mpmath.mpf(x) / mpmath.sqrt(v)
            hermite = (s**4 - 6 * s**2 + 3) / 24
            allowed = REMAINDER * (1 + s**6) / mu
            skellam = mpmath.mpf(str(law.exact_ratio(x).ln())) + log_at_zero - log_rounded
            assert abs(skellam * mu - hermite) <= allowed
            discrete = -(mpmath.mpf(x) ** 2) / (2 * mu) - log_normaliser - log_rounded
            assert abs(discrete * mu) <= allowed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dimension", [1, 1000])
def test_eta_covers_what_happens(kind, dimension):
    """Sums of real log-ratios stay far below η: drawn from the exact law at the smallest allowed variance."""
    from privacy.mechanisms import discrete_gaussian, skellam
    from privacy.randomness import TestOnlySource

    event = kind(256, 1.0, MIN_VARIANCE / 8, 8, dimension)
    equivalent = gaussian_equivalent(event)
    v = MIN_VARIANCE - 1 / 12
    draw = skellam.skellam if kind is SkellamSum else discrete_gaussian.discrete_gaussian
    x = draw(400 * dimension, MIN_VARIANCE, TestOnlySource(3)).astype(np.float64)
    rounded = np.log(
        special.ndtr((np.abs(x) + 0.5) / math.sqrt(v)) - special.ndtr((np.abs(x) - 0.5) / math.sqrt(v))
    )
    if kind is SkellamSum:
        exact = SkellamLaw(MIN_VARIANCE).log_ratio(x) + np.log(special.ive(0, MIN_VARIANCE))
    else:
        exact = -(x**2) / (2 * MIN_VARIANCE) - 0.5 * math.log(2 * math.pi * MIN_VARIANCE)
    sums = np.abs((exact - rounded).reshape(400, dimension).sum(axis=1))
    assert sums.max() < equivalent.eta
    if kind is SkellamSum and dimension == 1000:
        assert sums.max() > 0.02 * equivalent.eta  # the bound is not so loose that it says nothing


@pytest.mark.parametrize("kind", KINDS)
def test_the_curve_dominates_the_exact_one_dimensional_mechanism(kind):
    mu, shift = MIN_VARIANCE, 256
    x = np.arange(-5000, 5001)
    log_p = SkellamLaw(mu).log_ratio(x.astype(float)) if kind is SkellamSum else -(x**2) / (2 * mu)
    p = np.exp(log_p) / np.exp(log_p).sum()
    moved = np.roll(p, shift)
    curve = PrivacyCurve(compose([kind(shift, 1.0, mu / 4, 4, 1)]), "add_or_remove")
    for eps in (0.0, 0.5, 1.0, 2.0, 3.0):
        exact = np.maximum(moved - math.exp(eps) * p, 0).sum()
        bound = curve.delta([eps])[0]
        assert exact <= bound
        assert bound <= exact * 1.2 + 1e-6


@pytest.mark.parametrize(("mu", "shift"), [(4.0, 1), (30.0, 3), (400.0, 20)])
def test_renyi_bound_of_skellam_dominates_the_exact_divergence(mu, shift):
    orders = np.array([2.0, 3.0, 5.0, 8.0, 16.0])
    x = np.arange(-int(60 * math.sqrt(mu)) - 60, int(60 * math.sqrt(mu)) + 61)
    with np.errstate(divide="ignore"):
        log_p = np.log(special.ive(np.abs(x), mu))
    keep = np.isfinite(log_p) & np.isfinite(np.roll(log_p, shift))
    log_p, moved = log_p[keep], np.roll(log_p, shift)[keep]
    exact = [special.logsumexp(a * moved + (1 - a) * log_p) / (a - 1) for a in orders]
    bound = renyi(SkellamSum(shift, 1.0, mu / 2, 2, 1), orders)
    assert np.all(np.asarray(exact) <= bound)
    low = orders <= 5
    assert np.all(bound[low] <= np.asarray(exact)[low] * (1.65 if mu < 100 else 1.02))


@pytest.mark.parametrize(("variance", "count"), [(1.0, 2), (1.0, 4), (2.0, 3)])
def test_a_sum_of_discrete_gaussians_is_one_up_to_tau(variance, count):
    x = np.arange(-60, 61)
    one = np.exp(-(x**2) / (2 * variance))
    one /= one.sum()
    total = one
    for _ in range(count - 1):
        total = signal.convolve(total, one)
    y = np.arange(len(total)) - len(total) // 2
    target = np.exp(-(y**2) / (2 * variance * count))
    target /= target.sum()
    body = target > 1e-9
    gap = np.abs(np.log(total[body] / target[body])).max()
    assert 0 < gap <= sum_of_discrete_gaussians_excess(count, variance)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("dimension", "survivors"), list(itertools.product([1 << 10, 1 << 17, 25_000_000], [10, 1000]))
)
def test_integers_cost_nothing_from_a_scale_of_2_to_the_16(kind, dimension, survivors):
    event = _event(kind, 1 << 16, 1.0, survivors, dimension)
    continuous = epsilon([GaussianSum(1.0)], 1e-5).epsilon
    integer = epsilon([event], 1e-5)
    assert integer.accountant == "Gaussian closed form"
    assert continuous <= integer.epsilon <= continuous + 1e-5
    hundred = epsilon([Composed((_event(kind, 1 << 16, 10.0, survivors, dimension),), 100)], 1e-5).epsilon
    assert continuous <= hundred <= continuous + 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_ours_is_tighter_than_the_renyi_bound_of_the_same_event(kind):
    for power in (10, 12, 16):
        event = Composed((_event(kind, 1 << power, 10.0, 100, 10**6),), 100)
        curve = PrivacyCurve(compose([event]), "add_or_remove")
        published = curve._epsilon_by_renyi(1e-5)
        assert published == pytest.approx(4.74, abs=0.02)  # the continuous Gaussian's Rényi bound is 4.7285
        assert 4.3771 <= curve.epsilon(1e-5) <= 0.93 * published


def test_sampling_amplifies_integers_as_it_does_gaussians():
    from privacy.accounting.events import SampledGaussianSum

    event = _event(SkellamSum, 1 << 16, 1.0, 50, 10_000, rate=0.1)
    value = epsilon([Composed((event,), 100)], 1e-5).epsilon
    gaussian = epsilon([Composed((SampledGaussianSum(0.1, 1.0),), 100)], 1e-5).epsilon
    assert gaussian <= value <= gaussian + 1e-3


def test_rounds_with_different_clipping_norms_are_equal_events_to_the_accountant():
    events = [
        SkellamSum(1 << 16, norm, (norm * 65_536) ** 2 / 50, 50, 1000, 0.1)
        for norm in np.linspace(0.5, 2, 500)
    ]
    composition = compose(events)
    assert len(composition.integer) == 500
    assert len(composition.gaussian.sampled) <= 2
    assert epsilon(events, 1e-5).epsilon == pytest.approx(
        epsilon([Composed((events[0],), 500)], 1e-5).epsilon, rel=1e-4
    )


@pytest.mark.parametrize("kind", KINDS)
def test_too_little_noise_falls_back_to_renyi_and_none_is_infinite(kind):
    small = kind(16, 1.0, 100.0, 10, 50)
    assert gaussian_equivalent(small) is None
    statement = epsilon([small], 1e-5)
    assert statement.accountant.startswith("Rényi")
    assert epsilon([GaussianSum(math.sqrt(1000) / 16)], 1e-5).epsilon < statement.epsilon < 20
    assert epsilon([kind(16, 1.0, 0.0, 10, 50)], 1e-5).epsilon == math.inf
    assert gaussian_equivalent(DiscreteGaussianSum(256, 1.0, 4.0, 1 << 15, 5)) is None  # shares too narrow
