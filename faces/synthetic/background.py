"""What lies behind the head: two colours across the picture and some out-of-focus boxes."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from PIL import Image
from scipy.ndimage import gaussian_filter

from faces.synthetic.photo import Background
from faces.synthetic.planes import Planes, column

GRID = 24
"""The boxes are drawn on a grid of this many cells and then enlarged."""


def paint_background(background: Background, side: int, random: Generator) -> Planes:
    """Return the linear light (3, side, side) of a background; ``random`` places its boxes."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / np.float32(side)
    along = np.clip(x * np.float32(np.cos(background.angle)) + y * np.float32(np.sin(background.angle)), 0, 1)
    near, far = column(background.near)[..., None], column(background.far)[..., None]
    light: Planes = near + (far - near) * along
    if background.boxes:
        light = np.clip(light + _boxes(background, side, random), 0.005, 1)
    return light.astype(np.float32, copy=False)


def _boxes(background: Background, side: int, random: Generator) -> Planes:
    grid = np.zeros((3, GRID, GRID), np.float32)
    for _ in range(background.boxes):
        row, left = random.integers(0, GRID, 2)
        height, width = random.integers(2, 10, 2)
        tint = random.normal(0, 0.05, 3) + random.normal(0, 0.12)
        grid[:, row : row + height, left : left + width] += tint[:, None, None].astype(np.float32)
    grid = gaussian_filter(grid, (0, background.blur, background.blur))
    planes = [Image.fromarray(plane).resize((side, side), Image.Resampling.BICUBIC) for plane in grid]
    return np.stack([np.asarray(plane, np.float32) for plane in planes])
