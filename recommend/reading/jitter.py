"""Landmarks averaged over many slightly different looks at the same face.

One fit of a landmark model moves by a few percent of a face when its box moves by a pixel. Here the face is
first turned upright and brought to one size, then fitted in a fixed pattern of shifted and scaled boxes, in
the picture and in its mirror image. The mean is steadier than any single fit, does not depend on the size
or the tilt of the face in the photo, and treats left and right alike; the spread says how sure it is.
The pattern is fixed, so the same picture always gives the same answer.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faces.landmarks import FaceBox, fit_landmarks
from recommend.reading.geometry import Points, frame_of, mirrored

SIDE = 256  # pixels of the upright picture
EYE_DISTANCE = 72.0  # pixels between the eye centres in it
EYE_LINE = 104.0  # pixels from its top to the eye line

# Where dlib's detector puts its box around an upright face, in eye distances: the medians of 2,700 faces.
BOX_SIDE = 2.45
BOX_DROP = 0.5

SHIFTS = ((0.0, 0.0), (-0.05, 0.0), (0.05, 0.0), (0.0, -0.05), (0.0, 0.05))
SCALES = (0.93, 1.0, 1.07)


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
    points = fit_landmarks(image, box)
    for scales in (SCALES[1:2], SCALES[::2]):
        # The upright picture depends on the fit it is cut by; each round forgets more of the first one.
        upright = _turn_upright(image, points)
        points = upright.to_photo(_fit_with_mirror(upright.image, SHIFTS[:1], scales).mean(axis=0))
    upright = _turn_upright(image, points)
    samples = _fit_with_mirror(upright.image, SHIFTS, SCALES)
    mean = samples.mean(axis=0)
    spread = float(np.sqrt(np.mean(np.sum((samples - mean) ** 2, axis=2)))) / EYE_DISTANCE
    return Fit(upright.to_photo(mean), upright.to_photo(samples), spread)


def _turn_upright(image: NDArray[np.uint8], points: Points) -> _Upright:
    """Cut the face out so that its eyes are level, at a fixed place and a fixed distance."""
    frame = frame_of(points)
    scale = frame.unit / EYE_DISTANCE
    matrix = np.stack([frame.right, -frame.up], axis=1) * scale
    offset = frame.centre - matrix @ np.array([(SIDE - 1) / 2, EYE_LINE])

    corners = np.array([[0, 0], [SIDE, 0], [0, SIDE], [SIDE, SIDE]]) @ matrix.T + offset
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
        (SIDE, SIDE), Image.Transform.AFFINE, coefficients, resample=Image.Resampling.BICUBIC
    )
    return _Upright(np.asarray(turned), matrix, offset)


def _fit_with_mirror(
    upright: NDArray[np.uint8], shifts: tuple[tuple[float, float], ...], scales: tuple[float, ...]
) -> NDArray[np.float64]:
    """Fit an upright face and its mirror image in every box; return all fits in upright pixels."""
    flipped = np.ascontiguousarray(upright[:, ::-1])
    fits = []
    for scale in scales:
        half = BOX_SIDE * EYE_DISTANCE * scale / 2
        for across, down in shifts:
            x = (SIDE - 1) / 2 + across * 2 * half
            y = EYE_LINE + BOX_DROP * EYE_DISTANCE + down * 2 * half
            box = FaceBox(round(x - half), round(y - half), round(x + half), round(y + half), 0.0)
            fits.append(fit_landmarks(upright, box))
            fits.append(mirrored(fit_landmarks(flipped, box), SIDE))
    return np.stack(fits)
