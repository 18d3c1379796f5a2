"""What the knowledge base is made of: the types of its JSON files.

attributes.json  what can be known of a face, or asked, or chosen, and the answers each can have
zones.json       where something can go on a face, in terms of landmarks
recipes.json     colours relative to the person's own skin, lips or brows
sources.json     where a convention or a fact comes from
rules/*.json     one file a domain: when, where, how, with what, how long, and why
wording.json     the sentences around them: labels, explanations, notices

An artist edits these files; ``mien kb check`` (``recommend.knowledge.validate``) says what does not fit.
Every text is there in English and in Chinese. ``schema()`` gives the JSON Schema of each file.
"""

from __future__ import annotations

import functools
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from typing_extensions import TypeAliasType

Language = Literal["en", "zh"]
Domain = Literal["base", "blush", "contour", "highlight", "brows", "eyes", "lips", "nose", "finish", "care"]
DOMAINS: tuple[Domain, ...] = (
    "base", "blush", "contour", "highlight", "brows", "eyes", "lips", "nose", "finish", "care",
)  # fmt: skip
"""In the order in which they are put on."""

Need = Literal["facing", "eyes_open", "mouth_closed", "sharp", "even_light", "lit", "forehead_seen"]

Landmark = int
Place = TypeAliasType(
    "Place",
    "int | Literal['H'] | tuple[Literal['lerp'], Place, Place, float] "
    "| tuple[Literal['up', 'out'], Place, float]",
)


class Entry(BaseModel):
    """Anything in the knowledge base: unknown fields are refused, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(Entry):
    """One text in both languages."""

    en: str = Field(min_length=1)
    zh: str = Field(min_length=1)

    def into(self, language: Language) -> str:
        """Return the text in one language."""
        return self.en if language == "en" else self.zh


class Steps(Entry):
    """The same steps in both languages."""

    en: tuple[str, ...] = Field(min_length=1, max_length=5)
    zh: tuple[str, ...] = Field(min_length=1, max_length=5)

    def into(self, language: Language) -> tuple[str, ...]:
        """Return the steps in one language."""
        return self.en if language == "en" else self.zh


class Answer(Entry):
    """One answer an attribute can have. ``confirm_only``: a photo never says it, a person may."""

    id: str
    names: Text
    confirm_only: bool = False


class Attribute(Entry):
    """Something that a rule can ask about.

    *measured*: a measure of the landmarks; its three answers are low, middle and high in the reference.
    *estimated*: probabilities from a photo. *asked*: only the person knows. *chosen*: a preference.
    """

    id: str
    kind: Literal["measured", "estimated", "asked", "chosen"]
    names: Text
    answers: tuple[Answer, ...] = ()
    formula: str | None = None
    unit: Literal["ratio", "degrees", "minutes"] | None = None
    needs: tuple[Need, ...] = ()
    question: Text | None = None
    opt_in: bool = False


class Zone(Entry):
    """A place on a face; see ``recommend.zones`` for its operators. Widths and radii are eye distances."""

    id: str
    names: Text
    where: Text
    kind: Literal["polygon", "ellipse", "polyline"]
    sides: Literal["both", "mid"]
    needs_hairline: bool = False
    points: tuple[Place, ...] = ()
    width: float = Field(default=0.0, ge=0, le=0.3)
    holes: tuple[tuple[Place, ...], ...] = ()
    centre: Place = 30
    radii: tuple[float, float] = (0.0, 0.0)
    tilted: bool = False


class Channel(Entry):
    """How one channel of a colour follows from the person's own: set, else times then add; then clamped."""

    set: float | None = None
    times: float = 1.0
    add: float = 0.0
    at_least: float | None = None
    at_most: float | None = None

    def of(self, own: float) -> float:
        """Return the channel for a person whose own value is ``own``."""
        value = self.set if self.set is not None else own * self.times + self.add
        if self.at_least is not None:
            value = max(value, self.at_least)
        return value if self.at_most is None else min(value, self.at_most)


class Recipe(Entry):
    """A colour for anybody: a change of the person's own colour, and how visible it should be.

    ``visible`` is the CIEDE2000 between the bare and the made-up place that the dose is solved for.
    ``direction`` says what it does to the place; two cards never pull one place in opposite directions.
    """

    id: str
    names: Text
    base: Literal["skin", "lips", "brows"] = "skin"
    lightness: Channel = Channel()
    chroma: Channel = Channel()
    hue: Channel = Channel()
    visible: float = Field(ge=0, le=40)
    direction: Literal["lighten", "darken", "colour", "match"]
    finish: Literal["matte", "satin", "shimmer", "sheer", "any"] = "any"


class Source(Entry):
    """Where something comes from: a page, a paper, or the project's own measurement."""

    id: str
    title: str
    url: str | None = None
    kind: Literal["artist", "paper", "data", "practice", "principle"]


class Condition(Entry):
    """The attribute has one of these answers, or, for minutes, is at most that many."""

    attribute: str
    any_of: tuple[str, ...] = ()
    at_most: float | None = None


class Rule(Entry):
    """One piece of advice.

    ``group``: of one group only one card is shown, the others are named as not chosen. ``weight`` orders
    rules that fit equally well. ``shaping`` rules play with proportions; they are withheld from minors.
    """

    id: str
    domain: Domain
    group: str
    title: Text
    when: tuple[Condition, ...] = ()
    zones: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    steps: Steps
    reason: Text
    tools: tuple[str, ...] = ()
    minutes: float = Field(ge=0, le=15)
    skill: Literal[1, 2, 3] = 1
    weight: float = Field(default=1.0, ge=0, le=5)
    evidence: Literal["A", "B", "C"]
    sources: tuple[str, ...] = Field(min_length=1)
    conflicts: tuple[str, ...] = ()
    shaping: bool = False
    opt_in: bool = False


class KnowledgeBase(Entry):
    """All of it, read and typed, not yet proven: ``recommend.knowledge.validate`` does that."""

    attributes: tuple[Attribute, ...]
    zones: tuple[Zone, ...]
    recipes: tuple[Recipe, ...]
    sources: tuple[Source, ...]
    rules: tuple[Rule, ...]
    wording: dict[str, Text]

    def attribute(self, name: str) -> Attribute:
        """Return the attribute with this id; KeyError when there is none."""
        return self._attributes[name]

    def zone(self, name: str) -> Zone:
        """Return the zone with this id; KeyError when there is none."""
        return self._zones[name]

    def recipe(self, name: str) -> Recipe:
        """Return the recipe with this id; KeyError when there is none."""
        return self._recipes[name]

    def replaced(self, **entries: Any) -> KnowledgeBase:
        """Return a knowledge base with some of its parts replaced (``rules=…``); the indexes are its own."""
        return KnowledgeBase(**{**dict(self), **entries})

    @functools.cached_property
    def _attributes(self) -> dict[str, Attribute]:
        return {entry.id: entry for entry in self.attributes}

    @functools.cached_property
    def _zones(self) -> dict[str, Zone]:
        return {entry.id: entry for entry in self.zones}

    @functools.cached_property
    def _recipes(self) -> dict[str, Recipe]:
        return {entry.id: entry for entry in self.recipes}


FILES: dict[str, type[Any] | Any] = {
    "attributes": tuple[Attribute, ...],
    "zones": tuple[Zone, ...],
    "recipes": tuple[Recipe, ...],
    "sources": tuple[Source, ...],
    "rules": tuple[Rule, ...],
    "wording": dict[str, Text],
}


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of every file of the knowledge base, by the file's name."""
    return {
        name: {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": f"Mien knowledge base: {'rules/*' if name == 'rules' else name}.json",
            **TypeAdapter(content).json_schema(),
        }
        for name, content in FILES.items()
    }
