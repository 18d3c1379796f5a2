"""Sessions of a simulated person with the adviser: cards are ordered, six are shown and rated, the taste learns."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from _simulated_people import Person

from recommend.feedback.features import Situation, features_of
from recommend.feedback.taste import GAIN, NO_PRIOR, UNTOUCHED, Opinion, Prior, Taste
from recommend.knowledge.model import KnowledgeBase
from recommend.profile import Profile
from recommend.selection import Choice, fitting, select

SHOWN = 6
CARDS = 14

Order = Callable[[list[Choice], np.random.Generator], list[Choice]]


@dataclasses.dataclass(frozen=True)
class Session:
    """One session's figures.

    ``ndcg`` is nDCG@6 of the order (None where nothing there is liked), ``regret`` how many liked cards more the
    best six would have had, ``liked_in_look`` the share of liked ones among the first six of the whole look.
    """

    ndcg: float | None
    regret: int
    liked_in_look: float


def at_random(choices: list[Choice], random: np.random.Generator) -> list[Choice]:
    """Order by chance."""
    return [choices[i] for i in random.permutation(len(choices))]


def as_shipped(choices: list[Choice], _random: np.random.Generator) -> list[Choice]:
    """Order as the product does: by score, what is not shown any more last."""
    return sorted(choices, key=lambda choice: (choice.judgement.hidden, -choice.score, choice.rule.id))


def exploring(amount: float, gain: float = GAIN) -> Order:
    """Order as the product does, with another exploration and gain."""

    def order(choices: list[Choice], _random: np.random.Generator) -> list[Choice]:
        return _by_logit(choices, [c.judgement.logit + amount * c.judgement.deviation for c in choices], gain)

    return order


def thompson(choices: list[Choice], random: np.random.Generator) -> list[Choice]:
    """Order by a draw from each card's posterior."""
    drawn = random.normal(size=len(choices))
    return _by_logit(
        choices,
        [c.judgement.logit + c.judgement.deviation * z for c, z in zip(choices, drawn, strict=True)],
        GAIN,
    )


def _by_logit(choices: list[Choice], logits: list[float], gain: float) -> list[Choice]:
    scored = [
        (choice.judgement.hidden, -choice.rule.weight * choice.confidence * math.exp(gain * logit), choice)
        for choice, logit in zip(choices, logits, strict=True)
    ]
    return [each[2] for each in sorted(scored, key=lambda each: (each[0], each[1], each[2].rule.id))]


def sessions(
    person: Person,
    knowledge: KnowledgeBase,
    *,
    order: Order = as_shipped,
    prior: Prior = NO_PRIOR,
    count: int = 10,
    make: Callable[..., Taste] = Taste,
    learns: bool = True,
    answers: float = 1.0,
    seed: int = 0,
) -> tuple[list[Session], list[Opinion]]:
    """Let a person use the adviser ``count`` times; ``answers`` is the share of shown cards that they rate."""
    opinions: list[Opinion] = []
    found: list[Session] = []
    random = np.random.default_rng([seed, 17])
    for _ in range(count):
        situation, profile = person.session()
        taste = make(opinions, prior) if learns else None
        choices = [c for c in fitting(knowledge, profile, taste) if c.rule.domain != UNTOUCHED]
        ranked = order(choices, random)
        good = [person.utility(choice.rule, situation, knowledge) > 0 for choice in ranked]
        look = _liked_in_look(person, situation, profile, knowledge, taste)
        best = min(SHOWN, sum(good))
        found.append(Session(_ndcg(good), best - sum(good[:SHOWN]), look))
        for choice in ranked[:SHOWN]:
            if random.random() < answers:
                row = features_of(choice.rule, situation, knowledge)
                liked = person.likes(choice.rule, situation, knowledge)
                opinions.append(Opinion(choice.rule.id, choice.rule.group, situation, liked, row))
    return found, opinions


def _ndcg(good: list[bool]) -> float | None:
    """Return nDCG@6 with gain 1 for a liked card and 0 for another (Järvelin and Kekäläinen 2002)."""
    discounts = 1.0 / np.log2(np.arange(2, SHOWN + 2))
    ideal = discounts[: min(SHOWN, sum(good))].sum()
    if not ideal:
        return None
    return float((np.array(good[:SHOWN], float) * discounts[: len(good[:SHOWN])]).sum() / ideal)


def _liked_in_look(
    person: Person, situation: Situation, profile: Profile, knowledge: KnowledgeBase, taste: Taste | None
) -> float:
    chosen = [c for c in select(knowledge, profile, CARDS, taste) if c.rule.domain != UNTOUCHED]
    first = sorted(chosen, key=lambda c: (-c.score, c.rule.id))[:SHOWN]
    if not first:
        return 0.0
    return sum(person.utility(c.rule, situation, knowledge) > 0 for c in first) / len(first)
