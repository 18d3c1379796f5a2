"""Where the numbers of a picture stand: in the margins, near their zones, without crossing each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np

from recommend.adviser import Card, Look
from recommend.reading.geometry import Points
from recommend.zones import Outline

WIDE_ZONES = frozenset({"base_lower", "forehead", "beard_shadow"})  # drawn as a line only
THIN_AREA = 0.004  # of the picture's height squared: thinner zones are pointed at on their edge
MIDDLE = 0.08  # of the picture's width: nearer to the middle a line would cross the face


@dataclasses.dataclass(frozen=True)
class Area:
    """The picture between the margins, in drawn pixels."""

    left: float
    top: float
    right: float
    bottom: float


@dataclasses.dataclass(frozen=True)
class UsedZone:
    """One zone of a look with the cards that use it, in the order of their numbers."""

    cards: tuple[Card, ...]
    outlines: tuple[Outline, ...]


@dataclasses.dataclass(frozen=True)
class Label:
    """The numbers of one zone: in which margin, at which height, and where the line to the zone ends."""

    cards: tuple[Card, ...]
    side: Literal["left", "right"]
    row: float
    target: Points


def used_zones(look: Look) -> list[UsedZone]:
    """Return every zone of a look once, the largest first so that small ones are drawn on top."""
    users: dict[str, list[Card]] = {}
    outlines: dict[str, tuple[Outline, ...]] = {}
    for card in look.cards:
        for place in card.places:
            users.setdefault(place.zone, []).append(card)
            outlines[place.zone] = place.outlines
    drawn = [zone for zone in outlines if outlines[zone]]
    drawn.sort(key=lambda zone: -max(outline.area for outline in outlines[zone]))
    return [UsedZone(tuple(users[zone]), outlines[zone]) for zone in drawn]


def place_labels(zones: Sequence[UsedZone], area: Area, gap: float) -> list[Label]:
    """Give every zone a row in the left or the right margin, both about equally full, ``gap`` apart."""
    sides: dict[Literal["left", "right"], list[tuple[UsedZone, Points]]] = {"left": [], "right": []}
    for zone in sorted(zones, key=lambda used: float(used.outlines[0].centre[1])):
        side: Literal["left", "right"] = "left" if len(sides["left"]) <= len(sides["right"]) else "right"
        sides[side].append((zone, _target(zone, side, area)))
    labels = []
    for side, mine in sides.items():
        mine.sort(key=lambda pair: float(pair[1][1]))
        rows = spread(
            [float(target[1]) for _, target in mine], area.top + gap / 2, area.bottom - gap / 2, gap
        )
        labels += [
            Label(zone.cards, side, row, target) for (zone, target), row in zip(mine, rows, strict=True)
        ]
    return labels


def _target(zone: UsedZone, side: Literal["left", "right"], area: Area) -> Points:
    """Return where the line to a zone ends: inside a large one, on the near edge of a thin or middle one."""
    sign = 1 if side == "left" else -1
    outline = min(zone.outlines, key=lambda o: float(o.centre[0]) * sign)
    width, height = area.right - area.left, area.bottom - area.top
    aside = abs(float(outline.centre[0]) - (area.left + area.right) / 2) > MIDDLE * width
    if aside and outline.zone not in WIDE_ZONES and outline.area > THIN_AREA * height**2:
        return outline.centre
    return np.asarray(outline.points[int(np.argmin(outline.points[:, 0] * sign))])


def spread(wanted: Sequence[float], low: float, high: float, gap: float) -> list[float]:
    """Move sorted heights at least ``gap`` apart (less when there is no room), near where they were."""
    count = len(wanted)
    if count < 2:
        return [min(max(y, low), high) for y in wanted]
    room = min(gap, (high - low) / (count - 1))
    # Shifted by their rank the heights only have to be non-decreasing: pool neighbours that are not.
    pools: list[list[float]] = []
    for index, y in enumerate(wanted):
        pools.append([y - index * room])
        while len(pools) > 1 and np.mean(pools[-2]) > np.mean(pools[-1]):
            pools[-2].extend(pools.pop())
    flat = [float(np.mean(pool)) for pool in pools for _ in pool]
    top = high - (count - 1) * room
    return [min(max(y, low), top) + index * room for index, y in enumerate(flat)]
