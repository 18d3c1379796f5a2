"""Bounds must hold: against closed forms, against each other, and over many simulated correct mechanisms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from privacy.audit.attacks import bounds, curves


def test_proportions_cover():
    generator = np.random.Generator(np.random.PCG64(1))
    for chance in (0.02, 0.5, 0.97):
        counts = generator.binomial(200, chance, 2000)
        above = np.mean([bounds.proportion_lower(int(k), 200, 0.05) > chance for k in counts])
        below = np.mean([bounds.proportion_upper(int(k), 200, 0.05) < chance for k in counts])
        assert above < 0.065
        assert below < 0.065
    assert bounds.proportion_lower(0, 10, 0.05) == 0.0
    assert bounds.proportion_upper(10, 10, 0.05) == 1.0
    assert bounds.proportion_lower(10, 10, 0.05) == pytest.approx(0.05**0.1)


def test_mu_and_epsilon_are_inverse():
    for mu in (0.3, 1.0, 3.0):
        assert bounds.mu_of_epsilon(bounds.epsilon_of_mu(mu, 1e-5), 1e-5) == pytest.approx(mu, rel=1e-5)
    assert bounds.epsilon_of_mu(1.0, 1e-5) == pytest.approx(4.3772, abs=1e-3)
    assert bounds.epsilon_of_mu(1e-7, 1e-5) == 0.0


@pytest.mark.parametrize("coins", [1, 8])
def test_bets_hold_on_correct_mechanisms_and_come_near(coins):
    """At 95 %, 400 correct mechanisms; within a release the coins may hang together as they like."""
    generator, mu, releases = np.random.Generator(np.random.PCG64(2)), 1.0, 600
    chance = float(special.ndtr(mu / 2))
    stake = bounds.best_stake(mu, coins, releases, 0.05)
    lowers = []
    for trial in range(400):
        same = trial % 2 == 0
        draws = generator.random((releases, 1 if same else coins)) < chance
        lowers.append(bounds.mu_from_bets(draws.mean(axis=1), 0.05, stake))
    assert np.mean(np.array(lowers) > mu) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)
    assert np.median(lowers) > 0.7 * mu
    assert bounds.mu_from_bets(np.full(100, 0.4), 0.05, 0.5) == 0.0


def test_enough_releases_reveal_the_deficit_they_were_planned_for():
    generator, mu = np.random.Generator(np.random.PCG64(3)), 1.0
    needed = bounds.releases_needed(mu, 8, 0.1, 1e-3, 0.01)
    stake = bounds.best_stake(mu, 8, needed, 1e-3)
    actual = float(special.ndtr(mu / 0.9 / 2))
    found = [
        bounds.mu_from_bets(generator.binomial(8, actual, needed) / 8, 1e-3, stake) > mu for _ in range(200)
    ]
    assert np.mean(found) > 0.96


def test_rates_bound_randomised_response():
    """Randomised response with ε = 1 is the worst (ε, 0) mechanism: its bound is near and below."""
    generator = np.random.Generator(np.random.PCG64(4))
    keep = float(special.expit(1.0))
    lowers = [
        bounds.epsilon_from_rates(
            generator.binomial(4000, keep), 4000, generator.binomial(4000, 1 - keep), 4000, 0.0, 0.05
        )
        for _ in range(300)
    ]
    assert np.mean(np.array(lowers) > 1.0) < 0.05
    assert np.median(lowers) > 0.85


def test_one_run_bounds_hold_and_agree_with_the_papers():
    """A Gaussian mechanism of known μ over 1,000 canaries, guesses fixed beforehand, both tails."""
    generator, canaries, guesses, alpha = np.random.Generator(np.random.PCG64(5)), 1000, 200, 0.05
    mu = bounds.mu_of_epsilon(4.0, 1e-5)
    steinke, gaussian = [], []
    for _ in range(60):
        coins = generator.random(canaries) < 0.5
        order = np.argsort(generator.standard_normal(canaries) + mu * coins)
        right = int(coins[order[-guesses // 2 :]].sum() + (~coins[order[: guesses // 2]]).sum())
        steinke.append(bounds.steinke_epsilon(canaries, guesses, right, 1e-5, alpha))
        gaussian.append(
            bounds.epsilon_of_mu(bounds.gaussian_one_run_mu(canaries, guesses, right, alpha), 1e-5)
        )
    assert max(steinke) < 4.0
    assert max(gaussian) < 4.0
    assert 1.0 < np.median(steinke) < np.median(gaussian) < 3.0


def test_steinke_without_delta_is_the_binomial_bound():
    found = bounds.steinke_epsilon(100, 100, 80, 0.0, 0.05)
    assert stats.binom.sf(79, 100, special.expit(found)) == pytest.approx(0.05, rel=1e-3)
    assert bounds.steinke_epsilon(100, 100, 50, 1e-5, 0.05) == 0.0
    assert bounds.gaussian_one_run_mu(100, 100, 50, 0.05) == 0.0
    assert bounds.steinke_epsilon(100, 0, 0, 1e-5, 0.05) == 0.0


def test_curves():
    scores = np.array([5.0, 4.0, 4.0, 1.0])
    members = np.array([True, False, True, False])
    assert curves.roc(scores, members) == ((0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0))
    assert curves.tpr_at(scores, members, 0.0) == 0.5
    assert curves.tpr_at(scores, members, 0.49) == 0.5
    assert curves.tpr_at(scores, members, 0.5) == 1.0
    assert curves.area(scores, members) == pytest.approx(0.875)
    equal = curves.roc(np.zeros(10), np.arange(10) < 5)
    assert equal == ((0.0, 0.0), (1.0, 1.0)), "equal scores tell nothing"
