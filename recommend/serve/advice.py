"""From a held reading to the answers of /reading and /look."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommend.adjust import with_hairline, with_landmarks
from recommend.adviser import STARTERS, Look, advise
from recommend.describe import Describer
from recommend.feedback.taste import Taste
from recommend.knowledge.load import current
from recommend.knowledge.model import Language
from recommend.look import LookResult, notices_to_json, reading_to_json
from recommend.reading.geometry import Points, estimated_hairline
from recommend.reading.reading import Reading
from recommend.serve.opinions import Applied
from recommend.serve.options import answers
from recommend.serve.requests import LookRequest

_NO_PICTURE: NDArray[np.uint8] = np.zeros((0, 0, 3), dtype=np.uint8)


def told(name: str, reading: Reading, language: Language) -> dict[str, Any]:
    """Return the data of POST /reading."""
    return {
        "id": name,
        "reading": reading_to_json(reading),
        "hairline": _pair(estimated_hairline(reading.points)),
        "summary": Describer(language).summary(reading),
        "notices": notices_to_json(reading, language),
    }


def look_at(
    reading: Reading, request: LookRequest, language: Language, taste: Taste | None = None
) -> LookResult:
    """Advise on a reading as the person corrected it; the page draws the zones, so no picture is made.

    Raises ConfigError for choices that are not known, or landmarks that are no face.
    """
    preferences = request.preferences.preferences(language)
    moved = request.points()
    if moved is not None:
        reading = with_landmarks(reading, moved)
    look: Look = advise(reading, preferences, max_cards=request.max_cards, taste=taste)
    if request.hairline is not None:
        look = with_hairline(look, reading.points, np.array(request.hairline))
    return LookResult(reading, look, _NO_PICTURE)


def shown(result: LookResult, request: LookRequest, taste: Applied = "none") -> dict[str, Any]:
    """Return the data of POST /look."""
    language = result.look.language
    speak = Describer(language)
    data = result.to_json()
    for card in data["look"]["cards"]:
        card["starred"] = card["rank"] <= STARTERS
    if request.hairline is None:
        hairline = _pair(estimated_hairline(result.reading.points))
    else:
        hairline = list(request.hairline)
    return {
        **data,
        "hairline": hairline,
        "taste": taste,
        "summary": speak.summary(result.reading),
        "questions": [
            {
                "attribute": attribute.id,
                "text": "" if attribute.question is None else attribute.question.into(language),
                "answers": answers(attribute, language),
            }
            for attribute in map(current().attribute, speak.open_questions(result))
        ],
    }


def _pair(point: Points) -> list[float]:
    return [round(float(value), 2) for value in point]
