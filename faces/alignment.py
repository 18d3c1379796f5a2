"""Turn, move and scale a face so that eyes, nose and mouth lie where every other face has them.

The transform is the similarity (rotation, uniform scale, shift; no mirror, no shear) that brings five points
(eye centres, nose tip, mouth corners) closest, in least squares, to a canonical template. The proportions of
the face survive, which is what the shape of a jaw or of a nose is read from. The template is the five points
that face recognition uses since SphereFace and ArcFace (Deng et al. 2019, 112 × 112 pixels), made symmetric.

Coordinates: a "canonical" point lies in the unit square of the aligned face, (0, 0) top left, (1, 1) bottom
right. Pixel coordinates have whole numbers at pixel centres.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faces.images import RGBImage
from faces.landmarks import LEFT_EYE, MOUTH_CORNERS, NOSE_TIP, RIGHT_EYE
from mien.errors import NoFaceError

Matrix = NDArray[np.float64]
"""An affine map, float64 [2, 3]: (x, y) goes to M[:, :2] @ (x, y) + M[:, 2]."""

# Eye centres, nose tip, mouth corners; symmetric about x = 1/2.
_TEMPLATE = (
    np.array(
        [(38.29, 51.60), (73.71, 51.60), (56.0, 71.74), (41.41, 92.29), (70.59, 92.29)], dtype=np.float64
    )
    / 112.0
)


def align(image: RGBImage, landmarks: NDArray[np.float64], size: int, *, margin: float = 0.0) -> RGBImage:
    """Return the aligned face, uint8 [size, size, 3]; what lies outside the picture is black.

    ``landmarks`` is [68, 2] in pixels. ``margin`` widens the view by that share of its width on every
    side: 0 fits the face from forehead to chin, 0.25 the head with its hair.

    Raises NoFaceError where the landmarks are all in one place.
    """
    to_square = canonical_matrix(landmarks, margin=margin)
    return sample(image, invert(to_square), size)


def canonical_matrix(landmarks: NDArray[np.float64], *, margin: float) -> Matrix:
    """Return the map from pixels of the picture to the unit square of the aligned face.

    Raises NoFaceError where the landmarks are all in one place.
    """
    source = _complex(five_points(landmarks))
    target = _complex((_TEMPLATE + margin) / (1.0 + 2.0 * margin))
    # A similarity is z → a·z + b in the complex plane; both follow in closed form (Umeyama 1991 in 2-D).
    centred = source - source.mean()
    spread = float(np.sum(np.abs(centred) ** 2))
    turn = complex(np.sum(np.conj(centred) * (target - target.mean())))
    if spread < 1e-6 or abs(turn) < 1e-9:
        raise NoFaceError(
            "The landmarks of this face fall on one place, so it cannot be aligned: expected eyes, nose and "
            "mouth apart. Use a sharper, larger, frontal photo."
        )
    a = turn / spread
    b = complex(target.mean()) - a * complex(source.mean())
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]], dtype=np.float64)


def five_points(landmarks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return eye centres, nose tip and mouth corners, float64 [5, 2], of 68 landmarks."""
    left, right = MOUTH_CORNERS
    points = (
        landmarks[RIGHT_EYE].mean(axis=0),
        landmarks[LEFT_EYE].mean(axis=0),
        landmarks[NOSE_TIP],
        landmarks[left],
        landmarks[right],
    )
    return np.stack(points).astype(np.float64)


def apply(matrix: Matrix, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map points [..., 2] by an affine matrix."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def invert(matrix: Matrix) -> Matrix:
    """Return the inverse of an affine map."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.concatenate([linear, -(linear @ matrix[:, 2:])], axis=1)


def sample(image: RGBImage, from_square: Matrix, size: int) -> RGBImage:
    """Return uint8 [size, size, 3]: the part of the picture that ``from_square`` maps the unit square onto.

    Where this shrinks the picture, every source pixel counts: the part is first reduced by whole factors,
    then drawn larger than asked with bicubic interpolation, then averaged down. Plain interpolation would
    skip pixels and alias, differently at every photo size.
    """
    corners = apply(from_square, np.array([(0, 0), (1, 0), (0, 1), (1, 1)], dtype=np.float64))
    scale = float(np.linalg.norm(from_square[:, :2], axis=0).max()) / size
    picture, offset, factor = _reduced_part(image, corners, int(scale // 2))
    oversample = max(1, math.ceil(scale / factor - 1e-9))
    drawn = size * oversample

    # Pillow counts from pixel corners, landmarks from pixel centres: half a pixel apart.
    linear = from_square[:, :2] / (drawn * factor)
    shift = (from_square[:, 2] + 0.5 - offset) / factor
    coefficients = (linear[0, 0], linear[0, 1], shift[0], linear[1, 0], linear[1, 1], shift[1])
    warped = picture.transform(
        (drawn, drawn), Image.Transform.AFFINE, coefficients, resample=Image.Resampling.BICUBIC
    )
    return np.array(warped.reduce(oversample) if oversample > 1 else warped, dtype=np.uint8)


def _reduced_part(
    image: RGBImage, corners: NDArray[np.float64], factor: int
) -> tuple[Image.Image, NDArray[np.float64], int]:
    """Cut out what is needed with a border, reduce it; return it, its offset in pixels, and the factor."""
    factor = max(1, factor)
    height, width = image.shape[:2]
    border = 4 * factor
    left, top = (max(0, math.floor(side) - border) for side in corners.min(axis=0))
    right, bottom = (math.ceil(side) + border for side in corners.max(axis=0))
    part = image[top : min(height, bottom), left : min(width, right)]
    if part.size == 0:  # the face lies wholly outside the picture
        part = np.zeros((1, 1, 3), dtype=np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(part))
    if factor > 1:
        picture = picture.reduce(factor)
    return picture, np.array([left, top], dtype=np.float64), factor


def _complex(points: NDArray[np.float64]) -> NDArray[np.complex128]:
    return np.asarray(points[:, 0] + 1j * points[:, 1], dtype=np.complex128)
