"""Proof that a knowledge base holds together; ``mien kb check`` prints what this finds.

Checked on the data itself: names are unique and lead somewhere, landmarks exist, both languages are complete
and use no denied word, no two rules that can hold together pull one place in opposite directions unless they
say so. Checked on random people (``recommend.knowledge.coverage``): every part of every face gets advice, no
look contradicts itself, every rule can be reached.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import get_args

from recommend.knowledge.coverage import uncovered
from recommend.knowledge.language import faults
from recommend.knowledge.model import KnowledgeBase, Place, Rule, Steps, Text, Zone
from recommend.reading.geometry import MEASURES
from recommend.reading.quality import Code
from recommend.reading.reference import reference_table
from recommend.selection import clash


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is wrong: its kind, and a sentence with where it is and what to do."""

    kind: str
    message: str


def validate(knowledge: KnowledgeBase, *, profiles: int = 5000, seed: int = 0) -> list[Problem]:
    """Return everything that is wrong with a knowledge base; an empty list when it holds together.

    ``profiles`` random people are advised as a proof of coverage; they are skipped while references are
    broken, because advice would stumble over the same faults.
    """
    found = [Problem(*fault) for check in STATIC for fault in check(knowledge)]
    if profiles and not any(problem.kind == "reference" for problem in found):
        found.extend(Problem(*fault) for fault in uncovered(knowledge, profiles, seed))
    return found


Fault = tuple[str, str]


def _unique_names(kb: KnowledgeBase) -> Iterator[Fault]:
    for kind, entries in (
        ("attribute", kb.attributes), ("zone", kb.zones), ("recipe", kb.recipes), ("source", kb.sources),
        ("rule", kb.rules),
    ):  # fmt: skip
        for name, count in Counter(entry.id for entry in entries).items():
            if count > 1:
                yield (
                    "duplicate",
                    f"{count} entries of kind {kind} are called {name!r}. Give each its own name.",
                )


def _references(kb: KnowledgeBase) -> Iterator[Fault]:
    known = {
        "zone": {entry.id for entry in kb.zones},
        "recipe": {entry.id for entry in kb.recipes},
        "source": {entry.id for entry in kb.sources},
        "rule": {entry.id for entry in kb.rules},
        "tool": {key.removeprefix("tool.") for key in kb.wording if key.startswith("tool.")},
    }
    for rule in kb.rules:
        named = {
            "zone": rule.zones, "recipe": rule.colours, "source": rule.sources, "rule": rule.conflicts,
            "tool": rule.tools,
        }  # fmt: skip
        for kind, names in named.items():
            for name in names:
                if name not in known[kind]:
                    yield (
                        "reference",
                        f"rule {rule.id} names the {kind} {name!r}, which does not exist. Correct it.",
                    )
        if f"domain.{rule.domain}" not in kb.wording:
            yield "reference", f"wording.json lacks domain.{rule.domain}. Add it in both languages."
    for code in get_args(Code):
        for key in (f"notice.{code}", f"next.{code}"):
            if key not in kb.wording:
                yield "reference", f"wording.json lacks {key}. Add it in both languages."


def _conditions(kb: KnowledgeBase) -> Iterator[Fault]:
    attributes = {entry.id: entry for entry in kb.attributes}
    for rule in kb.rules:
        seen: set[str] = set()
        for condition in rule.when:
            attribute = attributes.get(condition.attribute)
            if attribute is None:
                yield (
                    "reference",
                    (
                        f"rule {rule.id} asks about {condition.attribute!r}, which is no attribute. Correct it."
                    ),
                )
                continue
            allowed = {entry.id for entry in attribute.answers}
            for answer in set(condition.any_of) - allowed:
                yield (
                    "reference",
                    (
                        f"rule {rule.id} expects {attribute.id} = {answer!r}: expected one of {sorted(allowed)}."
                    ),
                )
            if (condition.at_most is None) == (not condition.any_of):
                yield (
                    "condition",
                    f"rule {rule.id}: give {attribute.id} either any_of or at_most, one of them.",
                )
            if allowed and allowed == set(condition.any_of):
                yield "condition", f"rule {rule.id}: every answer of {attribute.id} is allowed. Leave it out."
            if attribute.id in seen:
                yield "condition", f"rule {rule.id} asks about {attribute.id} twice. Join the two conditions."
            seen.add(attribute.id)
            if attribute.opt_in and not rule.opt_in:
                yield "condition", f"rule {rule.id} uses {attribute.id}, which needs opt_in: true. Set it."


def _measures(kb: KnowledgeBase) -> Iterator[Fault]:
    for attribute in kb.attributes:
        if attribute.kind != "measured":
            continue
        if attribute.id not in MEASURES or attribute.id not in reference_table():
            yield "reference", f"attribute {attribute.id} has no measure or no reference values. Remove it."
        if len(attribute.answers) != 3:
            yield (
                "condition",
                f"attribute {attribute.id} has {len(attribute.answers)} answers: expected low, middle, high.",
            )


def _zones(kb: KnowledgeBase) -> Iterator[Fault]:
    for zone in kb.zones:
        for landmark in _landmarks(zone):
            if not 0 <= landmark <= 67:
                yield "reference", f"zone {zone.id} uses landmark {landmark}: expected 0 to 67. Correct it."
        complete = {
            "polygon": len(zone.points) >= 3, "polyline": len(zone.points) >= 2 and zone.width > 0,
            "ellipse": min(zone.radii) > 0,
        }  # fmt: skip
        if not complete[zone.kind]:
            yield (
                "condition",
                f"zone {zone.id} is a {zone.kind} without its points, width or radii. Add them.",
            )


def _landmarks(zone: Zone) -> Iterator[int]:
    places: list[Place] = [*zone.points, *(place for hole in zone.holes for place in hole), zone.centre]
    while places:
        place = places.pop()
        if isinstance(place, int):
            yield place
        elif isinstance(place, tuple):
            places.extend(part for part in place[1:3] if isinstance(part, int | tuple))


def _languages(kb: KnowledgeBase) -> Iterator[Fault]:
    for where, text in texts(kb):
        yield from faults(where, text)
    for rule in kb.rules:
        if len(rule.steps.en) != len(rule.steps.zh):
            yield (
                "language",
                (
                    f"rule {rule.id} has {len(rule.steps.en)} steps in English and {len(rule.steps.zh)} in Chinese"
                    ". Write the same steps in both."
                ),
            )


def texts(kb: KnowledgeBase) -> Iterator[tuple[str, Text]]:
    """Yield every text of a knowledge base with where it stands."""
    for attribute in kb.attributes:
        yield f"attribute {attribute.id}: name", attribute.names
        if attribute.question is not None:
            yield f"attribute {attribute.id}: question", attribute.question
        for answer in attribute.answers:
            yield f"attribute {attribute.id}: {answer.id}", answer.names
    for zone in kb.zones:
        yield f"zone {zone.id}: name", zone.names
        yield f"zone {zone.id}: where", zone.where
    for recipe in kb.recipes:
        yield f"recipe {recipe.id}: name", recipe.names
    for rule in kb.rules:
        yield f"rule {rule.id}: title", rule.title
        yield f"rule {rule.id}: reason", rule.reason
        yield from ((f"rule {rule.id}: step {i}", step) for i, step in enumerate(_pairs(rule.steps), start=1))
    yield from kb.wording.items()


def _pairs(steps: Steps) -> list[Text]:
    return [Text(en=en, zh=zh) for en, zh in zip(steps.en, steps.zh, strict=False)]


def _contradictions(kb: KnowledgeBase) -> Iterator[Fault]:
    names = {entry.id for entry in kb.recipes}
    usable = [rule for rule in kb.rules if set(rule.colours) <= names and rule.zones]
    for first, second in combinations(usable, 2):
        declared = second.id in first.conflicts or first.id in second.conflicts
        if declared or first.group == second.group or not together(first, second):
            continue
        if clash(kb, first, second):
            yield (
                "contradiction",
                (
                    f"rules {first.id} and {second.id} can hold together, and one lightens what the other darkens. "
                    "Name one in the other's conflicts, change a zone, or make their conditions exclude each other."
                ),
            )


def together(first: Rule, second: Rule) -> bool:
    """Say whether some person exists for whom both rules hold."""
    wanted = {condition.attribute: set(condition.any_of) for condition in first.when if condition.any_of}
    return all(
        wanted.get(condition.attribute, set(condition.any_of)) & set(condition.any_of)
        for condition in second.when
        if condition.any_of
    )


STATIC: tuple[Callable[[KnowledgeBase], Iterator[Fault]], ...] = (
    _unique_names, _references, _conditions, _measures, _zones, _languages, _contradictions,
)  # fmt: skip
