"""What the person moves by hand: landmarks and the hairline, without another look at the photo.

``with_landmarks`` measures again from the moved points; the fit is kept, so it takes milliseconds. Colours
stay as they were read. ``with_hairline`` moves the zones that hang on the hairline; no measure moves with it,
because the reference table was made with estimated hairlines and would not compare with a real one.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from mien.errors import ConfigError
from recommend.adviser import Look, Place
from recommend.knowledge.load import current
from recommend.reading.geometry import Points, frame_of, measure
from recommend.reading.jitter import Fit
from recommend.reading.pose import pose_of
from recommend.reading.quality import OF_POSE, of_pose
from recommend.reading.reading import PhotoReading, Reading, combine
from recommend.zones import outlines

MOVED_AT_MOST = 3.0  # eye distances; further away it is no correction
SMALLEST_UNIT = 0.25  # of the eye distance as read
CLOSEST = 0.01  # eye distances
_ADVICE = "Put the points back on the face, or read the photo again."
_FOLDED = "nothing can be measured."
# Pairs of landmarks whose distance measures divide by.
_APART = np.array(
    [(36, 39), (42, 45), (0, 16), (2, 14), (48, 54), (31, 35), (39, 42), (27, 33), (33, 8), (17, 21), (22, 26)]
)  # fmt: skip


def with_landmarks(reading: Reading, points: Points) -> Reading:
    """Return the reading with the landmarks of the drawn photo where the person put them.

    ``points`` is float64 [68, 2] in pixels of that photo. The single fits move along, so what is uncertain
    stays so. Notices of the pose, the eyes and the mouth follow the points; those of the light stay. Raises
    ConfigError where the points are not a face: not finite, folded into one place, or far from the face.
    """
    photo = reading.photos[reading.best]
    _check(photo, points)
    moved = Fit(points, photo.fit.samples + (points - photo.fit.points), photo.fit.spread)
    with np.errstate(all="ignore"):  # what a folded face divides by zero is found below
        measures, pose = measure(points), pose_of(points)
        posed = tuple(notice for notice in of_pose(points, pose) if notice is not None)
        kept = tuple(notice for notice in photo.notices if notice.code not in OF_POSE)
        again = dataclasses.replace(photo, fit=moved, measures=measures, pose=pose, notices=(*posed, *kept))
        found = combine((*reading.photos[: reading.best], again, *reading.photos[reading.best + 1 :]))
    figures = (*measures.values(), *found.shape.values(), pose.yaw, pose.pitch, pose.roll)
    if not np.isfinite(figures).all():
        raise ConfigError(f"Landmarks lie so that {_FOLDED} {_ADVICE}")
    # The person moves points on the photo that is shown: it stays the one to draw on.
    return dataclasses.replace(found, best=reading.best, notices=again.notices)


def _check(photo: PhotoReading, points: Points) -> None:
    if points.shape != (68, 2) or not np.isfinite(points).all():
        raise ConfigError(
            f"The landmarks have the shape {points.shape}: expected 68 finite pairs x, y. {_ADVICE}"
        )
    unit = frame_of(photo.fit.points).unit
    furthest = float(np.hypot(*(points - photo.fit.points).T).max())
    if furthest > MOVED_AT_MOST * unit:
        raise ConfigError(
            f"A landmark is {furthest:.0f} pixels from where it was read: expected at most "
            f"{MOVED_AT_MOST * unit:.0f}. {_ADVICE}"
        )
    eyes = np.hypot(*(points[36:42].mean(axis=0) - points[42:48].mean(axis=0)))
    apart = np.hypot(*(points[_APART[:, 0]] - points[_APART[:, 1]]).T)
    if eyes < SMALLEST_UNIT * unit or float(apart.min()) < CLOSEST * unit:
        raise ConfigError(f"Landmarks that belong apart lie on one place, so {_FOLDED} {_ADVICE}")


def with_hairline(look: Look, points: Points, hairline: Points) -> Look:
    """Return the look with the zones at the hairline laid to where the person says it is.

    ``points`` are the landmarks [68, 2] and ``hairline`` [2] its place on the midline, in the same pixels.
    Raises ConfigError where that is not above the brows, or further up than a face is long.
    """
    frame = frame_of(points)
    brow = points[[21, 22]].mean(axis=0)
    height = float((hairline - brow) @ frame.up) / frame.unit
    if not 0.1 <= height <= 4.0:
        raise ConfigError(
            f"The hairline is {height:.2f} eye distances above the brows: expected 0.1 to 4. Put it above them."
        )

    def moved(place: Place) -> Place:
        if not place.estimated:
            return place
        drawn = tuple(outlines(current().zone(place.zone), points, hairline))
        return dataclasses.replace(place, estimated=False, outlines=drawn)

    cards = tuple(
        dataclasses.replace(card, places=tuple(moved(place) for place in card.places)) for card in look.cards
    )
    return dataclasses.replace(look, cards=cards)


def scaled(reading: Reading, factor: float) -> Reading:
    """Return the reading with the drawn photo's pixels ``factor`` times as large; no measure changes."""
    photo = reading.photos[reading.best]
    # Whole numbers are pixel centres: the picture's corner is at (-½, -½).
    fit = Fit(
        (photo.fit.points + 0.5) * factor - 0.5, (photo.fit.samples + 0.5) * factor - 0.5, photo.fit.spread
    )
    size = (round(photo.size[0] * factor), round(photo.size[1] * factor))
    again = dataclasses.replace(photo, fit=fit, size=size, box=photo.box.scaled(factor))
    photos = (*reading.photos[: reading.best], again, *reading.photos[reading.best + 1 :])
    return dataclasses.replace(reading, photos=photos)
