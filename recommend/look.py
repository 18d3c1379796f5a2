"""The adviser's front door: a photo in, a look out, nothing on the way.

``look`` reads a face, advises on it and draws on the photo. It opens no connection and writes no file; the
pictures it was given live only in the result. ``LookResult.to_json`` is the stable form for other programs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from faces.images import load_image
from recommend.adviser import MAX_CARDS, Card, Look, advise
from recommend.draw import annotate
from recommend.explain import Why
from recommend.feedback.taste import Taste
from recommend.knowledge.load import current
from recommend.knowledge.model import Language
from recommend.preferences import Preferences
from recommend.reading.geometry import Points
from recommend.reading.reading import Reading, Region, read_face
from recommend.reading.reference import reference_note, reference_table

if TYPE_CHECKING:
    from recommend.learnt import Hint

SCHEMA_VERSION = 1


@dataclasses.dataclass(frozen=True)
class LookResult:
    """What ``mien look`` shows: the reading, the look, and the photo with its zones, uint8 RGB [h, w, 3]."""

    reading: Reading
    look: Look
    annotated: NDArray[np.uint8]
    hints: tuple[Hint, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return everything but the pixels as plain data; the fields of one ``schema`` never change meaning."""
        learnt = {"hints": [dataclasses.asdict(hint) for hint in self.hints]} if self.hints else {}
        return {
            **learnt,
            "schema": SCHEMA_VERSION,
            "language": self.look.language,
            "reading": reading_to_json(self.reading),
            "look": {
                "minutes": self.look.minutes,
                "preferences": _preferences(self.look.preferences),
                "cards": [card_to_json(card) for card in self.look.cards],
            },
            "notices": notices_to_json(self.reading, self.look.language),
        }


def look(
    photo: Path | Sequence[Path] | bytes,
    *,
    preferences: Preferences | None = None,
    max_cards: int = MAX_CARDS,
    paper: Region | None = None,
    taste: Taste | None = None,
    model: Path | None = None,
) -> LookResult:
    """Read the face in one photo, or in several of the same person, and advise.

    ``paper`` marks white paper in the first photo as fractions (left, top, right, bottom); ``taste`` is what the
    person likes (``recommend.feedback``); ``model`` is a run folder whose federated model may bring a question
    forward (``recommend.learnt``), and do nothing else.

    Raises the image errors of ``faces.images`` and ``faces.landmarks`` (unreadable, too large, no face, several
    faces), MissingModelError without landmark weights, ConfigError for impossible preferences, and ModelError for
    a run without a model.
    """
    sources = [photo] if isinstance(photo, Path | bytes) else list(photo)
    images = [load_image(source) for source in sources]
    reading = read_face(images, paper=paper)
    advice = advise(reading, preferences, max_cards=max_cards, taste=taste)
    picture = images[reading.best]
    return LookResult(
        reading, advice, annotate(picture, advice, reading.points), _hints(model, picture, reading.points)
    )


def _hints(model: Path | None, picture: NDArray[np.uint8], points: Points) -> tuple[Hint, ...]:
    if model is None:
        return ()
    from recommend.learnt import hints  # torch takes seconds to load, and few have a model

    return hints(model, picture, points)


def reading_to_json(reading: Reading) -> dict[str, Any]:
    """Return a reading as plain data: no pixels, landmarks of the drawn photo only."""
    skin = reading.skin
    table = reference_table()
    return {
        "photos": len(reading.photos),
        "size": list(reading.photos[reading.best].size),
        "landmarks": np.round(reading.points, 2).tolist(),
        "pose": {k: round(v, 2) for k, v in dataclasses.asdict(reading.photos[reading.best].pose).items()},
        "reference": {"set": reference_note(), "people": max(row.people for row in table.values())},
        "measurements": {
            name: {
                "value": round(found.value, 4),
                "interval_90": [round(found.low, 4), round(found.high, 4)],
                "percentile": round(found.percentile, 1),
                "cuts": [round(cut, 4) for cut in found.cuts],
                "answer": found.answer,
                "probability": round(found.probability, 3),
                "undecided": list(found.undecided),
            }
            for name, found in reading.measurements.items()
            if not current().attribute(name).opt_in
        },
        "face_shape": {
            "answer": reading.shape_answer,
            "probabilities": {name: round(p, 3) for name, p in reading.shape.items()},
        },
        "skin": None
        if skin is None
        else {
            "ita": round(skin.ita, 1),
            "interval_90": [round(skin.ita_low, 1), round(skin.ita_high, 1)],
            "depth": {name: round(p, 3) for name, p in skin.depth.items()},
            "answer": reading.depth_answer,
            "undertone_suggestion": {name: round(p, 3) for name, p in skin.undertone.items()},
            "judged_by": skin.method,
        },
    }


def card_to_json(card: Card) -> dict[str, Any]:
    """Return one card as plain data, with the zones' outlines in pixels of the photo."""
    return {
        "number": card.number,
        "rank": card.rank,
        "rule": card.rule,
        "domain": card.domain,
        "title": card.title,
        "reason": card.reason,
        "steps": list(card.steps),
        "minutes": card.minutes,
        "tools": list(card.tools),
        "where": [
            {
                "zone": place.zone,
                "name": place.name,
                "text": place.where,
                "estimated_hairline": place.estimated,
                "outlines": [
                    {
                        "side": outline.side,
                        "points": np.round(outline.points, 1).tolist(),
                        "holes": [np.round(hole, 1).tolist() for hole in outline.holes],
                    }
                    for outline in place.outlines
                ],
            }
            for place in card.places
        ],
        "colours": [
            {
                "name": tint.name,
                "product": tint.swatch.hex,
                "on_skin": tint.swatch.on_hex,
                "bare": tint.swatch.own_hex,
                "dose": round(tint.swatch.dose, 2),
                "difference": round(tint.swatch.difference, 1),
            }
            for tint in card.colours
        ],
        "why": [_why(reason) for reason in card.why],
        "why_not": [dataclasses.asdict(other) for other in card.instead_of],
        "confidence": {"value": round(card.confidence, 3), "word": card.confidence_word},
        "evidence": {"grade": card.evidence, "word": card.evidence_word, "sources": list(card.sources)},
    }


def _why(reason: Why) -> dict[str, Any]:
    plain = {name: value for name, value in dataclasses.asdict(reason).items() if value is not None}
    return {
        k: round(v, 4) if isinstance(v, float) else list(v) if isinstance(v, tuple) else v
        for k, v in plain.items()
    }


def _preferences(preferences: Preferences) -> dict[str, Any]:
    return {**dataclasses.asdict(preferences), "confirmed": dict(preferences.confirmed)}


def notices_to_json(reading: Reading, language: Language) -> list[dict[str, Any]]:
    """Return what is to know about the drawn photo: code, value, sentence, what to do, what stays open."""
    wording = current().wording
    return [
        {
            "code": notice.code,
            "value": round(notice.value, 3),
            "text": wording[f"notice.{notice.code}"].into(language).format(value=abs(notice.value)),
            "next": wording[f"next.{notice.code}"].into(language),
            "blocks": list(notice.blocks),
        }
        for notice in reading.notices
    ]
