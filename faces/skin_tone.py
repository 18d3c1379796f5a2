"""How deep is the skin in the photos of a data set? Measured groups, for reporting errors by group and nothing
else.

The ITA° of a photo is that of the mean colour, in linear light, of two patches of cheek without their darkest
fifth and brightest 15 % (shadow, shine). Photos do not know their light: half a stop of exposure moves ITA° by
a whole class, and different photos of one person differ by a standard deviation of about 22°. So a person's
depth is the median over her photos, and it orders the persons of one data set; it is no colorimetry, and no
property of a person is stored. Nothing here corrects the light: what a model sees is what is measured.

The six classes are those of Del Bino and Bernerd (2013) under neutral names: depth 1 is the lightest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faces.colour import LUMINANCE, ita, linear_to_lab, srgb8_to_linear
from faces.sample import FaceTable

DEPTH_EDGES = (55.0, 41.0, 28.0, 10.0, -30.0)  # ITA° between depth 1 | 2 | 3 | 4 | 5 | 6
DEPTHS = tuple(f"skin depth {number}" for number in range(1, 7))
_CHEEKS = ((36, 41, 48), (45, 46, 54))  # outer and lower corner of the eye, corner of the mouth
_RADIUS = 0.2  # of the distance between the eyes
_FEWEST_PIXELS = 16


def photo_ita(face: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> float:
    """Return the ITA° of one aligned face, uint8 [3, F, F], with landmarks [68, 2] in its unit square.

    NaN where too little cheek is in the picture.
    """
    side = face.shape[-1]
    points = landmarks.astype(np.float64) * side - 0.5  # whole numbers are pixel centres
    unit = float(np.hypot(*(points[42:48].mean(axis=0) - points[36:42].mean(axis=0))))
    rows, columns = np.mgrid[0:side, 0:side]
    inside = np.zeros((side, side), dtype=bool)
    for outer, lower, mouth in _CHEEKS:
        x, y = (points[outer] * 0.4 + points[lower] * 0.6) * 0.44 + points[mouth] * 0.56
        inside |= (columns - x) ** 2 + (rows - y) ** 2 <= (_RADIUS * unit) ** 2
    pixels = srgb8_to_linear(face[:, inside].T)
    if len(pixels) < _FEWEST_PIXELS:
        return float("nan")
    light = pixels @ LUMINANCE
    low, high = np.percentile(light, [20, 85])
    return float(ita(linear_to_lab(pixels[(light >= low) & (light <= high)].mean(axis=0))))


def person_depths(table: FaceTable) -> NDArray[np.int64]:
    """Return each row's group, int64 [N]: 0 to 5 for ``DEPTHS``, −1 where it could not be measured.

    All photos of a person are in one group, that of their median ITA°.
    """
    angles = np.array([photo_ita(*row) for row in zip(table.face, table.landmarks, strict=True)])
    groups = np.full(len(table), -1, dtype=np.int64)
    for person in table.persons_present().tolist():
        rows = table.rows_of_person(person)
        known = angles[rows][~np.isnan(angles[rows])]
        if known.size:
            groups[rows] = int((np.median(known) <= np.array(DEPTH_EDGES)).sum())
    return groups
