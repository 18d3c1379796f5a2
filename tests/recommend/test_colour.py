"""Colour mathematics against published values."""

from __future__ import annotations

import numpy as np
import pytest

from recommend.colour import (
    Lab,
    difference,
    hex_of_lab,
    in_gamut,
    into_gamut,
    lab_of_hex,
    linear_to_srgb,
    luminance,
    srgb_to_linear,
)

# Sharma, Wu and Dalal (2005), table 1: the pairs that catch wrong implementations.
SHARMA = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, 3.1571, -77.2803), (50, 0, -82.7485), 2.8615),
    ((50, 2.8361, -74.0200), (50, 0, -82.7485), 3.4412),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, -1.1848, -84.8006), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, -1, 2), (50, 0, 0), 2.3669),
    ((50, 2.4900, -0.0010), (50, -2.4900, 0.0009), 7.1792),
    ((50, 2.4900, -0.0010), (50, -2.4900, 0.0011), 7.2195),
    ((50, -0.0010, 2.4900), (50, 0.0009, -2.4900), 4.8045),
    ((50, -0.0010, 2.4900), (50, 0.0011, -2.4900), 4.7461),
    ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (61, -5, 29), 22.8977),
    ((50, 2.5, 0), (56, -27, -3), 31.9030),
    ((50, 2.5, 0), (58, 24, 15), 19.4535),
    ((50, 2.5, 0), (50, 3.1736, 0.5854), 1.0000),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((63.0109, -31.0961, -5.8663), (62.8187, -29.7946, -4.0864), 1.2630),
    ((35.0831, -44.1164, 3.7933), (35.0232, -40.0716, 1.5901), 1.8645),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
    ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.mark.parametrize(("first", "second", "expected"), SHARMA)
def test_ciede2000_matches_the_published_pairs(first, second, expected):
    assert difference(Lab(*first), Lab(*second)) == pytest.approx(expected, abs=5e-5)
    assert difference(Lab(*second), Lab(*first)) == pytest.approx(expected, abs=5e-5)


# The Monk Skin Tone scale and its L*, ITA° (computed elsewhere from the same hex codes).
@pytest.mark.parametrize(
    ("code", "lightness", "ita"),
    [("#f6ede4", 94.2, 83.0), ("#d7bd96", 77.9, 50.3), ("#a07e56", 55.1, 10.9), ("#825c43", 42.5, -20.1),
     ("#292420", 14.6, -84.3)],
)  # fmt: skip
def test_lab_and_ita_of_known_swatches(code, lightness, ita):
    colour = lab_of_hex(code)
    assert colour.l == pytest.approx(lightness, abs=0.1)
    assert colour.ita == pytest.approx(ita, abs=0.2)


def test_white_black_and_the_round_trip_of_every_tenth_colour():
    assert lab_of_hex("#ffffff").l == pytest.approx(100, abs=1e-3)
    assert lab_of_hex("#ffffff").chroma < 0.02
    assert lab_of_hex("#000000").l == pytest.approx(0, abs=1e-6)
    for code in (f"#{r:02x}{g:02x}{b:02x}" for r in (0, 77, 255) for g in (13, 140) for b in (1, 99, 200)):
        assert hex_of_lab(lab_of_hex(code)) == code


def test_the_tone_curve_inverts_and_luminance_weighs_green_most():
    values = np.linspace(0, 1, 101)
    assert np.allclose(linear_to_srgb(srgb_to_linear(values)), values, atol=1e-12)
    assert luminance([1.0, 1.0, 1.0]) == pytest.approx(1.0, abs=1e-6)
    assert luminance([0, 1.0, 0]) > luminance([1.0, 0, 0]) > luminance([0, 0, 1.0])


def test_a_colour_outside_srgb_keeps_lightness_and_hue():
    vivid = Lab.from_lch(50, 150, 140)
    assert not in_gamut(vivid)
    shown = into_gamut(vivid)
    assert in_gamut(shown)
    assert shown.l == pytest.approx(50)
    assert shown.hue == pytest.approx(140, abs=1e-6)
    assert 20 < shown.chroma < 150
