"""Thirteen configurations whose ε is known from five accountants: ours must agree with the tight ones."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

from privacy.accounting.curve import ONLINE_GRID
from privacy.accounting.epsilon import cross_check, epsilon
from privacy.accounting.events import Composed, PhotoSampledGaussian, PoissonGaussian

_FILE = Path(__file__).parents[3] / "benchmarks" / "reference_epsilons.json"
REFERENCE = [
    (c["name"], c["parts"], c["delta"], c["add_or_remove"], c["replace"])
    for c in json.loads(_FILE.read_text(encoding="utf-8"))["configurations"]
]


def _events(parts: list[tuple[float, float, int]]) -> list[PoissonGaussian]:
    return [PoissonGaussian(rate, noise, steps) for rate, noise, steps in parts]


def test_the_table_is_whole():
    assert [name for name, *_ in REFERENCE] == list("ABCDEFGHIJKLM")


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
    event = PhotoSampledGaussian(rate, photos, noise, steps)
    assert epsilon([event], delta, grid=ONLINE_GRID).epsilon == pytest.approx(expected, rel=6e-3)
