"""Thirteen configurations whose ε is known from five accountants: ours must agree with the tight ones."""

from __future__ import annotations

import warnings

import pytest

from privacy.accounting.curve import ONLINE_GRID
from privacy.accounting.epsilon import cross_check, epsilon
from privacy.accounting.events import Composed, PoissonGaussian

# name, [(rate, noise multiplier, steps)], delta, ε (add or remove), ε (replace) or None
REFERENCE = [
    ("A", [(0.01, 1.0, 1000)], 1e-5, 1.8282, 2.844),
    ("B", [(256 / 60000, 1.1, 14062)], 1e-5, 2.3817, 4.227),
    ("C", [(0.08, 1.2, 650)], 1e-3, 7.9054, 15.58),
    ("D", [(1.0, 4.0, 100)], 1e-5, 13.2067, 33.10),
    ("E", [(0.01, 0.8, 2000)], 1e-6, 4.9445, 6.898),
    ("F", [(0.1, 1.0, 100)], 1e-3, 4.7844, 7.770),
    ("G", [(0.5, 2.0, 50)], 1e-5, 9.4736, 19.88),
    ("H", [(0.001, 0.7, 10000)], 1e-6, 1.6370, 1.922),
    ("I", [(0.02, 0.6, 2000)], 1e-5, 19.9818, 26.49),
    ("J", [(1.0, 1.0, 1)], 1e-5, 4.3772, 9.9973),
    ("K", [(0.1, 3.0, 500)], 1e-5, 3.3043, 6.968),
    ("L", [(0.32, 1.0, 160)], 1e-3, 25.4133, 50.44),
    ("M", [(0.08, 1.5, 390), (0.08, 1.0, 260)], 1e-3, 8.0309, None),
]


def _events(parts: list[tuple[float, float, int]]) -> list[PoissonGaussian]:
    return [PoissonGaussian(rate, noise, steps) for rate, noise, steps in parts]


@pytest.mark.parametrize(("name", "parts", "delta", "expected", "_"), REFERENCE)
def test_epsilon_is_the_table_and_opacus_prv_agrees(name, parts, delta, expected, _):
    statement = epsilon(_events(parts), delta)
    assert statement.epsilon == pytest.approx(expected, abs=1e-3), name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Opacus warns of logarithms it then discards
        second = cross_check(_events(parts), delta)
    assert second is not None
    assert second.difference == pytest.approx(second.epsilon - statement.epsilon)
    assert abs(second.difference) <= 0.012, name


@pytest.mark.parametrize(("name", "parts", "delta", "_", "expected"), REFERENCE[:-1])
def test_replacement_counts_twice_the_sensitivity(name, parts, delta, _, expected):
    value = epsilon(_events(parts), delta, neighbouring="replace", grid=ONLINE_GRID).epsilon
    assert value == pytest.approx(expected, abs=8e-3, rel=1e-3), name


@pytest.mark.parametrize(("name", "parts", "delta", "expected", "_"), REFERENCE)
def test_the_coarse_grid_is_dearer_and_never_cheaper(name, parts, delta, expected, _):
    coarse = epsilon(_events(parts), delta, grid=ONLINE_GRID).epsilon
    assert expected - 1e-4 <= coarse <= expected + 0.012, name


def test_many_small_events_cost_what_one_large_one_does():
    once = epsilon([PoissonGaussian(0.01, 1.0, 1000)], 1e-5).epsilon
    assert epsilon([PoissonGaussian(0.01, 1.0, 10)] * 100, 1e-5).epsilon == once
    assert epsilon([Composed((PoissonGaussian(0.01, 1.0, 10),), 100)], 1e-5).epsilon == once


@pytest.mark.parametrize(
    ("rate", "noise", "steps", "delta", "photos", "expected"),
    [
        (0.01, 1.0, 1000, 1e-5, 2, 3.98),
        (0.01, 1.0, 1000, 1e-5, 5, 11.6),
        (0.01, 1.0, 1000, 1e-5, 10, 27.9),
        (0.08, 4.0, 650, 1e-3, 2, 3.32),
        (0.08, 4.0, 650, 1e-3, 10, 29.1),
    ],
)
def test_a_person_with_several_sampled_photos(rate, noise, steps, delta, photos, expected):
    from privacy.accounting.events import PhotoSampledGaussian

    event = PhotoSampledGaussian(rate, photos, noise, steps)
    assert epsilon([event], delta, grid=ONLINE_GRID).epsilon == pytest.approx(expected, rel=6e-3)
