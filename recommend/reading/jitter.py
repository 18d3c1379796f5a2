"""Landmarks averaged over many slightly different looks at the same face.

One fit of a landmark model moves by a few percent of a face when its box moves by a pixel. Here the face is
first turned upright, brought to one size, one brightness and one sharpness, then fitted in shifted and scaled
boxes, in the picture and in its mirror image. The mean is steadier than any single fit, does not depend on the
size, the tilt or the exposure of the face in the photo, and treats left and right alike; the spread says how
sure it is. The boxes are fixed, so the same picture always gives the same answer.

The boxes fill their space evenly with the additive recurrence R₃ (M. Roberts 2018, after Kronecker): 9 of
them do what a grid of 15 did. The landmark model answers in whole pixels and compares single ones, so the
upright picture is large (384 pixels) and a little blurred: both lessen what compression and noise change.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from faces.landmarks import FaceBox, fit_landmarks
from recommend.reading.geometry import Points, frame_of, mirrored

COARSE, FINE = 192, 384  # pixels of the upright picture: to aim, and to measure
EYE_DISTANCE = 0.28125  # between the eye centres, as a share of its side
EYE_LINE = 0.40625  # from its top to the eye line
BLUR = 1.5 / 384  # standard deviation as a share of its side
BRIGHTNESS = 120.0  # mean of the face, 0..255

# Where dlib's detector puts its box around an upright face, in eye distances: the medians of 2,700 faces.
BOX_SIDE = 2.45
BOX_DROP = 0.5

Box = tuple[float, float, float]  # shift across, shift down (shares of the box), scale


def _evenly(count: int, shift: float, scale: float) -> tuple[Box, ...]:
    """Return boxes that fill ± ``shift`` across and down and ± ``scale`` evenly (the recurrence R₃)."""
    root = 1.2207440846057596  # of x⁴ = x + 1
    steps = np.arange(1, count + 1)[:, None] / root ** np.arange(1, 4)
    spots = 2 * ((0.5 + steps) % 1) - 1
    return tuple((float(x) * shift, float(y) * shift, 1 + float(z) * scale) for x, y, z in spots)


AIMING: tuple[Box, ...] = ((0.0, 0.0, 0.95), (0.0, 0.0, 1.05))
BOXES = _evenly(9, shift=0.06, scale=0.08)


@dataclasses.dataclass(frozen=True)
class Fit:
    """Many fits of one face.

    ``points`` is their mean, float64 [68, 2] in pixels of the photo; ``samples`` are the single fits,
    float64 [n, 68, 2], in the same pixels; ``spread`` is the root mean square distance of a sample's
    landmark from its mean, in eye distances.
    """

    points: Points
    samples: NDArray[np.float64]
    spread: float


@dataclasses.dataclass(frozen=True)
class _Upright:
    """The upright picture of one face and the similarity that leads back to the photo."""

    image: NDArray[np.uint8]
    matrix: NDArray[np.float64]  # [2, 2], upright pixels to photo pixels
    offset: NDArray[np.float64]  # [2]

    def to_photo(self, points: Points) -> Points:
        """Carry points of the upright picture back into the photo."""
        return points @ self.matrix.T + self.offset


def fit_steadily(image: NDArray[np.uint8], box: FaceBox) -> Fit:
    """Fit the face in ``box`` of ``image`` (uint8 RGB [H, W, 3]) many times and average.

    Raises MissingModelError when the landmark model is not installed.
    """
    # The upright picture depends on the fit it is cut by; aiming first forgets most of the detector's box.
    aimed = _turn_upright(image, fit_landmarks(image, box), COARSE)
    points = aimed.to_photo(_fit_with_mirror(aimed.image, AIMING).mean(axis=0))
    upright = _turn_upright(image, points, FINE)
    samples = _fit_with_mirror(upright.image, BOXES)
    mean = samples.mean(axis=0)
    spread = float(np.sqrt(np.mean(np.sum((samples - mean) ** 2, axis=2)))) / (EYE_DISTANCE * FINE)
    return Fit(upright.to_photo(mean), upright.to_photo(samples), spread)


def _turn_upright(image: NDArray[np.uint8], points: Points, side: int) -> _Upright:
    """Cut the face out so that its eyes are level, at a fixed place and a fixed distance."""
    frame = frame_of(points)
    scale = frame.unit / (EYE_DISTANCE * side)
    matrix = np.stack([frame.right, -frame.up], axis=1) * scale
    offset = frame.centre - matrix @ np.array([(side - 1) / 2, EYE_LINE * side])

    corners = np.array([[0, 0], [side, 0], [0, side], [side, side]]) @ matrix.T + offset
    height, width = image.shape[:2]
    left, top = np.clip(np.floor(corners.min(axis=0)).astype(int) - 2, 0, [width - 1, height - 1])
    right, bottom = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 3, 1, [width, height])
    picture = Image.fromarray(image[top : max(bottom, top + 1), left : max(right, left + 1)])

    shrink = max(1, int(scale))  # averaging blocks first keeps fine texture from turning into noise
    if shrink > 1:
        picture = picture.reduce(shrink)
    # Image.transform maps the middle of an output pixel, (x + ½, y + ½), to a place in the input.
    inner = matrix / shrink
    shift = (offset - [left, top] + 0.5) / shrink - inner @ [0.5, 0.5]
    coefficients = (inner[0, 0], inner[0, 1], shift[0], inner[1, 0], inner[1, 1], shift[1])
    turned = picture.transform(
        (side, side), Image.Transform.AFFINE, coefficients, resample=Image.Resampling.BICUBIC
    )
    return _Upright(_evened(turned), matrix, offset)


def _evened(upright: Image.Image) -> NDArray[np.uint8]:
    """Bring an upright face to one brightness and soften it; one factor for all channels, so colours stay."""
    soft = upright.filter(ImageFilter.GaussianBlur(BLUR * upright.width))
    side = upright.width
    middle = soft.crop((side // 5, side // 4, side - side // 5, side - side // 8))
    factor = BRIGHTNESS / max(float(np.asarray(middle.reduce(2)).mean()), 4.0)
    curve = np.clip(np.rint(np.arange(256) * factor), 0, 255).astype(int).tolist()
    return np.asarray(soft.point(curve * 3))


def _fit_with_mirror(upright: NDArray[np.uint8], boxes: tuple[Box, ...]) -> NDArray[np.float64]:
    """Fit an upright face and its mirror image in every box; return all fits in upright pixels."""
    flipped = np.ascontiguousarray(upright[:, ::-1])
    side = len(upright)
    fits = []
    for across, down, scale in boxes:
        half = BOX_SIDE * EYE_DISTANCE * side * scale / 2
        x = (side - 1) / 2 + across * 2 * half
        y = (EYE_LINE + BOX_DROP * EYE_DISTANCE) * side + down * 2 * half
        box = FaceBox(round(x - half), round(y - half), round(x + half), round(y + half), 0.0)
        fits.append(fit_landmarks(upright, box))
        fits.append(mirrored(fit_landmarks(flipped, box), side))
    return np.stack(fits)
