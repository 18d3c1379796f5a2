"""Find the faces in a picture and fit 68 landmarks to one (dlib; the iBUG 68-point numbering).

Points 0–16 are the jaw from the picture's left to its right, 17–26 the brows, 27–35 the nose, 36–47 the eyes,
48–67 the mouth. Coordinates are (x, y) in pixels with whole numbers at pixel centres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faces import dlib_models
from faces.images import RGBImage
from mien.errors import NoFaceError, SeveralFacesError

JAW = slice(0, 17)
NOSE = slice(27, 36)
RIGHT_EYE = slice(36, 42)
LEFT_EYE = slice(42, 48)
MOUTH_CORNERS = (48, 54)
NOSE_TIP = 30

# dlib's detector sees faces from about 80 pixels; beyond 1024 pixels it mostly costs time.
SMALLEST_SEEN = 80
QUICK_SIDE = 1024
_FULL_SIDE = 2048
# Two doublings only where the result is still a small picture.
_TINY_SIDE = 256
# A face that fills a seventh of the picture is found at this size in a quarter of the time.
_FIRST_SIDE = 512
BACKGROUND = 0.5  # as wide as the main face: who is smaller stands behind


@dataclass(frozen=True)
class FaceBox:
    """A detected face: a rectangle in pixels and the detector's score (0 is its threshold, 1 is clear)."""

    left: float
    top: float
    right: float
    bottom: float
    score: float

    @property
    def width(self) -> float:
        """The rectangle's width in pixels."""
        return self.right - self.left

    @property
    def area(self) -> float:
        """The rectangle's area in square pixels."""
        return max(0.0, self.right - self.left) * max(0.0, self.bottom - self.top)

    def scaled(self, factor: float) -> FaceBox:
        """Return the box of the same face in a picture ``factor`` times as large."""
        return FaceBox(
            self.left * factor, self.top * factor, self.right * factor, self.bottom * factor, self.score
        )


def find_faces(image: RGBImage, *, upsample: int = 0) -> list[FaceBox]:
    """Return every frontal face in uint8 [H, W, 3], the largest first; an empty list where there is none.

    ``upsample`` doubles the picture that many times first, so that smaller faces than 80 pixels are found.
    """
    boxes = [FaceBox(*found) for found in dlib_models.detect(image, upsample)]
    return sorted(boxes, key=lambda box: (-box.area, box.left, box.top))


def search_faces(image: RGBImage, *, max_upsample: int = 2) -> list[FaceBox]:
    """Return the faces at the first scale that shows any, from quick to thorough; largest first.

    A large picture is searched shrunk to 1024 pixels, then to 2048. One of up to 1024 pixels is searched as
    it is, then doubled once; one of up to 256 pixels also twice; never more than ``max_upsample`` times.
    """
    longest = max(image.shape[:2])
    for side in (QUICK_SIDE, _FULL_SIDE):
        if longest > side:
            factor = longest / side
            boxes = [box.scaled(factor) for box in find_faces(_shrunk(image, factor))]
            if boxes:
                return boxes
    if longest > _FULL_SIDE:
        return []
    doublings = 2 if longest <= _TINY_SIDE else 1 if longest <= QUICK_SIDE else 0
    for upsample in range(min(doublings, max_upsample) + 1):
        boxes = find_faces(image, upsample=upsample)
        if boxes:
            return boxes
    return []


def find_one_face(
    image: RGBImage,
    *,
    choose: Literal["only", "largest"] = "only",
    max_upsample: int = 2,
) -> FaceBox:
    """Return the face in the picture, searched for as ``search_faces`` does.

    Raises NoFaceError where none is found, and, with ``choose="only"``, SeveralFacesError where there are
    more than one; with ``choose="largest"`` the largest is taken.
    """
    boxes = search_faces(image, max_upsample=max_upsample)
    if not boxes:
        raise _no_face(image)
    if len(boxes) > 1 and choose == "only":
        raise _several(boxes)
    return boxes[0]


def find_main_face(image: RGBImage) -> tuple[FaceBox, int]:
    """Return the face that the picture is of, and how many others were seen behind it.

    The main face is at least twice as wide as any other. Large pictures are searched at 512 pixels first, and
    more closely only where nothing is found there, or where a face of half the main one's width would be too
    small to be seen: nobody of like size is passed over for speed, while who is smaller still may go uncounted.

    Raises NoFaceError where none is found, and SeveralFacesError where none is clearly the main one.
    """
    boxes = _large_faces(image) or search_faces(image)
    if not boxes:
        raise _no_face(image)
    alike = [box for box in boxes if box.width > BACKGROUND * boxes[0].width]
    if len(alike) > 1:
        raise _several(alike)
    return boxes[0], len(boxes) - 1


def _large_faces(image: RGBImage) -> list[FaceBox]:
    """Return the faces of a large picture shrunk to 512 pixels, if a face of half the width would show there."""
    factor = max(image.shape[:2]) / _FIRST_SIDE
    if factor <= 1:
        return []
    boxes = find_faces(_shrunk(image, factor))
    if not boxes or BACKGROUND * boxes[0].width < SMALLEST_SEEN:
        return []
    return [box.scaled(factor) for box in boxes]


def _no_face(image: RGBImage) -> NoFaceError:
    height, width = image.shape[:2]
    return NoFaceError(
        f"No face was found in this picture of {width} × {height} pixels: expected one face, seen from "
        "the front, at least 40 pixels wide. Use a brighter, closer, frontal photo."
    )


def _several(boxes: list[FaceBox]) -> SeveralFacesError:
    places = ", ".join(f"({box.left:.0f}, {box.top:.0f})" for box in boxes[:4])
    return SeveralFacesError(
        f"{len(boxes)} faces were found in this picture, at {places}: expected exactly one. "
        "Crop the picture to one person, or ask for the largest face."
    )


def fit_landmarks(image: RGBImage, box: FaceBox) -> NDArray[np.float64]:
    """Return the 68 landmarks of the face in ``box``: float64 [68, 2], (x, y) in pixels of ``image``.

    Raises MissingModelError, which says how to install the weights, where they are absent.
    """
    sides = (round(box.left), round(box.top), round(box.right), round(box.bottom))
    return dlib_models.predict_shape(image, sides)


def _shrunk(image: RGBImage, factor: float) -> RGBImage:
    height, width = image.shape[:2]
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX, reducing_gap=2.0))
