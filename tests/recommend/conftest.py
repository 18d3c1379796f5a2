"""Faces for the adviser's tests: hand-made landmarks, synthetic pictures, real photos."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from faces.synthetic.dataset import records
from mien.errors import NoFaceError, SeveralFacesError
from recommend.reading.reading import read_face


def _face() -> np.ndarray:
    """A symmetric upright face of 68 landmarks: eyes 72 pixels apart, the midline at x = 200."""
    half = {
        0: (-110, 0), 1: (-108, 30), 2: (-104, 58), 3: (-98, 86), 4: (-88, 112), 5: (-72, 134), 6: (-52, 152),
        7: (-28, 164), 17: (-84, -42), 18: (-70, -54), 19: (-52, -58), 20: (-34, -54), 21: (-18, -46),
        31: (-18, 52), 32: (-9, 56), 36: (-54, 2), 37: (-43, -6), 38: (-30, -6), 39: (-18, 2), 40: (-30, 7),
        41: (-43, 7), 48: (-34, 92), 49: (-22, 85), 50: (-9, 81), 58: (-10, 108), 59: (-23, 103), 60: (-29, 92),
        61: (-9, 90), 67: (-9, 93),
    }  # fmt: skip
    middle = {8: 170, 27: -6, 28: 10, 29: 25, 30: 40, 33: 58, 51: 84, 57: 111, 62: 90, 66: 94}
    partner = {
        0: 16, 1: 15, 2: 14, 3: 13, 4: 12, 5: 11, 6: 10, 7: 9, 17: 26, 18: 25, 19: 24, 20: 23, 21: 22, 31: 35,
        32: 34, 36: 45, 37: 44, 38: 43, 39: 42, 40: 47, 41: 46, 48: 54, 49: 53, 50: 52, 58: 56, 59: 55, 60: 64,
        61: 63, 67: 65,
    }  # fmt: skip
    points = np.zeros((68, 2))
    for index, (x, y) in half.items():
        points[index] = (200 + x, 200 + y)
        points[partner[index]] = (200 - x, 200 + y)
    for index, y in middle.items():
        points[index] = (200, 200 + y)
    return points


@pytest.fixture
def face() -> np.ndarray:
    return _face()


@pytest.fixture(scope="session")
def synthetic_pictures() -> list[np.ndarray]:
    """Twelve synthetic pictures with a face that the detector finds."""
    found = []
    for record in records(12, 3, seed=40):
        truth = record.truth
        if abs(truth.yaw) < 10 and truth.expression == "neutral":
            found.append(record.render(320))
    return found


@pytest.fixture(scope="session")
def synthetic_readings(synthetic_pictures):
    readings = []
    for picture in synthetic_pictures:
        # A few synthetic faces are not found by the detector; most must be.
        with contextlib.suppress(NoFaceError, SeveralFacesError):
            readings.append((picture, read_face([picture])))
    assert len(readings) >= max(3, len(synthetic_pictures) // 2), "synthetic faces must be readable"
    return readings
