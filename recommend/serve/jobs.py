"""What a worker process does with pictures. Each job takes bytes and returns plain results."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from faces.images import RGBImage, load_image
from faces.landmarks import find_faces, fit_landmarks
from mien.errors import ImageTooLargeError
from recommend.adjust import scaled
from recommend.knowledge.load import current
from recommend.reading.geometry import Points, estimated_hairline
from recommend.reading.reading import Reading, Region, read_face
from recommend.serve.limits import Limits
from recommend.zones import outlines

VIEW_QUALITY = 90
LIVE_POINTS = 48  # of an edge: at 320 pixels more are not seen
LIVE_ZONES = (
    ("cheek_hollow", "contour"),
    ("cheek_apple", "blush"),
    ("cheekbone_top", "highlight"),
    ("brow_full", "brows"),
    ("lid_mobile", "eyes"),
    ("lip_upper", "lips"),
    ("lip_lower", "lips"),
)


@dataclasses.dataclass(frozen=True)
class Read:
    """A reading, and the upright photo it is drawn on as JPEG bytes; both in the same pixels."""

    reading: Reading
    view: bytes


@dataclasses.dataclass(frozen=True)
class LiveZone:
    """One area of a part of the look on a camera's frame: ``points`` (float64 [n, 2]) are its edge in pixels."""

    zone: str
    domain: str
    points: Points


@dataclasses.dataclass(frozen=True)
class Tracked:
    """The landmarks ([68][2], pixels) of the largest face of a frame of ``size`` (width, height), or None."""

    landmarks: list[list[float]] | None
    size: tuple[int, int]
    zones: list[LiveZone] = dataclasses.field(default_factory=list)


def read_photos(photos: Sequence[bytes], paper: Region | None, limits: Limits) -> Read:
    """Read one person's photos; the view is at most ``view_side`` pixels long, without any metadata.

    Raises what ``load_image`` and ``read_face`` raise.
    """
    images = [_load(photo, limits) for photo in photos]
    reading = read_face(images, paper=paper)
    return _view(images[reading.best], reading, limits.view_side)


def read_only(photo: bytes, limits: Limits) -> Reading:
    """Read one photo and keep no picture of it."""
    return read_face([_load(photo, limits)])


def track(frame: bytes, limits: Limits) -> Tracked:
    """Find the largest face of a camera's frame and fit it once: quick rather than steady."""
    image = load_image(frame, max_pixels=limits.frame_side**2, max_bytes=limits.frame_bytes)
    height, width = image.shape[:2]
    if max(width, height) > limits.frame_side:
        raise ImageTooLargeError(
            f"The frame has {width} × {height} pixels: at most {limits.frame_side} on a side are tracked. "
            "Send a smaller frame."
        )
    boxes = find_faces(image)
    if not boxes:
        return Tracked(None, (width, height))
    points = fit_landmarks(image, boxes[0])
    return Tracked(np.round(points, 1).tolist(), (width, height), _live_zones(points))


def _live_zones(points: Points) -> list[LiveZone]:
    """Lay the usual place of each part over a frame; the cards choose theirs once a photo is read."""
    return [
        LiveZone(zone, domain, outline.points[:: 1 + len(outline.points) // LIVE_POINTS])
        for zone, domain in LIVE_ZONES
        for outline in outlines(current().zone(zone), points)
    ]


def warm_up() -> None:
    """Load the detector and the landmark model before the first photo needs them."""
    image = np.full((160, 160, 3), 128, dtype=np.uint8)
    find_faces(image)
    from faces.landmarks import FaceBox

    points = fit_landmarks(image, FaceBox(30, 30, 130, 130, 0.0))
    estimated_hairline(points)
    _live_zones(points)


def _load(photo: bytes, limits: Limits) -> RGBImage:
    return load_image(photo, max_pixels=limits.photo_pixels, max_bytes=limits.photo_bytes)


def _view(image: RGBImage, reading: Reading, side: int) -> Read:
    picture = Image.fromarray(image)
    longest = max(picture.size)
    if longest > side:
        factor = side / longest
        size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
        picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
        reading = scaled(reading, factor)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=VIEW_QUALITY, subsampling=0)
    return Read(reading, buffer.getvalue())
