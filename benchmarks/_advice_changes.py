"""Changes of a photo that change nothing about the person in it: crop, size, compression, light, skin depth."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from faces.images import load_image
from recommend.colour import Lab, lab_to_linear, linear_to_srgb, srgb_to_linear
from recommend.reading.geometry import frame_of
from recommend.reading.patches import cheeks, cut_out
from recommend.reading.reading import Reading

Picture = NDArray[np.uint8]
# Three skins of each ITA class as L*, C*, hue: golden, neutral and rosy.
SKINS = {
    "depth_1": [(86, 14, 62), (82, 17, 60), (80, 18, 66)],
    "depth_2": [(76, 20, 58), (73, 21, 62), (71, 20, 66)],
    "depth_3": [(68, 22, 56), (65, 23, 61), (63, 24, 66)],
    "depth_4": [(60, 24, 56), (57, 25, 60), (55, 26, 66)],
    "depth_5": [(49, 25, 54), (44, 24, 58), (40, 22, 62)],
    "depth_6": [(34, 19, 50), (29, 16, 55), (24, 12, 58)],
}


def jpeg(image: Picture, quality: int) -> bytes:
    """Encode a picture as JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def scaled(image: Picture, factor: float) -> Picture:
    """Resize a picture."""
    size = (max(8, round(image.shape[1] * factor)), max(8, round(image.shape[0] * factor)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def rotated(image: Picture, degrees: float) -> Picture:
    """Turn a picture, keeping its size."""
    turned = Image.fromarray(image).rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128))
    return np.asarray(turned)


def cropped(image: Picture, reading: Reading) -> Picture:
    """Cut away the edges, as far as the face allows, at most 12 %."""
    low, high = reading.points.min(axis=0), reading.points.max(axis=0)
    height, width = image.shape[:2]
    left, top = int(min(0.12 * width, low[0] * 0.5)), int(min(0.08 * height, low[1] * 0.3))
    right, bottom = (
        int(max(0.88 * width, (high[0] + width) / 2)),
        int(max(0.92 * height, (high[1] + height) / 2)),
    )
    return np.ascontiguousarray(image[top:bottom, left:right])


def lit(image: Picture, gains: tuple[float, float, float]) -> Picture:
    """Multiply the light of a picture by a factor a channel."""
    light = srgb_to_linear(image / 255.0) * np.array(gains)
    return np.asarray(np.rint(255 * linear_to_srgb(np.clip(light, 0, 1))), dtype=np.uint8)


def noisy(image: Picture) -> Picture:
    """Add Gaussian noise of 6 levels."""
    noise = np.random.default_rng(0).normal(0, 6, image.shape)
    return np.asarray(np.clip(image + noise, 0, 255), dtype=np.uint8)


WARM, COOL = (1.22, 1.0, 0.68), (0.86, 1.0, 1.20)
CHANGES: dict[str, Callable[[Picture, Reading], Picture]] = {
    "crop": cropped,
    "scale 0.7": lambda image, _: scaled(image, 0.7),
    "scale 1.3": lambda image, _: scaled(image, 1.3),
    "JPEG 40": lambda image, _: load_image(jpeg(image, 40)),
    "mirror": lambda image, _: np.ascontiguousarray(image[:, ::-1]),
    "turn +6°": lambda image, _: rotated(image, 6),
    "turn −6°": lambda image, _: rotated(image, -6),
    "noise": lambda image, _: noisy(image),
    "warm light": lambda image, _: lit(image, WARM),
    "cool light": lambda image, _: lit(image, COOL),
    "exposure −½": lambda image, _: lit(image, (0.7071,) * 3),
    "exposure +½": lambda image, _: lit(image, (1.4142,) * 3),
}


def other_background(image: Picture, reading: Reading) -> Picture:
    """Paint everything well outside the face in a strong green."""
    low, high = reading.points.min(axis=0), reading.points.max(axis=0)
    middle, half = (low + high) / 2, (high - low) / 2
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    outside = ((columns - middle[0]) / (1.35 * half[0])) ** 2 + (
        (rows - middle[1]) / (1.6 * half[1])
    ) ** 2 > 1
    changed = image.copy()
    changed[outside] = (40, 150, 60)
    return changed


def retoned(image: Picture, reading: Reading, target: Lab) -> Picture:
    """Give the skin of a face another depth: multiply its light, whites of the eyes left as they are."""
    pixels = cut_out(image, reading.points)
    bare = np.concatenate([pixels.inside(edge) for edge in cheeks(pixels.points)]).mean(axis=0)
    gains = lab_to_linear([target.l, target.a, target.b]) / np.maximum(bare, 1e-3)
    points = reading.points
    frame = frame_of(points)
    crown = [points[i] + frame.up * frame.unit * 0.9 for i in (26, 24, 19, 17)]
    mask = Image.new("L", (image.shape[1], image.shape[0]))
    pen = ImageDraw.Draw(mask)
    pen.polygon([(float(x), float(y)) for x, y in [*points[:17], *crown]], fill=255)
    for eye in (points[36:42], points[42:48]):
        pen.polygon([(float(x), float(y)) for x, y in eye], fill=0)
    soft = mask.filter(ImageFilter.GaussianBlur(0.02 * frame.unit))
    share = np.asarray(soft, dtype=np.float64)[:, :, None] / 255
    light = srgb_to_linear(image / 255.0) * (1 - share + share * gains)
    return np.asarray(np.rint(255 * linear_to_srgb(np.clip(light, 0, 1))), dtype=np.uint8)
