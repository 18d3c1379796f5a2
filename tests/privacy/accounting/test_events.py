"""The vocabulary: strict, canonical, and without a meaning that can drift."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import PrivacyError
from mien.files import canonical_json
from privacy.accounting import events as ev

RATES = st.floats(1e-6, 1.0)
NOISE = st.floats(0.0, 1e6, allow_subnormal=False)
COUNTS = st.integers(1, 1 << 20)
INTEGER_SUMS = st.sampled_from([ev.SkellamSum, ev.DiscreteGaussianSum])


@st.composite
def _events(draw, depth=2):
    kind = draw(st.integers(0, 5 if depth else 4))
    if kind == 0:
        return ev.PoissonGaussian(draw(RATES), draw(NOISE), draw(COUNTS))
    if kind == 1:
        return ev.GaussianSum(draw(NOISE))
    if kind == 2:
        return ev.SampledGaussianSum(draw(RATES), draw(NOISE))
    if kind == 3:
        return ev.PhotoSampledGaussian(draw(RATES), draw(st.integers(1, 100)), draw(NOISE), draw(COUNTS))
    if kind == 4:
        variance, survivors = draw(st.floats(0, 1e12)), draw(COUNTS)
        return draw(INTEGER_SUMS)(draw(COUNTS), draw(RATES), variance, survivors, draw(COUNTS), draw(RATES))
    return ev.Composed(tuple(draw(st.lists(_events(depth - 1), max_size=3))), draw(COUNTS))


@given(_events())
@settings(max_examples=150, deadline=None)
def test_json_gives_the_same_event_back(event):
    line = canonical_json(ev.to_json(event))
    again = ev.from_json(json.loads(line))
    assert again == event
    assert canonical_json(ev.to_json(again)) == line


GOOD = {"type": "PoissonGaussian", "rate": 0.1, "noise_multiplier": 1.0, "steps": 10}


@pytest.mark.parametrize(
    "change",
    [
        {"type": "Poisson"},
        {"type": 3},
        {"rate": 0.0},
        {"rate": 1.5},
        {"rate": "0.1"},
        {"rate": True},
        {"rate": math.nan},
        {"noise_multiplier": -1.0},
        {"noise_multiplier": math.inf},
        {"noise_multiplier": None},
        {"steps": 0},
        {"steps": 2.5},
        {"steps": 10.0},
        {"steps": True},
        {"steps": 1 << 60},
        {"photos": 3},
    ],
)
def test_what_is_not_an_event_is_refused(change):
    assert ev.from_json(GOOD) == ev.PoissonGaussian(0.1, 1.0, 10)
    with pytest.raises(PrivacyError, match="event"):
        ev.from_json({**GOOD, **change})


@pytest.mark.parametrize("name", ["rate", "noise_multiplier", "steps", "type"])
def test_a_missing_field_is_refused(name):
    with pytest.raises(PrivacyError, match="event"):
        ev.from_json({key: value for key, value in GOOD.items() if key != name})


@pytest.mark.parametrize(
    "value", [None, [], "PoissonGaussian", {"type": "Composed", "events": 3, "times": 1}]
)
def test_other_data_is_refused(value):
    with pytest.raises(PrivacyError, match="event"):
        ev.from_json(value)


def test_nesting_is_bounded():
    value = ev.to_json(ev.GaussianSum(1.0))
    for _ in range(12):
        value = {"type": "Composed", "events": [value], "times": 1}
    with pytest.raises(PrivacyError, match="nested"):
        ev.from_json(value)


def test_the_frozen_vocabulary():
    """Old ledgers hold these names and fields. A change here is a change of what was promised: do not."""
    names = {
        "PoissonGaussian": ["rate", "noise_multiplier", "steps"],
        "GaussianSum": ["noise_multiplier"],
        "SampledGaussianSum": ["client_rate", "noise_multiplier"],
        "PhotoSampledGaussian": ["rate", "photos", "noise_multiplier", "steps"],
        "SkellamSum": [
            "scale", "clipping_norm", "variance_per_client", "survivors", "dimension", "client_rate",
        ],
        "DiscreteGaussianSum": [
            "scale", "clipping_norm", "variance_per_client", "survivors", "dimension", "client_rate",
        ],
        "PersonSampledSkellamSum": [
            "scale", "clipping_norm", "variance_per_client", "survivors", "dimension", "client_rate",
        ],
        "PersonSampledDiscreteGaussianSum": [
            "scale", "clipping_norm", "variance_per_client", "survivors", "dimension", "client_rate",
        ],
        "Composed": ["events", "times"],
    }  # fmt: skip
    found = {kind.__name__: list(kind.__dataclass_fields__) for kind in ev._EVENTS}
    assert found == names
