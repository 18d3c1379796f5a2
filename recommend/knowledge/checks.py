"""The checks of a knowledge base that need nobody: each finds one kind of fault in the data itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import get_args

from recommend.knowledge.language import faults, places_in
from recommend.knowledge.load import shipped
from recommend.knowledge.model import Attribute, KnowledgeBase, Place, Rule, Steps, Text, Zone
from recommend.knowledge.problem import Problem
from recommend.reading.geometry import MEASURES
from recommend.reading.quality import Code
from recommend.reading.reference import reference_table
from recommend.selection import clash

FIXED_ANSWERS = ("estimated", "chosen")  # kinds whose answers the program itself gives or offers


def _rule(kind: str, rule: Rule, field: str, message: str) -> Problem:
    return Problem(kind, f"rules/{rule.domain}.json", rule.id, field, message)


def _unique_names(kb: KnowledgeBase) -> Iterator[Problem]:
    for file, entries in (
        ("attributes", kb.attributes), ("zones", kb.zones), ("recipes", kb.recipes), ("sources", kb.sources),
    ):  # fmt: skip
        for name, count in Counter(entry.id for entry in entries).items():
            if count > 1:
                advice = f"{count} entries are called {name!r}. Give each its own name."
                yield Problem("duplicate", f"{file}.json", name, "id", advice)
    seen: dict[str, Rule] = {}
    for rule in kb.rules:
        if rule.id in seen:
            advice = (
                f"a rule of {seen[rule.id].domain} is already called {rule.id!r}. Give each its own name."
            )
            yield _rule("duplicate", rule, "id", advice)
        seen[rule.id] = rule


def _references(kb: KnowledgeBase) -> Iterator[Problem]:
    known = {
        "zones": ("zone", {entry.id for entry in kb.zones}),
        "colours": ("recipe", {entry.id for entry in kb.recipes}),
        "sources": ("source", {entry.id for entry in kb.sources}),
        "conflicts": ("rule", {entry.id for entry in kb.rules}),
        "tools": ("tool", {key.removeprefix("tool.") for key in kb.wording if key.startswith("tool.")}),
    }
    for rule in kb.rules:
        for field, (kind, names) in known.items():
            for name in getattr(rule, field):
                if name not in names:
                    advice = f"names the {kind} {name!r}, which does not exist. Correct it."
                    yield _rule("reference", rule, field, advice)


def _conditions(kb: KnowledgeBase) -> Iterator[Problem]:
    attributes = {entry.id: entry for entry in kb.attributes}
    for rule in kb.rules:
        seen: set[str] = set()
        for index, condition in enumerate(rule.when):
            field = f"when.{index}"
            attribute = attributes.get(condition.attribute)
            if attribute is None:
                advice = f"asks about {condition.attribute!r}, which is no attribute. Correct it."
                yield _rule("reference", rule, field, advice)
                continue
            allowed = {entry.id for entry in attribute.answers}
            for answer in sorted(set(condition.any_of) - allowed):
                advice = f"expects {attribute.id} = {answer!r}: expected one of {sorted(allowed)}."
                yield _rule("reference", rule, field, advice)
            if (condition.at_most is None) == (not condition.any_of):
                advice = f"give {attribute.id} either any_of or at_most, one of them."
                yield _rule("condition", rule, field, advice)
            if allowed and allowed == set(condition.any_of):
                advice = f"every answer of {attribute.id} is allowed. Leave it out."
                yield _rule("condition", rule, field, advice)
            if attribute.id in seen:
                advice = f"asks about {attribute.id} twice. Join the two conditions."
                yield _rule("condition", rule, field, advice)
            seen.add(attribute.id)
            if attribute.opt_in and not rule.opt_in:
                advice = f"uses {attribute.id}, which needs opt_in: true. Set it."
                yield _rule("condition", rule, "opt_in", advice)


def _measures(kb: KnowledgeBase) -> Iterator[Problem]:
    for attribute in kb.attributes:
        if attribute.kind != "measured":
            continue
        if attribute.id not in MEASURES or attribute.id not in reference_table():
            advice = f"no measure or no reference values are called {attribute.id!r}. Remove it."
            yield Problem("reference", "attributes.json", attribute.id, "id", advice)
        if len(attribute.answers) != 3:
            advice = f"{len(attribute.answers)} answers: expected low, middle, high. Give three."
            yield Problem("condition", "attributes.json", attribute.id, "answers", advice)


def _needed_by_the_program(kb: KnowledgeBase) -> Iterator[Problem]:
    """Compare with the shipped base: what the program asks for by name must be there."""
    mine = {entry.id: entry for entry in kb.attributes}
    for attribute in shipped().attributes:
        yield from _kept(attribute, mine.get(attribute.id))
    codes = [key for code in get_args(Code) for key in (f"notice.{code}", f"next.{code}")]
    domains = [f"domain.{domain}" for domain in {rule.domain for rule in kb.rules}]
    keys = [key for key in shipped().wording if not key.startswith("tool.")]
    for key in dict.fromkeys([*codes, *domains, *keys]):
        if key not in kb.wording:
            advice = f"wording.json lacks {key}. Add it in both languages."
            yield Problem("missing", "wording.json", key, "", advice)
            continue
        unknown = _named(kb.wording[key]) - _named(shipped().wording.get(key, kb.wording[key]))
        if unknown:
            advice = (
                f"nothing can be filled in for {sorted(unknown)}. Use only the shipped text's places {{…}}."
            )
            yield Problem("missing", "wording.json", key, "", advice)


def _kept(shipped_one: Attribute, mine: Attribute | None) -> Iterator[Problem]:
    place = ("attributes.json", shipped_one.id)
    if mine is None:
        yield Problem("missing", *place, "", "the program asks for this attribute. Put it back.")
        return
    if mine.kind != shipped_one.kind:
        advice = f"the kind is {mine.kind!r}: expected {shipped_one.kind!r}. Put it back."
        yield Problem("missing", *place, "kind", advice)
    lost = {entry.id for entry in shipped_one.answers} - {entry.id for entry in mine.answers}
    if lost and shipped_one.kind in FIXED_ANSWERS:
        advice = f"lacks the answers {sorted(lost)}, which the program gives or offers. Put them back."
        yield Problem("missing", *place, "answers", advice)


def _named(text: Text) -> set[str]:
    return places_in(text.en) | places_in(text.zh)


def _zones(kb: KnowledgeBase) -> Iterator[Problem]:
    for zone in kb.zones:
        leaves = list(_leaves(zone))
        for landmark in leaves:
            if isinstance(landmark, int) and not 0 <= landmark <= 67:
                advice = f"uses landmark {landmark}: expected 0 to 67. Correct it."
                yield Problem("reference", "zones.json", zone.id, "points", advice)
        complete = {
            "polygon": len(zone.points) >= 3, "polyline": len(zone.points) >= 2 and zone.width > 0,
            "ellipse": min(zone.radii) > 0,
        }  # fmt: skip
        if not complete[zone.kind]:
            advice = f"is a {zone.kind} without its points, width or radii. Add them."
            yield Problem("condition", "zones.json", zone.id, "kind", advice)
        if zone.needs_hairline != ("H" in leaves):
            advice = 'must be true where a point uses "H", the hairline, and false elsewhere. Correct it.'
            yield Problem("condition", "zones.json", zone.id, "needs_hairline", advice)


def _leaves(zone: Zone) -> Iterator[int | str]:
    """Yield the landmarks of a zone, and "H" for each use of the hairline."""
    places: list[Place] = [*zone.points, *(place for hole in zone.holes for place in hole), zone.centre]
    while places:
        place = places.pop()
        if isinstance(place, tuple):
            places.extend(part for part in place[1:3] if not isinstance(part, float))
        elif place is not None:
            yield place


def _languages(kb: KnowledgeBase) -> Iterator[Problem]:
    for file, entry, field, text in texts(kb):
        for kind, message in faults(f"{entry}.{field}" if field else entry, text):
            yield Problem(kind, file, entry, field, message)
    for rule in kb.rules:
        if len(rule.steps.en) != len(rule.steps.zh):
            counts = f"{len(rule.steps.en)} steps in English and {len(rule.steps.zh)} in Chinese"
            yield _rule("language", rule, "steps", f"{counts}. Write the same steps in both.")


def texts(kb: KnowledgeBase) -> Iterator[tuple[str, str, str, Text]]:
    """Yield every text of a knowledge base as (file, entry, field, text)."""
    for attribute in kb.attributes:
        yield "attributes.json", attribute.id, "names", attribute.names
        if attribute.question is not None:
            yield "attributes.json", attribute.id, "question", attribute.question
        for answer in attribute.answers:
            yield "attributes.json", attribute.id, f"answers.{answer.id}", answer.names
    for zone in kb.zones:
        yield "zones.json", zone.id, "names", zone.names
        yield "zones.json", zone.id, "where", zone.where
    for recipe in kb.recipes:
        yield "recipes.json", recipe.id, "names", recipe.names
    for rule in kb.rules:
        file = f"rules/{rule.domain}.json"
        yield file, rule.id, "title", rule.title
        yield file, rule.id, "reason", rule.reason
        for index, step in enumerate(_pairs(rule.steps)):
            yield file, rule.id, f"steps.{index}", step
    for key, text in kb.wording.items():
        yield "wording.json", key, "", text


def _pairs(steps: Steps) -> list[Text]:
    return [Text(en=en, zh=zh) for en, zh in zip(steps.en, steps.zh, strict=False)]


def _contradictions(kb: KnowledgeBase) -> Iterator[Problem]:
    names = {entry.id for entry in kb.recipes}
    usable = [rule for rule in kb.rules if set(rule.colours) <= names and rule.zones]
    for first, second in combinations(usable, 2):
        declared = second.id in first.conflicts or first.id in second.conflicts
        if declared or first.group == second.group or not together(first, second):
            continue
        if clash(kb, first, second):
            advice = (
                f"{first.id} and {second.id} can hold together, and one lightens what the other darkens. Name "
                "one in the other's conflicts, change a zone, or make their conditions exclude each other."
            )
            yield _rule("contradiction", first, "zones", advice)


def together(first: Rule, second: Rule) -> bool:
    """Say whether some person exists for whom both rules hold."""
    wanted = {condition.attribute: set(condition.any_of) for condition in first.when if condition.any_of}
    return all(
        wanted.get(condition.attribute, set(condition.any_of)) & set(condition.any_of)
        for condition in second.when
        if condition.any_of
    )


STATIC: tuple[Callable[[KnowledgeBase], Iterator[Problem]], ...] = (
    _unique_names, _references, _conditions, _measures, _needed_by_the_program, _zones, _languages,
    _contradictions,
)  # fmt: skip
