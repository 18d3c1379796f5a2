"""The three views of a face that the makeup paper learns from: jaw, skin, nose.

Described in section 3.2 of "Application of deep learning in a facial makeup recommendation system": eight
distances across the jaw for the shape of the face, the pixels of skin colour for the complexion, and the
box around the nose.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faces.alignment import apply, canonical_matrix, invert, sample
from faces.images import RGBImage
from faces.landmarks import NOSE

NOSE_MARGIN = 0.15

# The distance from point 0 to point 16 of an average face, in sides of the canonical square without margin;
# measured over 1,200 photos of CelebA (0.729, standard deviation 0.037).
_AVERAGE_FACE_WIDTH = 0.73


def jaw_distances(landmarks: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the eight distances between symmetric jaw points (0, 16), (1, 15) … (7, 9): float32 [8].

    Their unit is the width of the average face, after eyes, nose and mouth have been brought to the size of
    the average face's (``faces.alignment``): 1.05 is a face 5 % wider than others with such features. This is
    what the paper's example rows show (94, 88, 89, 83 percent for the first distance): it measured pixels in
    CelebA's aligned pictures. Divided by the face's *own* width, the first would be 1 for everybody, and the
    other seven tell "Chubby" less well: AUC 0.78, against 0.79 by the width between the eyes' outer corners
    and 0.84 by this unit (``benchmarks/crops.py``).

    Raises NoFaceError where the landmarks are all in one place.
    """
    aligned = apply(canonical_matrix(landmarks, margin=0.0), landmarks)
    across = aligned[0:8] - aligned[16:8:-1]
    distances: NDArray[np.float64] = np.linalg.norm(across, axis=1) / _AVERAGE_FACE_WIDTH
    return distances.astype(np.float32)


def skin_pixels(aligned: RGBImage) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the face with every pixel that is not of skin colour set to zero, and which were kept.

    ``aligned`` is uint8 [S, S, 3]; the result is uint8 [3, S, S] and bool [S, S].
    """
    mask = skin_mask(aligned)
    kept = np.where(mask[:, :, None], aligned, np.uint8(0))
    return np.ascontiguousarray(kept.transpose(2, 0, 1)), mask


def skin_mask(image: RGBImage) -> NDArray[np.bool_]:
    """Return where uint8 [H, W, 3] has the colour of skin: bool [H, W].

    Hsu, Abdel-Mottaleb and Jain, "Face detection in color images", IEEE TPAMI 24(5), 2002: an ellipse in the
    Cb–Cr plane, after a shift and stretch of both by brightness, because the cluster of skin colours bends
    towards grey where it is very dark or very light. All constants are the paper's.
    """
    red, green, blue = np.moveaxis(image.astype(np.float32), 2, 0)
    # ITU-R BT.601, studio range, as in the paper: Y 16–235, Cb and Cr 16–240.
    luma = 16.0 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255.0
    cb = 128.0 + (-37.797 * red - 74.203 * green + 112.0 * blue) / 255.0
    cr = 128.0 + (112.0 * red - 93.786 * green - 18.214 * blue) / 255.0
    cb = _straightened(cb, luma, middle=(118.0, 108.0, 118.0), width=(23.0, 46.97, 14.0))
    cr = _straightened(cr, luma, middle=(144.0, 154.0, 132.0), width=(20.0, 38.76, 10.0))

    cos, sin = np.cos(2.53), np.sin(2.53)
    along = cos * (cb - 109.38) + sin * (cr - 152.02)
    across = -sin * (cb - 109.38) + cos * (cr - 152.02)
    inside: NDArray[np.bool_] = ((along - 1.60) / 25.39) ** 2 + ((across - 2.41) / 14.03) ** 2 <= 1.0
    return inside


def _straightened(
    chroma: NDArray[np.float32],
    luma: NDArray[np.float32],
    *,
    middle: tuple[float, float, float],
    width: tuple[float, float, float],
) -> NDArray[np.float32]:
    """Shift and stretch a chroma plane by brightness; ``middle`` and ``width`` at black, mid-tones, white."""
    knees = (16.0, 125.0, 188.0, 235.0)
    centre = np.interp(luma, knees, (middle[0], middle[1], middle[1], middle[2]))
    spread = np.interp(luma, knees, (width[0], width[1], width[1], width[2]))
    bent = (luma < knees[1]) | (luma > knees[2])
    return np.where(bent, (chroma - centre) * (width[1] / spread) + middle[1], chroma).astype(np.float32)


def nose_crop(
    image: RGBImage, landmarks: NDArray[np.float64], size: int, *, margin: float = NOSE_MARGIN
) -> NDArray[np.uint8]:
    """Return the square around the nose's nine landmarks, uint8 [3, size, size].

    The paper's box goes from the smallest to the largest x and y of these points. Here it is grown to a
    square on its longer side, and by ``margin`` of that on every side: stretched to a square instead, every
    nose looks equally wide, and "Pointy_Nose" is told less well (AUC 0.69, against 0.75;
    ``benchmarks/crops.py``). It stands upright on the face, not on the picture: a tilted head gives the same crop.

    Raises NoFaceError where the landmarks are all in one place.
    """
    to_square = canonical_matrix(landmarks, margin=0.0)
    nose = apply(to_square, landmarks[NOSE])
    low, high = nose.min(axis=0), nose.max(axis=0)
    side = max(float((high - low).max()), 1e-3) * (1.0 + 2.0 * margin)
    from_square = invert(to_square)
    corner = apply(from_square, (low + high - side) / 2.0)
    box = np.concatenate([from_square[:, :2] * side, corner[:, None]], axis=1)
    return np.ascontiguousarray(sample(image, box, size).transpose(2, 0, 1))
