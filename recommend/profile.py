"""What the rules are asked about: one belief for every attribute, from a photo, the person, or a choice."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

from recommend.knowledge.model import Condition, KnowledgeBase, Rule
from recommend.preferences import CHOICES, Preferences
from recommend.reading.reading import DEPTH_SURE, SHAPE_SURE, Reading

Origin = Literal["photo", "told", "chosen"]


@dataclasses.dataclass(frozen=True)
class Belief:
    """What is believed of one attribute.

    ``answer`` is None while undecided. ``likely`` gives the probability of each answer where there are any
    (a photo's estimates), and ``sure`` from which sum on a set of answers counts as true; 0 means that only
    ``answer`` counts.
    """

    answer: str | None
    origin: Origin
    probability: float = 1.0
    likely: Mapping[str, float] = dataclasses.field(default_factory=dict)
    sure: float = 0.0

    def holds(self, any_of: tuple[str, ...]) -> float:
        """Return how likely it is that the answer is one of these, or 0 when that is not decided."""
        if self.sure and self.origin == "photo":
            together = sum(self.likely.get(name, 0.0) for name in any_of)
            # One answer alone must also have been decided: its lead over the next one matters.
            if together < self.sure or (len(any_of) == 1 and self.answer != any_of[0]):
                return 0.0
            return together
        return self.probability if self.answer in any_of else 0.0


@dataclasses.dataclass(frozen=True)
class Profile:
    """All beliefs about one person for one look, the minutes there are, and whether the nose may be named."""

    beliefs: Mapping[str, Belief]
    minutes: float
    nose: bool = False

    def says(self, attribute: str, answer: str) -> bool:
        """Say whether the person told or chose exactly this."""
        belief = self.beliefs.get(attribute)
        return belief is not None and belief.answer == answer

    def confidence(self, rule: Rule) -> float:
        """Return how likely all conditions of a rule hold (their product); 0 when one is not decided."""
        confidence = 1.0
        for condition in rule.when:
            confidence *= self._holds(condition)
        return confidence

    def _holds(self, condition: Condition) -> float:
        if condition.at_most is not None:
            return 1.0 if self.minutes <= condition.at_most else 0.0
        belief = self.beliefs.get(condition.attribute)
        return 0.0 if belief is None else belief.holds(condition.any_of)


def profile_of(reading: Reading, preferences: Preferences, knowledge: KnowledgeBase) -> Profile:
    """Bring together what was read, told and chosen; what the person told outweighs what a photo said."""
    beliefs: dict[str, Belief] = {
        name: Belief(found.answer, "photo", found.probability) for name, found in reading.measurements.items()
    }
    beliefs["face_shape"] = Belief(
        reading.shape_answer, "photo", max(reading.shape.values()), dict(reading.shape), SHAPE_SURE
    )
    if reading.shape_answer is None:
        beliefs["face_shape"] = dataclasses.replace(beliefs["face_shape"], likely={})
    if reading.skin is not None:
        light = {need for notice in reading.notices for need in notice.blocks}
        likely = {} if light & {"lit", "even_light"} else dict(reading.skin.depth)
        beliefs["skin_depth"] = Belief(
            reading.depth_answer, "photo", max(reading.skin.depth.values()), likely, DEPTH_SURE
        )
        # One photo never decides the undertone; the light would decide it.
        beliefs["undertone"] = Belief(None, "photo", 0.0, {}, 1.0)
    for name in CHOICES:
        value = getattr(preferences, name)
        if value is not None:
            beliefs[name] = Belief(value, "chosen")
    for name, answer in preferences.confirmed.items():
        beliefs[name] = Belief(answer, "told")
    known = {attribute.id for attribute in knowledge.attributes}
    return Profile({k: v for k, v in beliefs.items() if k in known}, preferences.minutes, preferences.nose)
