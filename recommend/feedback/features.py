"""What the learner sees of a card: about the rule and the situation, never about the face.

A row is a mapping feature → value, in about [−1, 1], with zeros left out; ``vector`` puts it in the order of
``faces.feedback.FEATURES``. The rows are kept with each like, so they stay readable when a rule is edited.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faces.feedback import FEATURES
from recommend.knowledge.model import KnowledgeBase, Rule
from recommend.preferences import Preferences
from recommend.profile import Profile

FESTIVE, WORK = ("evening", "wedding"), ("office", "video_call")
HURRY = 10.0  # minutes up to which somebody is in a hurry

_MOST_VISIBLE, _MOST_MINUTES, _MOST_TOOLS = 24.0, 3.0, 4.0


@dataclasses.dataclass(frozen=True, order=True)
class Situation:
    """What a look was for, as the person chose it."""

    occasion: str = "day"
    style: str = "natural"
    minutes: float = 20.0

    @classmethod
    def of(cls, wishes: Preferences | Profile) -> Situation:
        """Return the situation of some preferences, or of the profile made of them."""
        if isinstance(wishes, Preferences):
            return cls(wishes.occasion, wishes.style, float(wishes.minutes))
        usual = cls()
        told = {
            name: belief.answer
            for name in ("occasion", "style")
            if (belief := wishes.beliefs.get(name)) is not None and belief.answer is not None
        }
        return cls(
            told.get("occasion", usual.occasion), told.get("style", usual.style), float(wishes.minutes)
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return dataclasses.asdict(self)


def features_of(rule: Rule, situation: Situation, knowledge: KnowledgeBase) -> dict[str, float]:
    """Return the features of a rule in a situation that are not zero."""
    recipes = [knowledge.recipe(name) for name in rule.colours]
    finishes, directions = {recipe.finish for recipe in recipes}, {recipe.direction for recipe in recipes}
    visible = min(max((recipe.visible for recipe in recipes), default=0.0) / _MOST_VISIBLE, 1.0)
    minutes = min(rule.minutes / _MOST_MINUTES, 1.0)
    festive, work = situation.occasion in FESTIVE, situation.occasion in WORK
    kinds = {knowledge.attribute(condition.attribute).kind for condition in rule.when}
    row = {
        rule.domain: 1.0,
        **{name: float(name in finishes) for name in ("matte", "satin", "shimmer", "sheer")},
        **{name: float(name in directions) for name in ("lighten", "darken", "colour")},
        "visible": visible,
        "minutes": minutes,
        "practice": (rule.skill - 1) / 2,
        "tools": min(len(rule.tools) / _MOST_TOOLS, 1.0),
        "measured": float(bool(kinds & {"measured", "estimated"})),
        "evidence": {"A": 1.0, "B": 0.5, "C": 0.0}[rule.evidence],
        "shaping": float(rule.shaping),
        "visible festive": visible * festive,
        "visible work": visible * work,
        "shimmer festive": float("shimmer" in finishes and festive),
        "minutes hurry": minutes * (situation.minutes <= HURRY),
        "visible natural": visible * (situation.style == "natural"),
        "visible glam": visible * (situation.style == "glam"),
    }
    return {name: value for name, value in row.items() if value and name in FEATURES}


def vector(row: Mapping[str, float]) -> NDArray[np.float64]:
    """Return a row as float64 [F]; features that this version does not know are left out."""
    return np.array([row.get(name, 0.0) for name in FEATURES])
