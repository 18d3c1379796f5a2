"""Statements: soundness against exact computations, the traps of other accountants, the two ε, households."""

from __future__ import annotations

import math

import dp_accounting
import numpy as np
import pytest
from dp_accounting.pld import privacy_loss_distribution
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mien.errors import PrivacyError
from privacy.accounting.composition import compose
from privacy.accounting.curve import ONLINE_GRID, PrivacyCurve
from privacy.accounting.epsilon import (
    attack_bounds,
    cross_check,
    epsilon,
    group_table,
    mu_gdp,
    profile,
    tpr_at_fpr,
    two_epsilons,
)
from privacy.accounting.events import (
    Composed,
    GaussianSum,
    PersonSampledDiscreteGaussianSum,
    PersonSampledSkellamSum,
    PhotoSampledGaussian,
    PoissonGaussian,
    SampledGaussianSum,
    SkellamSum,
)


def test_no_event_costs_nothing_and_no_noise_costs_everything():
    assert epsilon([], 1e-5).epsilon == 0.0
    assert epsilon([GaussianSum(0.0)], 1e-5).epsilon == math.inf
    assert epsilon([GaussianSum(5.0), PoissonGaussian(0.1, 0.0, 1)], 1e-5).epsilon == math.inf
    assert epsilon([GaussianSum(0.0)], 1e-5).to_json()["epsilon"] == "inf"


def test_nothing_released_gives_an_attacker_nothing():
    bounds = attack_bounds([])
    assert (bounds.mu_gdp, bounds.tpr_at_fpr_1_percent, bounds.advantage) == (0.0, 0.01, 0.0)
    everything = attack_bounds([GaussianSum(0.0)])
    assert (everything.mu_gdp, everything.tpr_at_fpr_1_percent, everything.advantage) == (math.inf, 1.0, 1.0)


@pytest.mark.parametrize(
    "event",
    [
        GaussianSum(1e-300),
        GaussianSum(5e-324),
        PoissonGaussian(0.5, 1e-9, 1000),
        SkellamSum(1 << 30, 1e9, 1e-9, 1, 10),
        Composed((Composed((GaussianSum(1.0),), 1 << 40),), 1 << 40),
    ],
)
def test_a_hostile_event_costs_everything_and_breaks_nothing(event):
    assert epsilon([event], 1e-5).epsilon == math.inf


_MULTIPLIERS = st.floats(0.3, 100.0)
_RATES = st.floats(1e-4, 1.0)
_ANY = st.one_of(
    st.builds(GaussianSum, _MULTIPLIERS),
    st.builds(SampledGaussianSum, _RATES, _MULTIPLIERS),
    st.builds(PoissonGaussian, _RATES, _MULTIPLIERS, st.integers(1, 300)),
    st.builds(PhotoSampledGaussian, _RATES, st.integers(1, 6), st.floats(1.0, 50.0), st.integers(1, 30)),
    st.builds(
        SkellamSum,
        st.sampled_from([1, 100, 1 << 16]),
        st.floats(0.1, 10.0),
        st.floats(1e2, 1e12),
        st.integers(1, 100),
        st.integers(1, 10**6),
        _RATES,
    ),
)


@given(st.lists(_ANY, min_size=1, max_size=3), _ANY, st.sampled_from([1e-3, 1e-6, 1e-10]))
@settings(max_examples=25, deadline=None)
def test_more_events_never_cost_less_and_order_does_not_matter(events, another, delta):
    before = epsilon(events, delta, grid=1e-2).epsilon
    after = epsilon([*events, another], delta, grid=1e-2).epsilon
    assert 0 <= before <= after + 1e-2  # both are rounded up on the grid
    assert epsilon([another, *events[::-1]], delta, grid=1e-2).epsilon == pytest.approx(after, rel=1e-9)


@pytest.mark.parametrize("delta", [0.0, -1.0, 1.0, 1e-13, math.nan])
def test_a_delta_that_promises_nothing_is_refused(delta):
    with pytest.raises(PrivacyError, match="delta"):
        epsilon([GaussianSum(1.0)], delta)


def test_closed_form_is_the_exact_gaussian_and_rounded_up():
    for sigma in (0.3, 1.0, 4.0, 40.0):
        for delta in (1e-3, 1e-5, 1e-9):
            ours = epsilon([GaussianSum(sigma)], delta).epsilon
            exact = dp_accounting.get_epsilon_gaussian(sigma, delta)
            assert exact <= ours <= exact + 1e-7 * max(1.0, exact)


def test_unsampled_gaussians_merge_exactly():
    events = [GaussianSum(3.0)] * 9 + [PoissonGaussian(1.0, 3.0, 7)]
    assert epsilon(events, 1e-5).epsilon == pytest.approx(
        epsilon([GaussianSum(0.75)], 1e-5).epsilon, abs=1e-9
    )


def test_replacement_is_never_the_renyi_trap():
    """RdpAccountant says 4.73 for this event under replacement; a sum that moves by 2C costs 9.997."""
    events = [GaussianSum(1.0)]
    assert epsilon(events, 1e-5, neighbouring="replace").epsilon == pytest.approx(9.9973, abs=1e-3)
    small = SkellamSum(16, 1.0, 8.0, 10, 20)  # so little noise that only the Rényi route is left
    single = epsilon([small], 1e-5)
    assert single.accountant.startswith("Rényi")
    double = epsilon([small], 1e-5, neighbouring="replace")
    far_apart = SkellamSum(16, 2.0, 8.0, 10, 20)
    assert double.epsilon == pytest.approx(epsilon([far_apart], 1e-5).epsilon)
    with pytest.raises(PrivacyError, match="replace"):
        epsilon([PhotoSampledGaussian(0.1, 3, 1.0, 5)], 1e-5, neighbouring="replace")


def test_renyi_is_not_mixed_with_sampling_under_replacement():
    small = SkellamSum(16, 1.0, 8.0, 10, 20)
    mixed = [small, PoissonGaussian(0.1, 1.0, 5)]
    assert math.isfinite(epsilon(mixed, 1e-5).epsilon)
    assert epsilon(mixed, 1e-5, neighbouring="replace").epsilon == math.inf


@pytest.mark.parametrize(("rate", "noise", "steps"), [(0.2, 1.0, 1), (0.05, 0.7, 1)])
def test_one_sampled_step_against_numerical_integration(rate, noise, steps):
    """δ(ε) of (1−q)N(0,σ²)+qN(1,σ²) against N(0,σ²), both ways, by brute force."""
    x = np.linspace(-30, 31, 2_000_001) * noise
    zero = stats.norm.pdf(x, 0, noise)
    mixed = (1 - rate) * zero + rate * stats.norm.pdf(x, 1, noise)
    step = x[1] - x[0]
    curve = PrivacyCurve(compose([PoissonGaussian(rate, noise, steps)]), "add_or_remove")
    public = privacy_loss_distribution.from_gaussian_mechanism(noise, sampling_prob=rate)
    for eps in (0.0, 0.1, 0.3, 1.0):
        exact = max(
            np.maximum(mixed - math.exp(eps) * zero, 0).sum(),
            np.maximum(zero - math.exp(eps) * mixed, 0).sum(),
        )
        bound = curve.delta([eps])[0]
        assert exact * step <= bound * (1 + 1e-6) + 1e-12
        assert bound <= exact * step * (1 + 2e-3) + 1e-9
        assert bound == pytest.approx(public.get_delta_for_epsilon(eps), rel=1e-9)
    for delta in (1e-2, 1e-4, 1e-8):
        assert curve.epsilon(delta) == pytest.approx(public.get_epsilon_for_delta(delta), rel=1e-9)


def test_profile_and_epsilon_are_inverse_and_falling():
    events = [PoissonGaussian(0.05, 1.0, 50), GaussianSum(6.0)]
    pairs = profile(events, grid=ONLINE_GRID)
    values = [value for _, value in pairs]
    assert values == sorted(values)  # smaller δ, larger ε
    curve = PrivacyCurve(compose(events), "add_or_remove", ONLINE_GRID)
    deltas = curve.delta(values)
    assert np.allclose(deltas, [delta for delta, _ in pairs], rtol=1e-3)


@pytest.mark.parametrize(
    ("target", "mu", "tpr", "advantage"),
    [(1, 0.268, 0.020, 0.107), (2, 0.502, 0.034, 0.198), (4, 0.925, 0.080, 0.356), (8, 1.666, 0.254, 0.595)],
)
def test_attack_bounds_of_gaussians(target, mu, tpr, advantage):
    event = GaussianSum(1.0 / mu)
    assert epsilon([event], 1e-5).epsilon == pytest.approx(target, rel=6e-3)
    bounds = attack_bounds([event])
    assert bounds.mu_gdp == pytest.approx(mu, rel=1e-6)
    exact = stats.norm.sf(stats.norm.isf(0.01) - mu)
    assert exact <= bounds.tpr_at_fpr_1_percent <= exact * 1.001
    assert bounds.tpr_at_fpr_1_percent == pytest.approx(tpr, abs=1e-3)
    assert bounds.advantage == pytest.approx(advantage, abs=1e-3)


def test_mu_dominates_the_whole_profile_where_the_central_limit_would_not():
    events = [PoissonGaussian(0.001, 0.7, 2000)]
    mu = mu_gdp(events)
    curve = PrivacyCurve(compose(events), "add_or_remove")
    gaussian = PrivacyCurve(compose([GaussianSum(1 / mu)]), "add_or_remove")
    points = np.linspace(0, 2, 41)
    assert np.all(gaussian.delta(points) >= curve.delta(points) * (1 - 1e-6) - 1e-12)
    clt = 0.001 * math.sqrt(2000) * math.sqrt(math.expm1(0.7**-2))
    assert mu > 1.05 * clt  # the central limit theorem understates: unsound


def test_no_attack_beats_the_bounds():
    """The best test of one sampled release has the power that is stated, and no more."""
    rate, noise = 0.3, 0.8
    rng = np.random.default_rng(5)
    inside = rng.normal(0, noise, 400_000) + (rng.random(400_000) < rate)
    outside = rng.normal(0, noise, 400_000)
    threshold = np.quantile(outside, 0.99)  # the likelihood ratio rises with the value: this test is optimal
    power = float((inside > threshold).mean())
    bound = tpr_at_fpr([SampledGaussianSum(rate, noise)], 0.01)
    assert power <= bound + 0.002
    assert bound <= power + 0.004


def test_two_epsilons_differ_only_where_clients_are_sampled_in_secret():
    rounds = [Composed((SampledGaussianSum(0.1, 1.0),), 100)]
    both = two_epsilons(rounds, 1e-5)
    assert both.recipient.epsilon == pytest.approx(7.05, abs=0.02)
    assert both.server.epsilon == pytest.approx(epsilon([GaussianSum(0.1)], 1e-5).epsilon)
    taken = two_epsilons(rounds, 1e-5, taken=[SampledGaussianSum(0.1, 1.0)] * 9)
    assert taken.server.epsilon == pytest.approx(epsilon([GaussianSum(1.0)] * 9, 1e-5).epsilon)
    silo = two_epsilons([PoissonGaussian(0.05, 1.0, 20)], 1e-5)  # sampled inside the device: nobody sees it
    assert silo.server.epsilon == silo.recipient.epsilon
    integers = SkellamSum(1 << 16, 1.0, float(1 << 32) / 50, 50, 1000, client_rate=0.1)
    pair = two_epsilons([integers], 1e-5)
    assert pair.recipient.epsilon < 0.5 * pair.server.epsilon
    for kind in (PersonSampledSkellamSum, PersonSampledDiscreteGaussianSum):  # drawn inside a device: unseen
        persons = kind(1 << 16, 1.0, float(1 << 32) / 50, 50, 1000, client_rate=0.1)
        both = two_epsilons([persons], 1e-5)
        assert both.server.epsilon == both.recipient.epsilon
        assert both.server.epsilon == pytest.approx(pair.recipient.epsilon, rel=1e-6)


@pytest.mark.parametrize(("missing", "expected"), [(0, 7.05), (5, 7.40), (10, 7.79), (20, 8.75), (50, 14.3)])
def test_drop_out_eats_distributed_noise(missing, expected):
    noise = math.sqrt(1 - missing / 100)
    events = [Composed((SampledGaussianSum(0.1, noise),), 100)]
    assert epsilon(events, 1e-5, grid=ONLINE_GRID).epsilon == pytest.approx(expected, rel=4e-3)


def test_household_table():
    table = group_table([PoissonGaussian(0.01, 1.0, 1000)], 1e-5, grid=ONLINE_GRID)
    assert [round(table[size].epsilon, 1) for size in (1, 2, 3, 5)] == [1.8, 4.0, 6.3, 11.6]
    plain = group_table([GaussianSum(6.0)], 1e-5)
    assert plain[3].epsilon == pytest.approx(epsilon([GaussianSum(2.0)], 1e-5).epsilon)
    assert plain[2].epsilon < 2 * plain[1].epsilon * 1.3  # near k-fold, from the exact curve
    photos = group_table([PhotoSampledGaussian(0.01, 2, 1.0, 100)], 1e-5, (2,), grid=ONLINE_GRID)
    same = epsilon([PhotoSampledGaussian(0.01, 4, 1.0, 100)], 1e-5, grid=ONLINE_GRID)
    assert photos[2].epsilon == same.epsilon


@pytest.mark.parametrize(("rate", "units", "noise"), [(0.1, 3, 1.0), (0.02, 8, 0.9)])
def test_mixtures_are_built_as_dp_accounting_builds_them(rate, units, noise):
    counts = np.arange(units + 1)
    slow = privacy_loss_distribution.from_mixture_gaussian_mechanism(
        noise, counts.astype(float).tolist(), stats.binom.pmf(counts, units, rate).tolist(),
        value_discretization_interval=1e-2,
    )  # fmt: skip
    curve = PrivacyCurve(compose([PhotoSampledGaussian(rate, units, noise, 20)]), "add_or_remove", 1e-2)
    for delta in (1e-2, 1e-5, 1e-8):
        expected = slow.self_compose(20).get_epsilon_for_delta(delta)
        assert curve.epsilon(delta) == pytest.approx(expected, rel=1e-6)


def test_the_second_opinion_says_where_it_has_none():
    assert cross_check([PhotoSampledGaussian(0.1, 3, 1.0, 5)], 1e-5) is None
    assert cross_check([GaussianSum(0.0)], 1e-5) is None
    assert cross_check([], 1e-5) is None


def test_an_enormous_epsilon_is_still_found_in_seconds():
    value = epsilon([PhotoSampledGaussian(0.08, 20, 1.2, 650)], 1e-3, grid=ONLINE_GRID)
    assert value.epsilon == pytest.approx(861, rel=0.01)
    assert value.grid >= ONLINE_GRID
