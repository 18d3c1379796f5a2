"""Random people, and whether the rules leave any of them without advice.

A random person has a random answer, or none, for everything that can be measured, told or chosen,
independently: rarer mixtures than any real face, which is what a proof of coverage wants.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import combinations

import numpy as np

from recommend.knowledge.model import Attribute, KnowledgeBase
from recommend.knowledge.problem import Problem
from recommend.preferences import Preferences
from recommend.profile import Belief, Profile
from recommend.selection import CORE, Choice, clash, fitting, select

ENOUGH_MINUTES = 20.0
LEAST_CARDS = 10
CARDS = 14
SHARE_UNDECIDED = 0.4
RARE = {"minor": 0.05, "skin_condition": 0.05}


def random_profile(knowledge: KnowledgeBase, random: np.random.Generator) -> Profile:
    """Return a person with independent random answers."""
    beliefs: dict[str, Belief] = {}
    for attribute in knowledge.attributes:
        if not attribute.answers:
            continue
        if attribute.kind == "chosen":
            beliefs[attribute.id] = Belief(_any(attribute, random), "chosen")
        elif attribute.id in RARE:
            rare = random.random() < RARE[attribute.id]
            beliefs[attribute.id] = Belief("yes" if rare else "no", "told")
        elif random.random() > SHARE_UNDECIDED:
            probability = float(random.uniform(0.6, 1.0)) if attribute.kind == "measured" else 1.0
            origin = "photo" if attribute.kind == "measured" else "told"
            beliefs[attribute.id] = Belief(_any(attribute, random), origin, probability)  # type: ignore[arg-type]
        else:
            beliefs[attribute.id] = Belief(None, "photo")
    minutes = float(random.choice([3.0, 5.0, 8.0, 10.0, ENOUGH_MINUTES, 30.0, 60.0]))
    return Profile(beliefs, minutes, nose=bool(random.random() < 0.3))


def default_profile(knowledge: KnowledgeBase, random: np.random.Generator) -> Profile:
    """Return a person with a random face who chose nothing and told nothing."""
    wishes = Preferences()
    chosen = {
        name: Belief(getattr(wishes, name), "chosen") for name in ("occasion", "style", "intent", "skill")
    }
    measured = {
        attribute.id: Belief(_any(attribute, random), "photo", float(random.uniform(0.6, 1.0)))
        for attribute in knowledge.attributes
        if attribute.kind in ("measured", "estimated") and random.random() > SHARE_UNDECIDED
    }
    return Profile({**measured, **chosen}, wishes.minutes)


def _any(attribute: Attribute, random: np.random.Generator) -> str:
    return attribute.answers[int(random.integers(len(attribute.answers)))].id


def uncovered(knowledge: KnowledgeBase, profiles: int, seed: int) -> Iterator[Problem]:
    """Yield what goes wrong on random people; each kind of fault once."""
    random = np.random.default_rng(seed)
    reached: set[str] = set()
    said: set[tuple[str, str, str]] = set()
    for index in range(profiles):
        usual = index % 4 == 0
        profile = (default_profile if usual else random_profile)(knowledge, random)
        reached |= {choice.rule.id for choice in fitting(knowledge, profile)}
        chosen = select(knowledge, profile, CARDS)
        for problem in _faults(knowledge, profile, chosen, usual):
            if (problem.file, problem.entry, problem.field) not in said:
                said.add((problem.file, problem.entry, problem.field))
                person = f"random person {index} (seed {seed}): {problem.message}"
                yield dataclasses.replace(problem, message=person)
    if profiles >= 1000:
        for rule in knowledge.rules:
            if rule.id not in reached:
                advice = f"held for none of {profiles} random people. Loosen or remove it."
                yield Problem("unreachable", f"rules/{rule.domain}.json", rule.id, "when", advice)


def _faults(
    knowledge: KnowledgeBase, profile: Profile, chosen: list[Choice], usual: bool
) -> Iterator[Problem]:
    rules = [choice.rule for choice in chosen]
    for first, second in combinations(rules, 2):
        if first.group == second.group or clash(knowledge, first, second):
            advice = f"{first.id} and {second.id} are shown together. Put them in one group."
            yield Problem("contradiction", f"rules/{first.domain}.json", first.id, "group", advice)
    if profile.says("skin_condition", "yes"):
        return
    if profile.minutes >= ENOUGH_MINUTES:
        for domain in CORE:
            # Shadow is all about shaping, so minors get none.
            if domain == "contour" and profile.says("minor", "yes"):
                continue
            if not any(rule.domain == domain for rule in rules):
                advice = f"no card for {domain}. Add a rule of {domain} without conditions."
                yield Problem("coverage", f"rules/{domain}.json", "", "", advice)
    if usual and len(chosen) < LEAST_CARDS:
        advice = f"only {len(chosen)} cards with the default preferences. Add default rules."
        yield Problem("coverage", "rules", "", "", advice)
