"""The adviser: from a reading and preferences to a look, a short ordered list of explained cards.

Every card says where (zones), how (steps), in which colours (for this person's skin), how long, why (value,
interval, percentile and rule), what was not chosen, how sure it is and how good its evidence is. Cards are
numbered in the order in which they are put on; ``rank`` says which matter most.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from recommend.colour import Lab
from recommend.explain import Why, why, why_there
from recommend.feedback.taste import Taste
from recommend.knowledge.load import current
from recommend.knowledge.model import KnowledgeBase, Language, Recipe, Rule
from recommend.preferences import Preferences
from recommend.profile import Profile, profile_of
from recommend.reading.geometry import Points
from recommend.reading.reading import Reading
from recommend.reading.skin import SkinReading
from recommend.recipes import Swatch, resolve
from recommend.selection import Choice, in_order, select
from recommend.zones import Outline, outlines

MAX_CARDS = 14
STARTERS = 3  # cards with a star: the ones to begin with


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a card goes: the zone, its name, the sentence that finds it without a picture, and its outlines."""

    zone: str
    name: str
    where: str
    estimated: bool
    outlines: tuple[Outline, ...]


@dataclasses.dataclass(frozen=True)
class Tint:
    """A colour of a card: its name for the person and the swatch."""

    name: str
    swatch: Swatch


@dataclasses.dataclass(frozen=True)
class Alternative:
    """A rule that also held but was not shown, and why not."""

    rule: str
    title: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Card:
    """One piece of advice, in one language."""

    number: int
    rank: int
    rule: str
    domain: str
    domain_name: str
    title: str
    reason: str
    places: tuple[Place, ...]
    steps: tuple[str, ...]
    colours: tuple[Tint, ...]
    tools: tuple[str, ...]
    minutes: float
    why: tuple[Why, ...]
    instead_of: tuple[Alternative, ...]
    confidence: float
    confidence_word: str
    evidence: str
    evidence_word: str
    sources: tuple[str, ...]

    @property
    def starred(self) -> bool:
        """Whether it is one of the cards to begin with."""
        return self.rank <= STARTERS


@dataclasses.dataclass(frozen=True)
class Look:
    """All the advice for one person and one occasion, in one language."""

    language: Language
    cards: tuple[Card, ...]
    minutes: float
    preferences: Preferences


def advise(
    reading: Reading,
    preferences: Preferences | None = None,
    *,
    max_cards: int = MAX_CARDS,
    knowledge: KnowledgeBase | None = None,
    taste: Taste | None = None,
) -> Look:
    """Advise on a reading. Any readable face with the default preferences gets at least ten cards.

    With a ``taste`` (``recommend.feedback.store.Feedback.taste``) what the person likes comes sooner, and what they
    said is not for them is left out.
    """
    wanted, base = preferences or Preferences(), knowledge or current()
    profile = profile_of(reading, wanted, base)
    return look_for(
        profile, wanted, base, reading=reading, points=reading.points, max_cards=max_cards, taste=taste
    )


def look_for(
    profile: Profile,
    preferences: Preferences,
    knowledge: KnowledgeBase,
    *,
    reading: Reading | None = None,
    points: Points | None = None,
    max_cards: int = MAX_CARDS,
    taste: Taste | None = None,
) -> Look:
    """Advise on a profile; without a reading the cards have no figures, colours or outlines."""
    chosen = select(knowledge, profile, max_cards, taste)
    rank = {choice.rule.id: index + 1 for index, choice in enumerate(_by_importance(chosen))}
    author = _Author(knowledge, preferences.language, profile, reading, points)
    cards = tuple(
        author.card(choice, number, rank[choice.rule.id])
        for number, choice in enumerate(in_order(chosen), start=1)
    )
    return Look(preferences.language, cards, sum(card.minutes for card in cards), preferences)


def _by_importance(chosen: Sequence[Choice]) -> list[Choice]:
    """Safety first; then what rests on this face or on what was told; then what suits everybody."""
    safety = [choice for choice in chosen if choice.rule.group.startswith("care-safety")]
    wearing = [c for c in chosen if c not in safety and c.rule.zones]
    rest = [c for c in chosen if c not in safety and c not in wearing]
    return [*safety, *sorted(wearing, key=lambda c: (-c.score, c.rule.id)), *rest]


@dataclasses.dataclass(frozen=True)
class _Author:
    """Writes cards in one language for one person."""

    knowledge: KnowledgeBase
    language: Language
    profile: Profile
    reading: Reading | None
    points: Points | None
    swatches: dict[str, Swatch] = dataclasses.field(default_factory=dict)

    def card(self, choice: Choice, number: int, rank: int) -> Card:
        rule, language = choice.rule, self.language
        titles = {source.id: source.title for source in self.knowledge.sources}
        return Card(
            number=number,
            rank=rank,
            rule=rule.id,
            domain=rule.domain,
            domain_name=self.say(f"domain.{rule.domain}"),
            title=rule.title.into(language),
            reason=rule.reason.into(language),
            places=tuple(self.place(name) for name in rule.zones),
            steps=rule.steps.into(language),
            colours=self.tints(rule),
            tools=tuple(self.say(f"tool.{tool}") for tool in rule.tools),
            minutes=rule.minutes,
            why=(
                *why(rule, self.profile, self.reading, self.knowledge, language),
                *why_there(rule, choice.judgement, self.knowledge, language),
            ),
            instead_of=tuple(
                Alternative(other.id, other.title.into(language), self.say(f"not.{reason}"))
                for other, reason in choice.instead_of
            ),
            confidence=choice.confidence,
            confidence_word=self.say(f"confidence.{self.sureness(rule, choice.confidence)}"),
            evidence=rule.evidence,
            evidence_word=self.say(f"evidence.{rule.evidence}"),
            sources=tuple(titles[source] for source in rule.sources),
        )

    def say(self, key: str) -> str:
        return self.knowledge.wording[key].into(self.language)

    def place(self, name: str) -> Place:
        zone = self.knowledge.zone(name)
        drawn = () if self.points is None else tuple(outlines(zone, self.points))
        language = self.language
        return Place(name, zone.names.into(language), zone.where.into(language), zone.needs_hairline, drawn)

    def tints(self, rule: Rule) -> tuple[Tint, ...]:
        if self.reading is None or self.reading.skin is None:
            return ()
        recipes = [self.knowledge.recipe(name) for name in rule.colours]
        return tuple(
            Tint(recipe.names.into(self.language), self.swatch(recipe, self.reading.skin))
            for recipe in recipes
        )

    def swatch(self, recipe: Recipe, skin: SkinReading) -> Swatch:
        # Cards share recipes; each is solved once a look.
        if recipe.id not in self.swatches:
            own: dict[str, Lab] = {"skin": skin.skin, "lips": skin.lips, "brows": skin.brows}
            self.swatches[recipe.id] = resolve(recipe, own[recipe.base])
        return self.swatches[recipe.id]

    def sureness(self, rule: Rule, confidence: float) -> str:
        if not rule.when:
            return "always"
        origins = {self.profile.beliefs[c.attribute].origin for c in rule.when if c.attribute != "minutes"}
        if "photo" not in origins:
            return "told" if "told" in origins else "chosen"
        return "sure" if confidence >= 0.9 else "likely" if confidence >= 0.7 else "even"
