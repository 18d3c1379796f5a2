"""Synthetic faces as the tests measure them: by landmarks that dlib fits, as any user of the data would."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from faces import dlib_models
from faces.landmarks import find_one_face, fit_landmarks
from faces.synthetic.photo import Photo
from mien.errors import MissingModelError

Landmarks = NDArray[np.float64]


@pytest.fixture(scope="session")
def passport() -> Photo:
    """A frontal, evenly lit picture without noise: what is measured on it comes from the face."""
    return Photo(noise=0.0)


@pytest.fixture(scope="session")
def landmarks_of() -> Callable[[NDArray[np.uint8]], Landmarks]:
    """Return the 68 landmarks of a picture with one face, (68, 2) in pixels."""
    try:
        dlib_models.landmarks_path()
    except MissingModelError as error:
        pytest.skip(str(error))

    def fit(picture: NDArray[np.uint8]) -> Landmarks:
        return fit_landmarks(picture, find_one_face(picture))

    return fit
