"""A look on one page, to print and stand beside the mirror.

The page has no photo in it: the face is a line drawing of the landmarks, and the zones are hatched with a
pattern of their own for every part, so that it works in grey. It is one HTML file without scripts, without
anything from elsewhere, and with a policy that forbids both; a browser prints it to PDF.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jinja2
import numpy as np

from recommend.describe import Describer
from recommend.labels import WIDE_ZONES, Area, Label, UsedZone, place_labels, used_zones
from recommend.look import LookResult
from recommend.palette import DOMAIN_COLOURS, INK, LINE, PAPER
from recommend.reading.geometry import Points, estimated_hairline, frame_of
from recommend.sheet_template import TEMPLATE
from recommend.zones import curved

WIDTH, HEIGHT, MARGIN = 640.0, 700.0, 92.0
ROW, BADGE = 32.0, 13.0
TYPE_SIZES = (7.6, 7.2, 6.8, 6.4, 6.0, 5.6)  # points; a printed page takes the largest that fits

# The strokes of the drawing: runs of landmarks; closed ones return to their start.
STROKES = (
    (*range(17),), (*range(17, 22),), (*range(22, 27),), (*range(27, 31),), (*range(31, 36),),
    (*range(36, 42), 36), (*range(42, 48), 42), (*range(48, 60), 48), (*range(60, 68), 60),
)  # fmt: skip
HATCHES = {
    "base": (45, "line", 14), "blush": (-45, "line", 9), "contour": (90, "line", 7), "highlight": (0, "dots", 9),
    "brows": (60, "line", 6), "eyes": (-30, "line", 7), "lips": (0, "line", 7), "nose": (0, "cross", 10),
    "finish": (0, "dots", 13), "care": (0, "cross", 12),
}  # fmt: skip


def sheet(result: LookResult, type_size: float = 6.4) -> str:
    """Return the printable page of a look as one self-contained HTML document.

    ``type_size`` is the size of the printed text in points; everything printed follows it.
    """
    speak = Describer(result.look.language)
    tools = dict.fromkeys(tool for card in result.look.cards for tool in card.tools)
    page = jinja2.Environment(autoescape=True).from_string(TEMPLATE)
    return page.render(
        language=result.look.language,
        type_size=f"{type_size:.1f}pt",
        say=speak.say,
        places=speak.places,
        total=speak.total(result.look),
        summary=speak.summary(result.reading),
        notices=speak.notices(result.reading),
        reference=speak.reference(),
        shopping=speak.join(list(tools)),
        cards=result.look.cards,
        colours=DOMAIN_COLOURS,
        face=_face(result),
        paper=PAPER,
        ink=INK,
        line=LINE,
    )


def _face(result: LookResult) -> dict[str, Any]:
    """Return the drawing as plain shapes for the template."""
    move = _mover(result.reading.points)
    points = move(result.reading.points)
    zones = [
        UsedZone(
            zone.cards,
            tuple(
                dataclasses.replace(o, points=move(o.points), holes=tuple(move(hole) for hole in o.holes))
                for o in zone.outlines
            ),
        )
        for zone in used_zones(result.look)
    ]
    shown = {zone.cards[0].domain for zone in zones}
    labels = place_labels(zones, Area(MARGIN, 0, WIDTH - MARGIN, HEIGHT), ROW)
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "lines": [_path(curved(points[list(stroke)])) for stroke in STROKES],
        "hatches": [_hatch(domain) for domain in HATCHES if domain in shown],
        "zones": [
            {
                "path": " ".join(f"{_path(edge)} Z" for edge in (outline.points, *outline.holes)),
                "domain": zone.cards[0].domain,
                "colour": DOMAIN_COLOURS[zone.cards[0].domain],
                "wide": outline.zone in WIDE_ZONES,
            }
            for zone in zones
            for outline in zone.outlines
        ],
        "labels": [_label(label) for label in labels],
    }


def _mover(points: Points) -> Any:
    """Return the map from the photo to the drawing: upright, between the margins, as large as it fits."""
    frame = frame_of(points)
    turn = np.stack([frame.right, -frame.up])
    upright = (np.vstack([points, estimated_hairline(points) + frame.up * 0.35 * frame.unit])) @ turn.T
    low, high = upright.min(axis=0), upright.max(axis=0)
    room = np.array([WIDTH - 2 * MARGIN - 16, HEIGHT - 16])
    scale = float(np.min(room / (high - low)))
    middle = np.array([WIDTH, HEIGHT]) / 2
    return lambda edge: (np.asarray(edge) @ turn.T - (low + high) / 2) * scale + middle


def _path(points: Points) -> str:
    return "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _hatch(domain: str) -> dict[str, Any]:
    angle, kind, step = HATCHES[domain]
    half = step / 2
    path = {
        "line": f"M0 {half} H{step}",
        "dots": f"M{half - 0.8} {half} h1.6",
        "cross": f"M0 {half} H{step} M{half} 0 V{step}",
    }[kind]
    width = 2.2 if kind == "dots" else 1.1
    return {
        "domain": domain,
        "angle": angle,
        "step": step,
        "path": path,
        "width": width,
        "colour": DOMAIN_COLOURS[domain],
    }


def _label(label: Label) -> dict[str, Any]:
    left = label.side == "left"
    first = MARGIN - 14 - BADGE if left else WIDTH - MARGIN + 14 + BADGE
    step = -(2 * BADGE + 2) if left else 2 * BADGE + 2
    return {
        "x": round(first + (BADGE if left else -BADGE), 1),
        "y": round(label.row, 1),
        "tx": round(float(label.target[0]), 1),
        "ty": round(float(label.target[1]), 1),
        "colour": DOMAIN_COLOURS[label.cards[0].domain],
        "numbers": [
            {"x": round(first + i * step, 1), "number": card.number, "colour": DOMAIN_COLOURS[card.domain]}
            for i, card in enumerate(label.cards[:3])
        ],
    }
