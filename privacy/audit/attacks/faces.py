"""The faces that an inversion is tried on: drawn by Mien, nobody's, so their pictures may be shown."""

from __future__ import annotations

import base64
import functools
import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faces.synthetic.dataset import records

SIDE, PUBLIC, VICTIMS = 32, 40, 4
_FIRST = 2_000_000  # seeds far from the embedded set's

Picture = NDArray[np.float64]
"""RGB in [0, 1], [3, SIDE, SIDE]."""


@functools.lru_cache(maxsize=1)
def public_faces() -> NDArray[np.float64]:
    """Return the faces that an attacker has of its own, [PUBLIC, 3, SIDE, SIDE]."""
    return _draw(_FIRST + VICTIMS, PUBLIC)


@functools.lru_cache(maxsize=1)
def victims() -> NDArray[np.float64]:
    """Return the faces of the client under attack, [VICTIMS, 3, SIDE, SIDE]."""
    return _draw(_FIRST, VICTIMS)


def mean_face() -> Picture:
    """Return the best guess without any gradient: the mean of the public faces."""
    mean: Picture = public_faces().mean(axis=0)
    return mean


def psnr(found: Picture, truth: Picture) -> float:
    """Return the peak signal-to-noise ratio in decibels of ``found``, cut to [0, 1]; at most 150."""
    error = float(np.square(np.clip(found, 0.0, 1.0) - truth).mean())
    return min(150.0, -10.0 * math.log10(max(error, 1e-15)))


def png_base64(picture: Picture, enlarged: int = 3) -> str:
    """Return a picture as a PNG in base64, each pixel ``enlarged`` pixels wide."""
    pixels = np.rint(np.clip(np.nan_to_num(picture), 0.0, 1.0) * 255).astype(np.uint8).transpose(1, 2, 0)
    out = io.BytesIO()
    size = (pixels.shape[1] * enlarged, pixels.shape[0] * enlarged)
    Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST).save(out, "PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode()


def _draw(first: int, persons: int) -> NDArray[np.float64]:
    pictures = [record.render(2 * SIDE) for record in records(persons, 1, first)]
    small = np.stack(pictures).reshape(persons, SIDE, 2, SIDE, 2, 3).mean(axis=(2, 4)) / 255.0
    return np.ascontiguousarray(small.transpose(0, 3, 1, 2))
