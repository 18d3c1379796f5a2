"""Which rules become cards: one of each group, none against another, within the minutes, best first.

First the best rule of every part of the face, so that nobody is left without brows or lips; then more, while
there is time and room. Ties are broken by the rule's name, so the same profile gives the same look.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from recommend.feedback.features import Situation
from recommend.feedback.taste import NEUTRAL, Judgement, Taste
from recommend.knowledge.model import DOMAINS, Domain, KnowledgeBase, Rule
from recommend.profile import Profile

SKILLS = {"beginner": 1, "some": 2, "confident": 3}
CORE: tuple[Domain, ...] = ("base", "blush", "contour", "highlight", "brows", "eyes", "lips", "finish")
FREE = 0.5  # minutes up to which a card never counts as too long

WhyNot = Literal["not_for_you", "same_group", "clash", "no_time", "no_room"]


@dataclasses.dataclass(frozen=True)
class Choice:
    """A rule that was chosen: how sure its conditions are, its score, and what was not chosen for it.

    ``judgement`` is what the person's taste made of it; the score has its factor in it already.
    """

    rule: Rule
    confidence: float
    score: float
    instead_of: tuple[tuple[Rule, WhyNot], ...] = ()
    judgement: Judgement = NEUTRAL


def fitting(knowledge: KnowledgeBase, profile: Profile, taste: Taste | None = None) -> list[Choice]:
    """Return every rule that holds for a profile and may be shown, best first.

    A taste changes the order only: which rules hold and may be shown does not depend on it.
    """
    level = next((SKILLS[s] for s in SKILLS if profile.says("skill", s)), SKILLS["some"])
    minor, irritated = profile.says("minor", "yes"), profile.says("skin_condition", "yes")
    holding = []
    for rule in knowledge.rules:
        if rule.skill > level or (rule.shaping and minor) or (rule.opt_in and not profile.nose):
            continue
        if irritated and rule.domain != "care":
            continue
        confidence = profile.confidence(rule)
        if confidence > 0:
            holding.append((rule, confidence))
    rules = [rule for rule, _ in holding]
    judged = [NEUTRAL] * len(rules)
    if taste is not None:
        judged = taste.judge(rules, Situation.of(profile), knowledge)
    found = [
        Choice(rule, confidence, rule.weight * confidence * judgement.factor, (), judgement)
        for (rule, confidence), judgement in zip(holding, judged, strict=True)
    ]
    return sorted(found, key=lambda choice: (-choice.score, choice.rule.id))


def clash(knowledge: KnowledgeBase, first: Rule, second: Rule) -> bool:
    """Say whether two rules contradict each other: declared, or one lightens what the other darkens."""
    if second.id in first.conflicts or first.id in second.conflicts:
        return True
    if not set(first.zones) & set(second.zones):
        return False
    return {"lighten", "darken"} <= (_directions(knowledge, first) | _directions(knowledge, second))


def _directions(knowledge: KnowledgeBase, rule: Rule) -> set[str]:
    return {knowledge.recipe(name).direction for name in rule.colours}


def select(
    knowledge: KnowledgeBase, profile: Profile, max_cards: int, taste: Taste | None = None
) -> list[Choice]:
    """Choose the cards of a look, most important first; at most ``max_cards`` and within the minutes.

    With a ``taste`` what the person likes comes sooner, and what was not for them on this occasion is left out.
    """
    candidates = fitting(knowledge, profile, taste)
    chosen: list[Choice] = []
    refused: dict[str, WhyNot] = {}

    def take(choice: Choice) -> bool:
        reason = _refusal(knowledge, chosen, choice, profile.minutes, max_cards)
        if reason is None:
            chosen.append(choice)
            return True
        refused[choice.rule.id] = reason
        return False

    for safety in [choice for choice in candidates if choice.rule.group.startswith("care-safety")]:
        take(safety)
    parts = (*CORE, "nose") if profile.nose else CORE
    best = {domain: [c for c in candidates if c.rule.domain == domain] for domain in parts}
    for domain in sorted(parts, key=lambda d: -best[d][0].score if best[d] else 0.0):
        # The first that fits: a clash or the clock may rule out the best of a part.
        next((choice for choice in best[domain] if take(choice)), None)
    for hygiene in [choice for choice in candidates if choice.rule.group == "care-hygiene"]:
        take(hygiene)
    for choice in candidates:
        if choice.rule.id not in {other.rule.id for other in chosen}:
            take(choice)
    return [_with_reasons(choice, chosen, candidates, refused) for choice in chosen]


def _refusal(
    knowledge: KnowledgeBase, chosen: list[Choice], choice: Choice, minutes: float, max_cards: int
) -> WhyNot | None:
    rule = choice.rule
    if choice.judgement.hidden:
        return "not_for_you"
    if any(other.rule.group == rule.group for other in chosen):
        return "same_group"
    if any(clash(knowledge, other.rule, rule) for other in chosen):
        return "clash"
    if rule.minutes > 0 and sum(other.rule.minutes for other in chosen) + rule.minutes > minutes:
        return "no_time"
    return "no_room" if len(chosen) >= max_cards else None


def _with_reasons(
    choice: Choice, chosen: list[Choice], candidates: list[Choice], refused: dict[str, WhyNot]
) -> Choice:
    taken = {other.rule.id for other in chosen}
    others = [
        (other.rule, refused[other.rule.id])
        for other in candidates
        if other.rule.id not in taken
        and other.rule.id in refused
        and (
            other.rule.group == choice.rule.group
            or (refused[other.rule.id] != "same_group" and other.rule.domain == choice.rule.domain)
        )
    ]
    return dataclasses.replace(choice, instead_of=tuple(others[:3]))


def in_order(choices: list[Choice]) -> list[Choice]:
    """Return the cards in the order in which they are put on; within a part, quick preparation first."""
    first = {"prep": 0, "lip-care": 0, "base-local": 2}
    return sorted(
        choices,
        key=lambda c: (DOMAINS.index(c.rule.domain), first.get(c.rule.group, 1), -c.score, c.rule.id),
    )
