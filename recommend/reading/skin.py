"""The depth of the skin as an interval, its undertone as a suggestion, and the colours of lips and brows.

Depth is the ITA° of Chardon et al. (1991) with the six classes of Del Bino and Bernerd (2013). A photo does
not know its light or its exposure: half a stop moves ITA° by a whole class. Two helps are used:

* a white sheet of paper in the picture, when the person points at it;
* else the whites of the eyes, the only thing in every portrait that looks much alike on everybody. They are
  not taken for grey but for the *typical* eye white, and only part of the deviation is taken out, as much as
  made different photos of the same person agree well (798 portraits: within-person SD of ITA° 21.9 raw, 13.4
  with this; the share of the variance that is between persons rose from .30 to .38; .6 of the exposure would
  reach .41, but half a stop more light must not turn the advice). The typical white is set so that the
  portraits' median hue is 60°, as it is in 739 faces taken in a studio.

What remains is in the interval: it covers 90 % and is wide.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recommend.colour import Lab, linear_to_lab, luminance
from recommend.reading.patches import LEFT_EYE, RIGHT_EYE, FacePixels, brow_strip, cheeks

DEPTH_EDGES = (55.0, 41.0, 28.0, 10.0, -30.0)  # ITA° between depth 1 | 2 | 3 | 4 | 5 | 6
UNDERTONE_EDGES = (56.0, 64.0)  # hue angle between cool | neutral | warm
Z90 = 1.645

# The typical eye white, in linear light over its own luminance, and that luminance in 798 portraits.
EYE_WHITE = np.array([1.2893, 0.9443, 0.6998])
EYE_WHITE_LUMINANCE = 0.25
COLOUR_STRENGTH = 0.75
EXPOSURE_STRENGTH = 0.8
SMALLEST_EYE = 14.0  # pixels across, below which an eye shows no usable white
PAPER_LUMINANCE = 0.88  # plain white paper under the light that falls on the face

Method = Literal["paper", "eyes", "none"]
# Standard deviation of ITA° of one photo against the person's own, and of the hue angle, by method.
ITA_SD: dict[Method, float] = {"paper": 4.0, "eyes": 14.0, "none": 22.0}
HUE_SD: dict[Method, float] = {"paper": 3.0, "eyes": 12.0, "none": 12.0}


@dataclasses.dataclass(frozen=True)
class SkinReading:
    """Colours of a face.

    ``skin``, ``lips`` and ``brows`` are CIELAB after the light was accounted for; ``ita`` is in degrees with
    its 90 % interval ``ita_low``…``ita_high``; ``depth`` and ``undertone`` give a probability for each
    answer; ``method`` says what the light was judged by.
    """

    skin: Lab
    lips: Lab
    brows: Lab
    ita: float
    ita_low: float
    ita_high: float
    hue: float
    depth: dict[str, float]
    undertone: dict[str, float]
    method: Method


def read_skin(pixels: FacePixels, paper: NDArray[np.float64] | None = None) -> SkinReading | None:
    """Read the colours of a face; None where no skin is visible (the patches lie outside the picture).

    ``paper`` is the mean linear RGB (float64 [3]) of white paper in the same light, when there is some.
    """
    skin = _skin_colour(pixels)
    if skin is None:
        return None
    method, gain = _light(pixels, paper)
    lips, brows = _lip_colour(pixels), _brow_colour(pixels)
    colours = (skin, skin if lips is None else lips, skin if brows is None else brows)
    skin_lab, lips_lab, brows_lab = (_lab(colour * gain) for colour in colours)
    return assemble(skin_lab, lips_lab, brows_lab, method)


def assemble(skin: Lab, lips: Lab, brows: Lab, method: Method, photos: int = 1) -> SkinReading:
    """Put a reading together from colours that ``photos`` photos agreed on by their mean."""
    sd = ITA_SD[method] / math.sqrt(photos)
    hue_sd = HUE_SD[method] / math.sqrt(photos)
    hue = math.degrees(math.atan2(skin.b, skin.a))
    falling = [_below(edge, skin.ita, sd) for edge in DEPTH_EDGES]
    depth = np.diff([0.0, *(1 - share for share in falling), 1.0])
    undertone = np.diff([0.0, *(_below(edge, hue, hue_sd) for edge in UNDERTONE_EDGES), 1.0])
    return SkinReading(
        skin=skin,
        lips=lips,
        brows=brows,
        ita=skin.ita,
        ita_low=max(skin.ita - Z90 * sd, -90.0),
        ita_high=min(skin.ita + Z90 * sd, 90.0),
        hue=hue,
        depth={f"depth_{i + 1}": float(p) for i, p in enumerate(depth)},
        undertone={name: float(p) for name, p in zip(("cool", "neutral", "warm"), undertone, strict=True)},
        method=method,
    )


def _below(edge: float, mean: float, sd: float) -> float:
    """Return the probability that a normal variable is below an edge."""
    return 0.5 * math.erfc((mean - edge) / (sd * math.sqrt(2)))


def _lab(linear: NDArray[np.float64]) -> Lab:
    return Lab(*(float(v) for v in linear_to_lab(np.clip(linear, 1e-4, 1.0))))


def _skin_colour(pixels: FacePixels) -> NDArray[np.float64] | None:
    """Return the mean of cheeks and forehead without their darkest fifth and brightest 15 % (shadow, shine)."""
    edges = [*cheeks(pixels.points), brow_strip(pixels.points)]
    found = np.concatenate([pixels.inside(edge) for edge in edges])
    if len(found) < 40:
        return None
    light = luminance(found)
    low, high = np.percentile(light, [20, 85])
    return np.asarray(found[(light >= low) & (light <= high)].mean(axis=0))


def _lip_colour(pixels: FacePixels) -> NDArray[np.float64] | None:
    """Return the median colour of both lips without the opening between them."""
    upper = pixels.points[[*range(48, 55), 64, 63, 62, 61, 60]]
    lower = pixels.points[[48, 60, 67, 66, 65, 64, 54, 55, 56, 57, 58, 59]]
    found = np.concatenate([pixels.inside(upper), pixels.inside(lower)])
    return np.asarray(np.median(found, axis=0)) if len(found) >= 8 else None


def _brow_colour(pixels: FacePixels) -> NDArray[np.float64] | None:
    """Return the colour of the darker half of the brows: hair, not the skin between."""
    up = np.array([0.0, -1.0]) * 0.06 * pixels.unit
    found = np.concatenate(
        [
            pixels.inside(np.vstack([pixels.points[place] + up, pixels.points[place[::-1]] - up]))
            for place in ([17, 18, 19, 20, 21], [22, 23, 24, 25, 26])
        ]
    )
    if len(found) < 8:
        return None
    light = luminance(found)
    return np.asarray(found[light <= np.median(light)].mean(axis=0))


def _light(pixels: FacePixels, paper: NDArray[np.float64] | None) -> tuple[Method, NDArray[np.float64]]:
    """Return what the light was judged by, and the factor (float64 [3]) that takes its part out."""
    if paper is not None:
        return "paper", PAPER_LUMINANCE / np.maximum(paper, 1e-3)
    white = eye_white(pixels)
    if white is None:
        return "none", np.ones(3)
    level = float(luminance(white))
    colour = (EYE_WHITE / (white / level)) ** COLOUR_STRENGTH
    return "eyes", colour * (EYE_WHITE_LUMINANCE / level) ** EXPOSURE_STRENGTH


def eye_white(pixels: FacePixels) -> NDArray[np.float64] | None:
    """Return the linear RGB of the whites of the eyes: the palest of the brightest part of each eye."""
    whites = []
    for eye in (RIGHT_EYE, LEFT_EYE):
        edge = pixels.points[eye]
        if float(np.hypot(*(edge[0] - edge[3]))) < SMALLEST_EYE:
            continue
        found = pixels.inside(edge)
        if len(found) < 12:
            continue
        light = luminance(found)
        bright = found[light >= np.percentile(light, 60)]
        colourful = (bright.max(axis=1) - bright.min(axis=1)) / (bright.max(axis=1) + 1e-6)
        whites.append(bright[colourful <= np.median(colourful)])
    if not whites:
        return None
    white = np.concatenate(whites).mean(axis=0)
    return np.asarray(np.maximum(white, 2e-3))
