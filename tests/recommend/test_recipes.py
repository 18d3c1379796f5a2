"""Recipes on skins of every depth: as visible as meant, never ashy, always showable."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from recommend.colour import Lab, difference, lab_of_hex, lab_to_linear, linear_to_lab
from recommend.knowledge.load import shipped
from recommend.recipes import is_ashy, resolve

DEPTHS = {
    "depth_1": [(86, 14, 62), (80, 18, 66)],
    "depth_2": [(76, 20, 58), (71, 20, 66)],
    "depth_3": [(68, 22, 56), (63, 24, 66)],
    "depth_4": [(60, 24, 56), (55, 26, 66)],
    "depth_5": [(49, 25, 54), (40, 22, 62)],
    "depth_6": [(34, 19, 50), (24, 12, 58)],
}
SKINS = [Lab.from_lch(*skin) for skin in itertools.chain.from_iterable(DEPTHS.values())]
RECIPES = shipped().recipes


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.id)
def test_every_recipe_on_every_depth(recipe):
    means = []
    for skins in DEPTHS.values():
        made = []
        for skin in skins:
            swatch = resolve(recipe, Lab.from_lch(*skin))
            on, own = lab_of_hex(swatch.on_hex), Lab.from_lch(*skin)
            made.append(swatch.difference)
            assert 0 < swatch.dose <= 0.92
            assert swatch.faint == (swatch.difference < 0.8 * recipe.visible)
            # Only where a strong colour meets very deep skin may a screen run out of room.
            assert not swatch.faint or (recipe.visible >= 20 and own.l < 40)
            assert not is_ashy(own, on), (recipe.id, skin, swatch)
            if recipe.direction == "lighten":
                assert on.l > own.l
            if recipe.direction == "darken":
                assert on.l < own.l
        means.append(float(np.mean(made)))
    if recipe.visible:
        assert max(means) / min(means) <= 1.5
    else:
        assert max(means) < 1.0


def test_one_fixed_pastel_would_be_uneven_and_ashy_where_the_recipe_is_not():
    pastel = lab_of_hex("#f6c5c9")
    seen, ashy = [], 0
    for skin in SKINS:
        light = lab_to_linear([[skin.l, skin.a, skin.b], [pastel.l, pastel.a, pastel.b]])
        on = Lab(*linear_to_lab(light[0] * 0.65 + light[1] * 0.35))
        seen.append(difference(skin, on))
        ashy += is_ashy(skin, on)
    assert max(seen) / min(seen) > 2
    assert ashy > 0


def test_contour_is_never_more_colourful_than_the_skin():
    contour = shipped().recipe("contour")
    for skin in SKINS:
        assert lab_of_hex(resolve(contour, skin).hex).chroma <= skin.chroma * 1.08
