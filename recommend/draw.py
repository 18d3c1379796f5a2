"""The photo with the zones of a look drawn on it, numbered as the cards.

The head is cut out of the photo and enlarged; nothing in it is reshaped, smoothed or recoloured: zones are
thin lines with a light wash over the untouched pixels. Numbers stand in the margins, so that the face stays
visible, and a line leads from each to its zone. There are no words in the picture, so it suits any language.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from recommend.adviser import Card, Look
from recommend.labels import WIDE_ZONES, Area, Label, UsedZone, place_labels, used_zones
from recommend.palette import DOMAIN_COLOURS, PAPER, rgb
from recommend.reading.geometry import Points, estimated_hairline, frame_of
from recommend.zones import Outline

HEIGHT = 1120  # pixels of the drawn photo
MAX_ENLARGE = 6.0
MARGIN = 152
BORDER = 28
BADGE = 19  # radius of a number
ROW = 46  # least distance between two rows of numbers
OVERSAMPLE = 2
WASH = 0.20


def annotate(image: NDArray[np.uint8], look: Look, points: Points) -> NDArray[np.uint8]:
    """Return the photo (uint8 RGB [H, W, 3]) with the zones of ``look``, as uint8 RGB [h, w, 3]."""
    photo, scale, origin = _cut_head(image, points)
    offset = np.array([MARGIN, BORDER]) - origin * scale
    canvas = Image.new("RGB", (photo.width + 2 * MARGIN, photo.height + 2 * BORDER), PAPER)
    canvas.paste(photo, (MARGIN, BORDER))
    zones = [
        UsedZone(zone.cards, tuple(_moved(outline, scale, offset, photo) for outline in zone.outlines))
        for zone in used_zones(look)
    ]
    canvas = _with_zones(canvas, [(zone.cards[0], outline) for zone in zones for outline in zone.outlines])
    area = Area(MARGIN, BORDER, MARGIN + photo.width, BORDER + photo.height)
    return np.asarray(_with_labels(canvas, place_labels(zones, area, ROW)))


def _cut_head(image: NDArray[np.uint8], points: Points) -> tuple[Image.Image, float, Points]:
    """Return the head at drawing size, photo pixels → drawn pixels, and its top left in the photo."""
    unit = frame_of(points).unit
    top_of_head = estimated_hairline(points) + frame_of(points).up * 0.75 * unit
    everything = np.vstack([points, top_of_head])
    height, width = image.shape[:2]
    low = np.clip(everything.min(axis=0) - [0.7 * unit, 0.1 * unit], 0, [width - 2, height - 2])
    high = np.clip(everything.max(axis=0) + np.array([0.7, 0.45]) * unit, low + 2, [width, height])
    left, top = (int(v) for v in np.floor(low))
    right, bottom = (int(v) for v in np.ceil(high))
    head = Image.fromarray(image).crop((left, top, right, bottom))
    scale = min(HEIGHT / head.height, MAX_ENLARGE)
    size = (max(2, round(head.width * scale)), max(2, round(head.height * scale)))
    return head.resize(size, Image.Resampling.LANCZOS), scale, np.array([left, top], dtype=np.float64)


def _moved(outline: Outline, scale: float, offset: Points, photo: Image.Image) -> Outline:
    """Carry an outline into drawn pixels, kept inside the drawn photo."""
    low, high = [MARGIN, BORDER], [MARGIN + photo.width - 1, BORDER + photo.height - 1]

    def move(points: Points) -> Points:
        return np.clip((points + 0.5) * scale - 0.5 + offset, low, high)

    holes = tuple(move(hole) for hole in outline.holes)
    return dataclasses.replace(outline, points=move(outline.points), holes=holes)


def _with_zones(canvas: Image.Image, zones: list[tuple[Card, Outline]]) -> Image.Image:
    """Lay every zone over the picture: a light wash and a thin line with a paler edge."""
    layer = Image.new("RGBA", (canvas.width * OVERSAMPLE, canvas.height * OVERSAMPLE), (255, 255, 255, 0))
    for card, outline in zones:
        colour = rgb(DOMAIN_COLOURS[card.domain])
        if outline.zone not in WIDE_ZONES:
            _wash(layer, outline, colour)
        pen = ImageDraw.Draw(layer)
        path = _path(outline.points)
        pen.line([*path, path[0]], fill=(255, 255, 255, 150), width=4 * OVERSAMPLE, joint="curve")
        pen.line([*path, path[0]], fill=(*colour, 235), width=2 * OVERSAMPLE, joint="curve")
    return _merged(canvas, layer)


def _wash(layer: Image.Image, outline: Outline, colour: tuple[int, int, int]) -> None:
    """Tint the inside of a zone lightly; only the part of the layer that the zone covers is touched."""
    left, top = (int(v) for v in outline.points.min(axis=0) * OVERSAMPLE)
    right, bottom = (int(v) + 2 * OVERSAMPLE for v in outline.points.max(axis=0) * OVERSAMPLE)
    mask = Image.new("L", (right - left, bottom - top), 0)
    pen = ImageDraw.Draw(mask)
    pen.polygon([(x - left, y - top) for x, y in _path(outline.points)], fill=round(255 * WASH))
    for hole in outline.holes:
        pen.polygon([(x - left, y - top) for x, y in _path(hole)], fill=0)
    tint = Image.new("RGBA", mask.size, (*colour, 0))
    tint.putalpha(mask)
    layer.alpha_composite(tint, (left, top))


def _path(points: Points) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (points + 0.5) * OVERSAMPLE]


def _merged(canvas: Image.Image, layer: Image.Image) -> Image.Image:
    small = layer.resize(canvas.size, Image.Resampling.BOX)
    return Image.alpha_composite(canvas.convert("RGBA"), small).convert("RGB")


def _with_labels(canvas: Image.Image, labels: list[Label]) -> Image.Image:
    layer = Image.new("RGBA", (canvas.width * OVERSAMPLE, canvas.height * OVERSAMPLE), (255, 255, 255, 0))
    pen = ImageDraw.Draw(layer)
    font = ImageFont.load_default(size=round(BADGE * 1.15) * OVERSAMPLE)
    for label in labels:
        _draw_label(pen, canvas.width, label, font)
    return _merged(canvas, layer)


def _draw_label(
    pen: ImageDraw.ImageDraw,
    width: int,
    label: Label,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    """Draw one row of numbers in the margin and the line to its zone."""
    shown, k, y = label.cards[:3], OVERSAMPLE, label.row
    outward = -1 if label.side == "left" else 1
    inner = MARGIN - 16 - BADGE if label.side == "left" else width - MARGIN + 16 + BADGE
    colour = rgb(DOMAIN_COLOURS[shown[0].domain])
    x, target_y = float(label.target[0]), float(label.target[1])
    path = [((inner - outward * BADGE) * k, y * k), (x * k, target_y * k)]
    pen.line(path, fill=(255, 255, 255, 190), width=4 * k)
    pen.line(path, fill=(*colour, 255), width=2 * k)
    dot = [(x - 5) * k, (target_y - 5) * k, (x + 5) * k, (target_y + 5) * k]
    pen.ellipse(dot, fill=colour, outline="white", width=2 * k)
    for index, card in enumerate(shown):
        centre = inner + index * outward * (2 * BADGE + 4)
        edge = [(centre - BADGE) * k, (y - BADGE) * k, (centre + BADGE) * k, (y + BADGE) * k]
        pen.ellipse(edge, fill=rgb(DOMAIN_COLOURS[card.domain]))
        pen.text((centre * k, y * k), str(card.number), font=font, fill="white", anchor="mm")
