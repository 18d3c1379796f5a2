"""Everything that can be chosen or told, with its words, as the page shows it."""

from __future__ import annotations

import dataclasses
from typing import Any

from recommend.knowledge.load import current
from recommend.knowledge.model import DOMAINS, Answer, Attribute, Language
from recommend.palette import DOMAIN_COLOURS
from recommend.preferences import CHOICES, Preferences
from recommend.serve.limits import Limits

OWN_NAMES = {"zh": "中文", "en": "English"}


def options(language: Language, limits: Limits) -> dict[str, Any]:
    """Return the data of GET /options."""
    base = current()
    return {
        "language": language,
        "languages": [{"id": name, "name": own} for name, own in OWN_NAMES.items()],
        "defaults": {**dataclasses.asdict(Preferences(language=language)), "confirmed": {}},
        "choices": {name: answers(base.attribute(name), language) for name in CHOICES},
        "attributes": [_attribute(entry, language) for entry in base.attributes if entry.kind != "chosen"],
        "domains": [
            {
                "id": name,
                "name": base.wording[f"domain.{name}"].into(language),
                "colour": DOMAIN_COLOURS[name],
            }
            for name in DOMAINS
        ],
        "limits": {
            "photos": limits.photos,
            "photo_bytes": limits.photo_bytes,
            "photo_pixels": limits.photo_pixels,
            "frame_side": limits.frame_side,
            "idle_seconds": round(limits.idle_seconds),
        },
        "wording": {key: text.into(language) for key, text in base.wording.items()},
    }


def answers(attribute: Attribute, language: Language) -> list[dict[str, str]]:
    """Return the answers of an attribute as id and name."""
    return [_named(answer, language) for answer in attribute.answers]


def _named(answer: Answer, language: Language) -> dict[str, str]:
    return {"id": answer.id, "name": answer.names.into(language)}


def _attribute(entry: Attribute, language: Language) -> dict[str, Any]:
    return {
        "id": entry.id,
        "name": entry.names.into(language),
        "kind": entry.kind,
        "unit": entry.unit,
        "opt_in": entry.opt_in,
        "question": None if entry.question is None else entry.question.into(language),
        "answers": answers(entry, language),
    }
