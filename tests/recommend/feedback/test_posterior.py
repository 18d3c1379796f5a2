"""The learner's mathematics: against an independent optimum, and what must hold for any rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from recommend.feedback.posterior import Posterior, Rows, Spread, covariance

SPREAD = Spread()


def rows(count: int, seed: int, features: int = 5) -> Rows:
    random = np.random.default_rng(seed)
    return Rows(
        random.normal(size=(count, features)), random.integers(0, 6, count), 10 + random.integers(0, 3, count)
    )


def fit(seed: int, count: int = 25) -> tuple[Rows, np.ndarray, np.ndarray, np.ndarray, Posterior]:
    random = np.random.default_rng(seed + 1000)
    own, liked = rows(count, seed), random.random(count) < 0.5
    weights, offsets = random.uniform(0.2, 1.0, count), random.normal(size=count)
    return own, liked, weights, offsets, Posterior.of(own, liked, weights, offsets, SPREAD)


@pytest.mark.parametrize("seed", range(6))
def test_mean_is_the_optimum_of_the_weights_themselves(seed: int) -> None:
    """The same model in weights w, b, u, v instead of rows, solved by another method."""
    own, liked, weights, offsets, posterior = fit(seed)
    rules, groups = np.unique(own.rules), np.unique(own.groups)
    design = np.hstack(
        [
            SPREAD.features * own.features,
            np.full((len(own), 1), SPREAD.bias),
            SPREAD.group * (own.groups[:, None] == groups),
            SPREAD.rule * (own.rules[:, None] == rules),
        ]
    )
    signs = np.where(liked, 1.0, -1.0)

    def loss(z: np.ndarray) -> float:
        return float(0.5 * z @ z + weights @ np.logaddexp(0, -signs * (offsets + design @ z)))

    best = minimize(loss, np.zeros(design.shape[1]), method="BFGS", options={"gtol": 1e-8}).x
    found = posterior.shifts(own).sum(axis=1)
    np.testing.assert_allclose(found, design @ best, atol=2e-4)


def test_deviations_are_those_of_laplace_in_weights() -> None:
    own, _, weights, offsets, posterior = fit(3)
    design = np.hstack(
        [
            SPREAD.features * own.features,
            np.full((len(own), 1), SPREAD.bias),
            SPREAD.group * (own.groups[:, None] == np.unique(own.groups)),
            SPREAD.rule * (own.rules[:, None] == np.unique(own.rules)),
        ]
    )
    likely = 1 / (1 + np.exp(-(offsets + posterior.shifts(own).sum(axis=1))))
    precision = np.eye(design.shape[1]) + design.T @ ((weights * likely * (1 - likely))[:, None] * design)
    expected = np.sqrt(np.einsum("ij,jk,ik->i", design, np.linalg.inv(precision), design))
    np.testing.assert_allclose(posterior.deviations(own), expected, rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 40))
def test_order_of_rows_does_not_matter_and_nothing_is_more_certain_than_prior(seed: int, count: int) -> None:
    own, liked, weights, offsets, posterior = fit(seed, count)
    turned = np.random.default_rng(seed).permutation(count)
    other = Posterior.of(
        Rows(own.features[turned], own.rules[turned], own.groups[turned]),
        liked[turned], weights[turned], offsets[turned], SPREAD,
    )  # fmt: skip
    asked = rows(7, seed + 1)
    np.testing.assert_allclose(
        posterior.shifts(asked).sum(axis=1), other.shifts(asked).sum(axis=1), atol=1e-6
    )
    np.testing.assert_allclose(posterior.deviations(asked), other.deviations(asked), atol=1e-6)
    prior = np.sqrt(np.diag(covariance(asked, asked, SPREAD)))
    assert (posterior.deviations(asked) <= prior + 1e-9).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 1000))
def test_it_converges_for_extreme_rows_too(seed: int, scale: float) -> None:
    own = rows(30, seed)
    own = Rows(own.features * scale, own.rules, own.groups)
    random = np.random.default_rng(seed)
    posterior = Posterior.of(own, random.random(30) < 0.5, np.ones(30), random.normal(size=30) * 20, SPREAD)
    assert np.isfinite(posterior.shifts(own)).all()
    assert np.isfinite(posterior.deviations(own)).all()


def test_a_like_raises_its_own_logit_and_a_dislike_lowers_it() -> None:
    one = rows(1, 4)
    for liked, sign in ((True, 1), (False, -1)):
        posterior = Posterior.of(one, np.array([liked]), np.ones(1), np.zeros(1), SPREAD)
        assert sign * posterior.shifts(one)[0, 0] > 0.1
