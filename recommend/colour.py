"""Colour as people see it: sRGB, CIELAB, ITA°, hue, and the difference of two colours.

sRGB follows IEC 61966-2-1, CIELAB is CIE 1976 with the D65 white of the 2° observer, the colour difference
is CIEDE2000 as written out by Sharma, Wu and Dalal (2005), the individual typology angle (ITA°) is that of
Chardon, Cretois and Hourseau (1991). Arrays have the colour in their last axis.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faces.colour import EPSILON, KAPPA, LUMINANCE, RGB_TO_XYZ, WHITE, Floats
from faces.colour import linear_to_lab as linear_to_lab
from faces.colour import srgb8_to_linear as srgb8_to_linear
from faces.colour import srgb_to_linear as srgb_to_linear

_XYZ_TO_RGB = np.linalg.inv(RGB_TO_XYZ)
GAMUT_ROUNDS, GAMUT_STEPS = 3, 25  # 25³ steps of chroma: far below what anybody sees


@dataclasses.dataclass(frozen=True)
class Lab:
    """One CIELAB colour."""

    l: float  # noqa: E741
    a: float
    b: float

    @property
    def chroma(self) -> float:
        """How colourful it is; 0 is grey."""
        return math.hypot(self.a, self.b)

    @property
    def hue(self) -> float:
        """The hue angle in degrees, 0 (red) to 360; 90 is yellow."""
        return math.degrees(math.atan2(self.b, self.a)) % 360.0

    @property
    def ita(self) -> float:
        """The individual typology angle in degrees: high is light skin, negative is deep skin."""
        return math.degrees(math.atan2(self.l - 50.0, self.b))

    @classmethod
    def from_lch(cls, lightness: float, chroma: float, hue: float) -> Lab:
        """Build the colour from lightness, chroma and a hue angle in degrees."""
        angle = math.radians(hue)
        return cls(lightness, chroma * math.cos(angle), chroma * math.sin(angle))


def linear_to_srgb(linear: ArrayLike) -> Floats:
    """Apply the display's tone curve: 0..1 in, 0..1 out."""
    values = np.asarray(linear, dtype=np.float64)
    curve = 1.055 * np.maximum(values, 0.0) ** (1 / 2.4) - 0.055
    return np.asarray(np.where(values <= 0.0031308, values * 12.92, curve))


def lab_to_linear(lab: ArrayLike) -> Floats:
    """Convert CIELAB [..., 3] to linear sRGB [..., 3]; outside 0..1 where sRGB has no such colour."""
    values = np.asarray(lab, dtype=np.float64)
    y = (values[..., 0] + 16) / 116
    f = np.stack([y + values[..., 1] / 500, y, y - values[..., 2] / 200], axis=-1)
    ratio = np.where(f**3 > EPSILON, f**3, (116 * f - 16) / KAPPA)
    return np.asarray((ratio * WHITE) @ _XYZ_TO_RGB.T)


def srgb8_to_lab(pixels: NDArray[np.uint8]) -> Floats:
    """Convert uint8 sRGB [..., 3] to CIELAB [..., 3]."""
    return linear_to_lab(srgb8_to_linear(pixels))


def luminance(linear: ArrayLike) -> Floats:
    """Return the relative luminance (CIE Y, 0..1) of linear sRGB [..., 3]."""
    return np.asarray(np.asarray(linear, dtype=np.float64) @ LUMINANCE)


def lab_of_hex(code: str) -> Lab:
    """Return the CIELAB colour of ``#rrggbb``."""
    channels = np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.uint8)
    return Lab(*(float(v) for v in srgb8_to_lab(channels)))


def hex_of_lab(colour: Lab) -> str:
    """Return ``#rrggbb`` for a colour; one that sRGB cannot show is clipped, so ask ``in_gamut`` first."""
    srgb = linear_to_srgb(np.clip(lab_to_linear([colour.l, colour.a, colour.b]), 0.0, 1.0))
    return "#" + "".join(f"{round(float(v) * 255):02x}" for v in srgb)


def in_gamut(colour: Lab, tolerance: float = 1e-3) -> bool:
    """Say whether sRGB can show the colour."""
    return bool(_shown(lab_to_linear([colour.l, colour.a, colour.b]), tolerance))


def _shown(linear: Floats, tolerance: float = 1e-3) -> NDArray[np.bool_]:
    return np.asarray(((linear >= -tolerance) & (linear <= 1 + tolerance)).all(axis=-1))


def into_gamut(colour: Lab) -> Lab:
    """Return the nearest colour of the same lightness and hue that sRGB can show: less chroma, no more."""
    lightness = min(max(colour.l, 0.0), 100.0)
    wanted = Lab.from_lch(lightness, colour.chroma, colour.hue)
    if in_gamut(wanted):
        return wanted
    low, width = 0.0, 1.0  # the largest share of the chroma that can be shown lies in low … low + width
    for _ in range(GAMUT_ROUNDS):
        shares = low + width * np.arange(GAMUT_STEPS) / GAMUT_STEPS
        tried = np.stack([np.full(GAMUT_STEPS, lightness), wanted.a * shares, wanted.b * shares], axis=-1)
        shown = _shown(lab_to_linear(tried))
        low = float(shares[max(int(np.argmin(shown)) - 1, 0)]) if not shown.all() else float(shares[-1])
        width /= GAMUT_STEPS
    return Lab.from_lch(lightness, low * colour.chroma, colour.hue)


def difference(first: Lab, second: Lab) -> float:
    """Return CIEDE2000 (kL = kC = kH = 1) between two colours; about 1 can just be seen side by side."""
    mean_chroma7 = ((first.chroma + second.chroma) / 2) ** 7
    stretch = 1 + 0.5 * (1 - math.sqrt(mean_chroma7 / (mean_chroma7 + 25.0**7)))
    one = Lab(first.l, first.a * stretch, first.b)
    two = Lab(second.l, second.a * stretch, second.b)
    c1, c2 = one.chroma, two.chroma
    h1, h2 = one.hue, two.hue
    grey = c1 * c2 == 0.0

    turn = 0.0 if grey else (h2 - h1 + 180.0) % 360.0 - 180.0
    if not grey and h2 - h1 == 180.0:
        turn = 180.0
    dl, dc = two.l - one.l, c2 - c1
    dh = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2))

    l_mean, c_mean = (one.l + two.l) / 2, (c1 + c2) / 2
    if grey:
        h_mean = h1 + h2
    elif abs(h1 - h2) <= 180.0:
        h_mean = (h1 + h2) / 2
    else:
        h_mean = ((h1 + h2 + 360.0) / 2) % 360.0
    t = (
        1
        - 0.17 * math.cos(math.radians(h_mean - 30))
        + 0.24 * math.cos(math.radians(2 * h_mean))
        + 0.32 * math.cos(math.radians(3 * h_mean + 6))
        - 0.20 * math.cos(math.radians(4 * h_mean - 63))
    )
    sl = 1 + 0.015 * (l_mean - 50) ** 2 / math.sqrt(20 + (l_mean - 50) ** 2)
    sc = 1 + 0.045 * c_mean
    sh = 1 + 0.015 * c_mean * t
    rotation = 2 * math.sqrt(c_mean**7 / (c_mean**7 + 25.0**7))
    rt = -rotation * math.sin(math.radians(60 * math.exp(-(((h_mean - 275) / 25) ** 2))))
    return math.sqrt((dl / sl) ** 2 + (dc / sc) ** 2 + (dh / sh) ** 2 + rt * (dc / sc) * (dh / sh))
