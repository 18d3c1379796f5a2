"""People who do not exist, with tastes in makeup advice: what the learner is measured on.

The model was written down before the learner was measured, and it is not the learner's. A person has one of five
leanings and departs from it at random. What they make of a card is

* how far its visibility is from their own ideal, *squared* (the ideal is higher on festive occasions),
* a like or dislike of each part of the face, and of shimmer, by occasion,
* impatience: cards *longer than their patience* lose, more so in a hurry,
* zero to three *tools* that they cannot stand, which the learner never sees,
* a whim for each technique group and each single rule, normal and independent,
* nothing of the knowledge base's own score: it says what fits a face, not what is liked.

An opinion is drawn from the logistic curve of that utility, so it contradicts the person's own taste now and
then (the benchmark prints how often). A person's face is fixed; occasion, style and minutes change by session.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from recommend.feedback.features import FESTIVE, HURRY, Situation
from recommend.knowledge.coverage import default_profile
from recommend.knowledge.model import DOMAINS, KnowledgeBase, Rule
from recommend.profile import Belief, Profile

LEANINGS = ("minimal", "classic", "glam", "playful", "practical")
SHARES = (0.30, 0.25, 0.15, 0.15, 0.15)
_IDEAL = dict(zip(LEANINGS, (0.12, 0.30, 0.65, 0.50, 0.25), strict=True))
_SHIMMER = dict(zip(LEANINGS, (-0.8, -0.2, 1.0, 0.8, -0.4), strict=True))
_PATIENCE = dict(zip(LEANINGS, (1.0, 1.5, 2.5, 2.0, 0.7), strict=True))  # minutes
_PARTS: dict[str, dict[str, float]] = {
    "minimal": {"base": 0.6, "brows": 0.8, "lips": 0.3, "contour": -1.2, "eyes": -0.4, "highlight": -0.5},
    "classic": {"lips": 0.7, "base": 0.5, "brows": 0.3, "contour": -0.3, "highlight": -0.2},
    "glam": {"eyes": 0.9, "contour": 0.8, "highlight": 0.8, "brows": -0.2, "base": -0.2},
    "playful": {"blush": 0.8, "eyes": 0.7, "lips": 0.4, "base": -0.6, "contour": -0.6},
    "practical": {"base": 0.4, "finish": 0.7, "brows": 0.5, "contour": -0.9, "eyes": -0.6},
}
_OCCASIONS = ("day", "office", "evening", "wedding", "video_call", "sport")
_STYLES = ("natural", "groomed", "glam", "kbeauty", "sunkissed")
SHARPNESS = 1.6  # of opinions: larger contradicts the taste less often
LEVEL = -0.12  # so that half of all cards are liked


@dataclasses.dataclass(frozen=True)
class Person:
    """One simulated person; ``random`` draws their opinions and situations."""

    leaning: str
    ideal: float
    shimmer: float
    patience: float
    parts: dict[str, float]
    disliked_tools: frozenset[str]
    groups: dict[str, float]
    rules: dict[str, float]
    level: float
    face: Profile
    random: np.random.Generator

    def utility(self, rule: Rule, situation: Situation, knowledge: KnowledgeBase) -> float:
        """Return what this person makes of a card; above 0 they like it."""
        recipes = [knowledge.recipe(name) for name in rule.colours]
        visible = max((recipe.visible for recipe in recipes), default=0.0) / 24.0
        festive = situation.occasion in FESTIVE
        value = self.level + self.parts.get(rule.domain, 0.0)
        if recipes:
            value += 0.6 - 5.0 * (visible - self.ideal - 0.2 * festive) ** 2
        if any(recipe.finish == "shimmer" for recipe in recipes):
            value += self.shimmer * (1.5 if festive else 0.7)
        patience = self.patience * (0.6 if situation.minutes <= HURRY else 1.0)
        value -= 0.8 * max(0.0, rule.minutes - patience)
        value -= 0.9 * len(self.disliked_tools.intersection(rule.tools))
        return value + self.groups[rule.group] + self.rules[rule.id]

    def likes(self, rule: Rule, situation: Situation, knowledge: KnowledgeBase) -> bool:
        """Draw an opinion."""
        utility = self.utility(rule, situation, knowledge)
        return bool(self.random.random() < 1.0 / (1.0 + np.exp(-2.0 * SHARPNESS * utility)))

    def session(self) -> tuple[Situation, Profile]:
        """Draw an occasion, and return it with the person's own face."""
        occasion = str(self.random.choice(_OCCASIONS, p=(0.35, 0.25, 0.15, 0.05, 0.12, 0.08)))
        style = str(self.random.choice(_STYLES, p=(0.45, 0.2, 0.15, 0.1, 0.1)))
        minutes = float(self.random.choice([5.0, 10.0, 20.0, 30.0], p=(0.15, 0.25, 0.4, 0.2)))
        beliefs = dict(self.face.beliefs)
        beliefs["occasion"], beliefs["style"] = Belief(occasion, "chosen"), Belief(style, "chosen")
        return Situation(occasion, style, minutes), Profile(beliefs, minutes)


def population(size: int, seed: int, knowledge: KnowledgeBase) -> list[Person]:
    """Draw people; the same size and seed give the same ones."""
    return [_person(np.random.default_rng([seed, number]), knowledge) for number in range(size)]


def _person(random: np.random.Generator, knowledge: KnowledgeBase) -> Person:
    leaning = str(random.choice(LEANINGS, p=SHARES))
    tools = sorted({tool for rule in knowledge.rules for tool in rule.tools})
    return Person(
        leaning=leaning,
        ideal=float(np.clip(_IDEAL[leaning] + random.normal(0, 0.12), 0, 1)),
        shimmer=_SHIMMER[leaning] + float(random.normal(0, 0.5)),
        patience=_PATIENCE[leaning] * float(np.exp(random.normal(0, 0.3))),
        parts={part: _PARTS[leaning].get(part, 0.0) + float(random.normal(0, 0.5)) for part in DOMAINS},
        disliked_tools=frozenset(random.choice(tools, int(random.integers(0, 4)), replace=False).tolist()),
        groups={group: float(random.normal(0, 0.3)) for group in sorted({r.group for r in knowledge.rules})},
        rules={rule.id: float(random.normal(0, 0.4)) for rule in knowledge.rules},
        level=LEVEL + float(random.normal(0, 0.3)),
        face=default_profile(knowledge, random),
        random=random,
    )
