"""Draw one picture of a synthetic person.

``render`` depends on its arguments only: there is no global random state, and every sum has a fixed order, so
that a picture is the same to the bit in every process and in any order of drawing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from faces.synthetic import assets, features, hair, light
from faces.synthetic.assets import Surface
from faces.synthetic.background import paint_background
from faces.synthetic.camera import project, turn
from faces.synthetic.head import Head, head_of
from faces.synthetic.identity import Identity
from faces.synthetic.morphs import add_expression
from faces.synthetic.photo import Photo
from faces.synthetic.planes import Planes, column, encode_srgb, unit, vertex_normals
from faces.synthetic.raster import Fragments, depth_buffer, fragments, nearest
from faces.synthetic.skin import Paint, SkinPoints, paint_skin
from mien.errors import DataError

SMALLEST, LARGEST = 48, 512
"""Sides in pixels that a picture can have."""

SAMPLES = 2
"""Samples per pixel along each side."""

STREAM = 0xD4A3
"""Keeps the random stream of a picture's noise apart from those that sampled it."""


@dataclass(frozen=True, eq=False)
class Posed:
    """A head in front of the camera, V vertices."""

    head: Head
    place: Planes
    """(3, V) decimetres from the centre of the head."""
    screen: Planes
    """(2, V) shares of the picture's height, x right, y down."""
    depth: Planes
    """(V,) distance from the camera in decimetres."""


def pose(identity: Identity, photo: Photo) -> Posed:
    """Return the head of ``identity`` with the expression and pose of ``photo``, projected."""
    head = head_of(identity)
    points = head.points.copy()
    add_expression(points, photo.units)
    place = turn(points, head.rest, head.frame, photo.pose)
    screen, depth = project(place, head.frame, photo.camera)
    return Posed(head, place, screen, depth)


def render(identity: Identity, photo: Photo, size: int) -> NDArray[np.uint8]:
    """Return the picture as RGB, uint8 (size, size, 3).

    Raises DataError for a size outside [SMALLEST, LARGEST].
    """
    if not SMALLEST <= size <= LARGEST:
        raise DataError(
            f"synthetic faces: size is {size} pixels, expected {SMALLEST} to {LARGEST}; choose a size in between"
        )
    random = np.random.default_rng([STREAM, identity.seed, photo.seed])
    posed = pose(identity, photo)
    side = size * SAMPLES
    seen = _visible(posed, identity, side)
    colour = _colour(posed, seen, identity, photo, size)
    picture = paint_background(photo.background, size, random)
    picture = _average(colour, seen.pixel, picture, side)
    return _develop(picture, photo, random)


def _visible(posed: Posed, identity: Identity, side: int) -> Fragments:
    """Return the visible point of each covered pixel of a ``side`` x ``side`` picture."""
    head = posed.head
    covered = fragments(posed.screen * np.float32(side), posed.depth, head.triangles, side)
    surface = head.surface[covered.triangle]
    kept = np.ones(len(surface), bool)
    strips = np.flatnonzero(surface == Surface.LASHES)
    height = _interpolate(head.rest[1:2], covered[strips], head)[0]
    kept[strips] = features.lash_pixels(covered.pixel[strips], height, identity.lashes)
    sheet = np.flatnonzero(surface == Surface.LONG_HAIR)
    rest = _interpolate(head.rest, covered[sheet], head)
    kept[sheet] = hair.ragged_end(rest, identity.hair, identity.seed * 13 + 5)
    return nearest(covered[kept], side)


def _interpolate(values: Planes, at: Fragments, head: Head) -> Planes:
    """Return vertex values (k, V) at fragments, (k, n)."""
    table = np.ascontiguousarray(values.T)
    a, b, c = (table[corner[at.triangle]] for corner in head.triangles)
    return np.ascontiguousarray((c + at.first[:, None] * (a - c) + at.second[:, None] * (b - c)).T)


def _colour(posed: Posed, seen: Fragments, identity: Identity, photo: Photo, size: int) -> Planes:
    """Return the linear light (3, n) of the visible points."""
    head = posed.head
    normals = vertex_normals(posed.place, head.triangles)
    lit = light.key_visibility(posed.place, normals, head.casters, photo.light.direction)
    values = np.concatenate([head.rest, posed.place, normals, lit[None], head.fields])
    at = _interpolate(values, seen, head)
    rest, place, normal, lit, fields = at[0:3], at[3:6], unit(at[6:9]), at[9], at[10:]
    surface = head.surface[seen.triangle]
    paint = _paint(rest, fields, surface, identity, photo)
    surfels = light.Surfels(place, normal, lit, _openness(seen, surface, size))
    colour = light.shade(paint, surfels, photo.light, photo.camera.distance, identity.skin.oiliness)
    eyes = np.flatnonzero((surface == Surface.LEFT_EYE) | (surface == Surface.RIGHT_EYE))
    on_eyes = light.Surfels(place[:, eyes], normal[:, eyes], lit[eyes], lit[eyes])
    colour[:, eyes] += light.catchlight(on_eyes, photo.light, photo.camera.distance)
    return colour


def _paint(
    rest: Planes, fields: Planes, surface: NDArray[np.uint8], identity: Identity, photo: Photo
) -> Paint:
    """Return the paint of visible points, each by what it is made of."""
    mesh = assets.load()
    albedo = np.zeros((3, len(surface)), np.float32)
    gloss, flesh = np.zeros(len(surface), np.float32), np.ones(len(surface), np.float32)
    where = {kind: np.flatnonzero(surface == kind) for kind in Surface}

    at = where[Surface.SKIN]
    points = SkinPoints(rest[:, at], *fields[:, at])
    painted = paint_skin(points, identity, photo.flush, column(photo.clothes))
    albedo[:, at], gloss[at], flesh[at] = painted.albedo, painted.gloss, painted.flesh

    for kind, ball in ((Surface.LEFT_EYE, mesh.left_eye), (Surface.RIGHT_EYE, mesh.right_eye)):
        at = where[kind]
        albedo[:, at] = features.paint_eye(rest[:, at], mesh.rest[:, ball], identity.iris, photo.pose.gaze)
        flesh[at] = 0.3
    for kind, plain in (
        (Surface.MOUTH_CAVITY, features.MOUTH_RED),
        (Surface.TEETH, features.TEETH),
        (Surface.TONGUE, features.TONGUE),
    ):
        at = where[kind]
        albedo[:, at] = plain * features.mouth_darkness(rest[:, at])
    gloss[where[Surface.TEETH]] = 0.25
    albedo[:, where[Surface.LASHES]] = features.LASH
    flesh[where[Surface.LASHES]] = 0

    at = where[Surface.LONG_HAIR]
    albedo[:, at] = hair.paint_hair(*hair.directions(rest[:, at]), identity.hair, identity.seed * 13 + 14)
    gloss[at], flesh[at] = 0.10, 0
    return Paint(albedo, gloss, flesh)


def _openness(seen: Fragments, surface: NDArray[np.uint8], size: int) -> Planes:
    """Return the ambient share at each visible point, from the depths of every second sample."""
    side = size * SAMPLES
    depth = depth_buffer(seen, side).reshape(side, side)[::SAMPLES, ::SAMPLES]
    open_share = light.openness(np.ascontiguousarray(depth)).ravel()[_pixel_of(seen.pixel, side)]
    return np.where(surface == Surface.LASHES, 1, open_share).astype(np.float32)


def _pixel_of(sample: NDArray[np.int64], side: int) -> NDArray[np.int64]:
    """Return the picture's pixel that each sample belongs to."""
    row, place = np.divmod(sample, side)
    pixel: NDArray[np.int64] = (row // SAMPLES) * (side // SAMPLES) + place // SAMPLES
    return pixel


def _average(colour: Planes, sample: NDArray[np.int64], picture: Planes, side: int) -> Planes:
    """Return the mean of each pixel's samples (3, size, size); a free sample shows the background."""
    pixel, count = _pixel_of(sample, side), picture[0].size
    each = np.float32(1 / SAMPLES**2)
    free = 1 - np.bincount(pixel, minlength=count).astype(np.float32) * each
    filled = [np.bincount(pixel, plane, count).astype(np.float32) * each for plane in colour]
    return picture * free.reshape(picture[0].shape) + np.stack(filled).reshape(picture.shape)


def _develop(picture: Planes, photo: Photo, random: np.random.Generator) -> NDArray[np.uint8]:
    """Return the camera's picture: lens blur, exposure, tone curve, sRGB, sensor noise, eight bits."""
    sigma = photo.blur / 1000 * picture.shape[1]
    if sigma > 0.15:
        picture = gaussian_filter(picture, (0, sigma, sigma))
    exposed = picture * np.float32(photo.light.exposure)
    toned = encode_srgb(exposed * (1 + 0.15 * exposed) / (1 + 0.35 * exposed))
    grain = random.standard_normal(toned.shape, np.float32) * np.float32(photo.noise)
    levels = np.clip(toned + grain, 0, 1) * 255 + 0.5
    return np.ascontiguousarray(levels.astype(np.uint8).transpose(1, 2, 0))
