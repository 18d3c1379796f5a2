"""From pixels to CIELAB: the colour science that reading a face and measuring a data set share.

sRGB follows IEC 61966-2-1, CIELAB is CIE 1976 with the D65 white of the 2° observer, the individual typology angle
(ITA°) is that of Chardon, Cretois and Hourseau (1991). Arrays have the colour in their last axis.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

RGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = RGB_TO_XYZ.sum(axis=1)
LUMINANCE = RGB_TO_XYZ[1]
EPSILON, KAPPA = 216 / 24389, 24389 / 27


def srgb_to_linear(srgb: ArrayLike) -> Floats:
    """Undo the display's tone curve: 0..1 in, 0..1 out, proportional to light."""
    values = np.asarray(srgb, dtype=np.float64)
    curve = ((np.maximum(values, 0.0) + 0.055) / 1.055) ** 2.4
    return np.asarray(np.where(values <= 0.04045, values / 12.92, curve))


_LINEAR_OF_BYTE = srgb_to_linear(np.arange(256) / 255.0)


def srgb8_to_linear(pixels: NDArray[np.uint8]) -> Floats:
    """Undo the tone curve of uint8 sRGB by looking it up: 0..1 out, the same shape."""
    return np.asarray(_LINEAR_OF_BYTE[pixels])


def linear_to_lab(linear: ArrayLike) -> Floats:
    """Convert linear sRGB [..., 3] to CIELAB [..., 3]."""
    ratio = (np.asarray(linear, dtype=np.float64) @ RGB_TO_XYZ.T) / WHITE
    f = np.where(ratio > EPSILON, np.cbrt(ratio), (KAPPA * ratio + 16) / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def ita(lab: ArrayLike) -> Floats:
    """Return the individual typology angle of CIELAB [..., 3] in degrees: high is light, negative is deep skin."""
    values = np.asarray(lab, dtype=np.float64)
    return np.degrees(np.arctan2(values[..., 0] - 50.0, values[..., 2]))
