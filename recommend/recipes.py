"""From a recipe to a colour for one person: what to look for, how it looks on, how much of it to use.

A recipe changes the person's own colour and says how visible the result should be. The dose is solved for
that, so a look is as clear on deep skin as on light skin, which one fixed shade never is. Three gates
keep it honest: it is as visible as intended, never ashy (lighter than the skin but greyer), and a colour that
a screen can show.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from recommend.colour import Lab, difference, hex_of_lab, into_gamut, lab_to_linear, linear_to_lab
from recommend.knowledge.model import Recipe

FULLEST = 0.92  # the strongest dose: nothing on skin covers it entirely
ASHY = 0.75  # lighter than the skin with less than this share of its chroma
LONGEST_STRIDE = 3.0
PALE = 78.0  # above this lightness skin has little chroma to lose, and paler is not ashy
PLAIN_DOSE = 0.5
DOSE_TOLERANCE = 0.02  # CIEDE2000; nobody sees a tenth of it


@dataclasses.dataclass(frozen=True)
class Swatch:
    """One colour of a card.

    ``hex`` is the product's colour, ``on_hex`` how it looks put on, ``own_hex`` the bare place; ``dose`` is
    the share of the product in the mix (0..1), ``difference`` the CIEDE2000 it makes. ``faint`` is True where
    this skin cannot show as much difference as the recipe asks for.
    """

    recipe: str
    hex: str
    on_hex: str
    own_hex: str
    dose: float
    difference: float
    faint: bool


def resolve(recipe: Recipe, own: Lab) -> Swatch:
    """Make a recipe's colour for a person whose bare skin, lips or brows are ``own``."""
    wanted = Lab.from_lch(
        recipe.lightness.of(own.l), max(recipe.chroma.of(own.chroma), 0.0), recipe.hue.of(own.hue)
    )
    product = into_gamut(wanted)
    if recipe.visible == 0:
        return _swatch(recipe, own, product, PLAIN_DOSE)
    stride = 1.0
    while _seen(own, product, FULLEST) < recipe.visible and stride < LONGEST_STRIDE:
        stride += 0.1
        product = into_gamut(_stretch(own, wanted, stride))
    dose = _dose(own, product, recipe.visible)
    for _ in range(8):
        if not is_ashy(own, _mixed(own, product, dose)):
            break
        product = into_gamut(Lab.from_lch(product.l, product.chroma + 0.1 * own.chroma, product.hue))
        dose = _dose(own, product, recipe.visible)
    return _swatch(recipe, own, product, dose)


def is_ashy(own: Lab, on: Lab) -> bool:
    """Say whether a colour on skin looks ashy: lighter than the skin, yet clearly less colourful."""
    return on.l > own.l + 0.5 and on.chroma < ASHY * own.chroma and own.l < PALE


def _stretch(own: Lab, wanted: Lab, stride: float) -> Lab:
    """Go further from the own colour in the direction of the recipe."""
    return Lab(
        min(max(own.l + (wanted.l - own.l) * stride, 3.0), 98.0),
        own.a + (wanted.a - own.a) * stride,
        own.b + (wanted.b - own.b) * stride,
    )


def _mixed(own: Lab, product: Lab, dose: float) -> Lab:
    light = lab_to_linear([[own.l, own.a, own.b], [product.l, product.a, product.b]])
    mix = np.clip(light[0] * (1 - dose) + light[1] * dose, 0.0, 1.0)
    return Lab(*(float(v) for v in linear_to_lab(mix)))


def _seen(own: Lab, product: Lab, dose: float) -> float:
    return difference(own, _mixed(own, product, dose))


def _dose(own: Lab, product: Lab, visible: float) -> float:
    """Return the dose that makes the wanted difference, or the fullest one (regula falsi, Illinois)."""
    low, high = 0.0, FULLEST
    under, over = -visible, _seen(own, product, FULLEST) - visible
    if over <= 0:
        return FULLEST
    dose = high
    for _ in range(30):
        dose = (low * over - high * under) / (over - under)
        miss = _seen(own, product, dose) - visible
        if abs(miss) < DOSE_TOLERANCE:
            break
        if miss < 0:
            low, under, over = dose, miss, over / 2
        else:
            high, over, under = dose, miss, under / 2
    return dose


def _swatch(recipe: Recipe, own: Lab, product: Lab, dose: float) -> Swatch:
    on = _mixed(own, product, dose)
    made = difference(own, on)
    return Swatch(
        recipe=recipe.id,
        hex=hex_of_lab(product),
        on_hex=hex_of_lab(into_gamut(on)),
        own_hex=hex_of_lab(into_gamut(own)),
        dose=dose,
        difference=made,
        faint=made < 0.8 * recipe.visible,
    )
