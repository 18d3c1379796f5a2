"""From photos of one face to what can be said of it, and what cannot.

``read_face`` finds the face, fits it steadily, measures it, compares each measure with the reference table,
and answers low, middle, high, or *undecided*: near a cut, or when the photo does not allow it. Several photos
of the same person narrow the intervals. Nothing here judges: no score, no gender, age, health or weight.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from faces.landmarks import FaceBox, find_main_face
from mien.errors import ConfigError
from recommend.colour import Lab, srgb8_to_linear
from recommend.knowledge.load import current
from recommend.knowledge.model import Attribute, Need
from recommend.reading.geometry import Points, frame_of, measure
from recommend.reading.jitter import Fit, fit_steadily
from recommend.reading.patches import cut_out
from recommend.reading.pose import Pose, pose_of
from recommend.reading.quality import Code, Notice, check
from recommend.reading.reference import Z90, reference_table
from recommend.reading.shape import features, shape_probabilities
from recommend.reading.skin import SkinReading, assemble, read_skin

SHAPE_LEAD = 0.15  # a shape is decided at p ≥ .5 when the next one is this far behind
SHAPE_SURE = 0.5
DEPTH_SURE = 0.9  # of a set of depths: the level of the intervals; half a stop must not turn the advice

Region = tuple[float, float, float, float]  # left, top, right, bottom as fractions of the picture


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One measure of one face.

    ``low``…``high`` is the 90 % interval of the person's own value, ``percentile`` its place in the reference
    group (0 to 100). ``answer`` is one of the attribute's answers, or None for *undecided*, and then
    ``undecided`` says why: "near_cut", or the codes of the notices in the way. ``probability`` is that of the
    nearest answer.
    """

    attribute: str
    value: float
    low: float
    high: float
    percentile: float
    cuts: tuple[float, float]
    answer: str | None
    probability: float
    undecided: tuple[Literal["near_cut"] | Code, ...] = ()


@dataclasses.dataclass(frozen=True)
class PhotoReading:
    """What one photo gave: its size (width, height), the face's box, landmarks, measures, pose, notices."""

    size: tuple[int, int]
    box: FaceBox
    fit: Fit
    measures: Mapping[str, float]
    pose: Pose
    notices: tuple[Notice, ...]
    skin: SkinReading | None


@dataclasses.dataclass(frozen=True)
class Reading:
    """What is known of a face from its photos; ``photos[best]`` is the one to draw on."""

    photos: tuple[PhotoReading, ...]
    best: int
    measurements: Mapping[str, Measurement]
    shape: Mapping[str, float]
    shape_answer: str | None
    skin: SkinReading | None
    depth_answer: str | None
    notices: tuple[Notice, ...]

    @property
    def points(self) -> Points:
        """The landmarks ([68, 2], pixels) in the photo to draw on."""
        return self.photos[self.best].fit.points


def read_face(images: Sequence[NDArray[np.uint8]], *, paper: Region | None = None) -> Reading:
    """Read one person's face from one or more photos (uint8 RGB [H, W, 3]).

    ``paper`` marks white paper in the first photo, in the same light as the face; it makes the depth of the
    skin several times surer. Raises NoFaceError, SeveralFacesError, MissingModelError, and ConfigError for no
    photo or a region outside the picture.
    """
    if not images:
        raise ConfigError("No photo was given: expected one or more pictures of the same face. Name a photo.")
    photos = tuple(_read_photo(image, paper if index == 0 else None) for index, image in enumerate(images))
    return combine(photos)


def combine(photos: tuple[PhotoReading, ...]) -> Reading:
    """Say what one or more readings of photos of the same person say together."""
    best = min(
        range(len(photos)), key=lambda i: (len(_blocked(photos[i])), -frame_of(photos[i].fit.points).unit)
    )
    measurements = {
        attribute.id: _combine(attribute, photos)
        for attribute in current().attributes
        if attribute.kind == "measured"
    }
    shape, shape_answer = _shape(photos)
    skin, depth_answer = _skin(photos)
    return Reading(photos, best, measurements, shape, shape_answer, skin, depth_answer, photos[best].notices)


def _read_photo(image: NDArray[np.uint8], paper: Region | None) -> PhotoReading:
    box, others = find_main_face(image)
    fit = fit_steadily(image, box)
    pose = pose_of(fit.points)
    pixels = cut_out(image, fit.points)
    notices = tuple(check(image, fit.points, fit.spread, pose, pixels))
    if others:
        notices = (Notice("others_left_out", float(others)), *notices)
    colourless = any(notice.code == "colourless" for notice in notices)
    skin = None if colourless else read_skin(pixels, _paper_colour(image, paper))
    size = (image.shape[1], image.shape[0])
    return PhotoReading(size, box, fit, measure(fit.points), pose, notices, skin)


def _paper_colour(image: NDArray[np.uint8], region: Region | None) -> NDArray[np.float64] | None:
    if region is None:
        return None
    left, top, right, bottom = region
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ConfigError(
            f"The paper's place {region} is not inside the picture: expected left, top, right, bottom as "
            "fractions from 0 to 1, left before right and top before bottom. Give it again."
        )
    height, width = image.shape[:2]
    rows = slice(int(top * height), max(int(top * height) + 1, int(bottom * height)))
    columns = slice(int(left * width), max(int(left * width) + 1, int(right * width)))
    patch = srgb8_to_linear(image[rows, columns].reshape(-1, 3))
    return np.asarray(np.median(patch, axis=0))


def _blocked(photo: PhotoReading) -> set[Need]:
    return {need for notice in photo.notices for need in notice.blocks}


def _usable(needs: Sequence[Need], photos: Sequence[PhotoReading]) -> list[PhotoReading]:
    return [photo for photo in photos if not _blocked(photo) & set(needs)]


def _in_the_way(needs: Sequence[Need], photos: Sequence[PhotoReading]) -> tuple[Code, ...]:
    codes = [notice.code for photo in photos for notice in photo.notices if set(notice.blocks) & set(needs)]
    return tuple(dict.fromkeys(codes))


def _combine(attribute: Attribute, photos: Sequence[PhotoReading]) -> Measurement:
    """Average one measure over the photos that allow it; over all when none does, and stay undecided."""
    usable = _usable(attribute.needs, photos)
    counted = usable or list(photos)
    value = float(np.mean([photo.measures[attribute.id] for photo in counted]))
    known = reference_table()[attribute.id]
    half = Z90 * known.within_person_sd / math.sqrt(len(counted))
    index, likely = known.place(value, len(counted))
    reasons: tuple[Literal["near_cut"] | Code, ...] = ("near_cut",) if index is None else ()
    if not usable:
        index, reasons = None, _in_the_way(attribute.needs, photos)
    return Measurement(
        attribute=attribute.id,
        value=value,
        low=value - half,
        high=value + half,
        percentile=known.percentile(value),
        cuts=known.cuts,
        answer=None if index is None else attribute.answers[index].id,
        probability=likely,
        undecided=reasons,
    )


def _shape(photos: Sequence[PhotoReading]) -> tuple[dict[str, float], str | None]:
    usable = _usable(("facing", "sharp"), photos)
    rows = np.array([features(sample) for photo in usable or photos for sample in photo.fit.samples])
    likely = shape_probabilities(rows)
    (first, p_first), (_, p_second) = list(likely.items())[:2]
    decided = bool(usable) and p_first >= SHAPE_SURE and p_first - p_second >= SHAPE_LEAD
    return likely, first if decided else None


def _skin(photos: Sequence[PhotoReading]) -> tuple[SkinReading | None, str | None]:
    """Average the skin over the photos whose light allows it; paper counts alone where there is some."""
    seen = [photo for photo in photos if photo.skin is not None]
    lit = _usable(("lit", "even_light"), seen)
    counted = [photo.skin for photo in lit or seen if photo.skin is not None]
    with_paper = [skin for skin in counted if skin.method == "paper"]
    counted = with_paper or counted
    if not counted:
        return None, None
    method = counted[0].method if len({skin.method for skin in counted}) == 1 else "none"
    skin = assemble(
        _mean([one.skin for one in counted]),
        _mean([one.lips for one in counted]),
        _mean([one.brows for one in counted]),
        method,
        len(counted),
    )
    best = max(skin.depth, key=lambda name: skin.depth[name])
    return skin, best if lit and skin.depth[best] >= DEPTH_SURE else None


def _mean(colours: Sequence[Lab]) -> Lab:
    return Lab(*(float(np.mean([getattr(c, axis) for c in colours])) for axis in ("l", "a", "b")))
