"""What a person likes, as selection asks for it: a factor on a rule's score, and the reason in a sentence.

A contextual bandit with a logistic link: :mod:`recommend.feedback.posterior` gives each rule in a situation a mean
logit and its deviation, and a rule is tried a little sooner where little is known of it (upper confidence bound,
Li et al. 2010; Filippi et al. 2010 for this link). The score of the knowledge base is multiplied by
exp(GAIN · bound), so both have their say, and without feedback and prior the factor is 1.

What a taste cannot do: show a rule that does not hold, is opted out of, is above the skill or withheld from
minors, put two clashing cards together, or touch the cards of care. It only orders, and hides what was
"not for me" on the same occasion.

Nothing here is drawn at random: the same opinions give the same look.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from faces.feedback import FEATURES
from recommend.feedback.features import Situation, features_of, vector
from recommend.feedback.posterior import Posterior, Rows, Spread
from recommend.knowledge.model import KnowledgeBase, Rule

GAIN = 1.0
EXPLORATION = 0.2
HALF_LIFE = 200.0
"""After so many newer opinions an opinion counts half."""
NOTABLE = 0.2
"""A logit that moved less than this is not worth a sentence."""
_MOST = 3.0

UNTOUCHED = "care"
"""The part whose cards are shown whatever is liked."""


@dataclasses.dataclass(frozen=True)
class Opinion:
    """One like, or not for me. ``features`` are those of the rule when it was shown, ``group`` its group."""

    rule: str
    group: str
    situation: Situation
    liked: bool
    features: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Prior:
    """What people like on average: weights by feature, a bias, and where they came from, in words."""

    weights: Mapping[str, float]
    bias: float
    origin: str

    def vector(self) -> NDArray[np.float64]:
        """Return the weights, float64 [F]; a feature without a weight has 0."""
        return np.array([self.weights.get(name, 0.0) for name in FEATURES])


NO_PRIOR = Prior({}, 0.0, "none")


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What is believed of one rule in one situation.

    ``logit`` is the mean belief that it is liked, ``deviation`` how unsure that is; ``factor`` multiplies the
    score. ``relative`` is the logit over the mean of the rules judged with it: what moves a card. ``because`` is
    the rule whose like (or not, by ``because_liked``) moved it most; None where that was the prior or nothing.
    """

    logit: float = 0.0
    deviation: float = 0.0
    factor: float = 1.0
    hidden: bool = False
    because: str | None = None
    because_liked: bool = False
    relative: float = 0.0


NEUTRAL = Judgement()


class Taste:
    """The learner of one person, fitted to their opinions."""

    def __init__(
        self,
        opinions: Iterable[Opinion],
        prior: Prior = NO_PRIOR,
        *,
        spread: Spread | None = None,
        half_life: float = HALF_LIFE,
    ) -> None:
        """Fit. ``opinions`` come oldest first; of several on one rule in one situation the newest counts."""
        self._prior, self._spread = prior, spread or Spread()
        self._opinions = effective(opinions)
        newest = {(each.rule, each.situation.occasion): each.liked for each in self._opinions}
        self._hidden = {key for key, liked in newest.items() if not liked}
        self._numbers: dict[tuple[str, str], int] = {}
        ages = np.arange(len(self._opinions))[::-1]
        self._weights = 0.5 ** (ages / half_life)

    @functools.cached_property
    def _posterior(self) -> Posterior:
        rows = self._rows([(each.features, each.rule, each.group) for each in self._opinions])
        return Posterior.of(
            rows,
            np.array([each.liked for each in self._opinions], bool),
            self._weights,
            rows.features @ self._prior.vector() + self._prior.bias,
            self._spread,
        )

    @property
    def empty(self) -> bool:
        """Whether there is neither an opinion nor a prior, so that every factor is 1."""
        return not self._opinions and not self._prior.weights

    def judge(self, rules: Sequence[Rule], situation: Situation, knowledge: KnowledgeBase) -> list[Judgement]:
        """Return what is believed of each rule in ``situation``."""
        asked = [rule for rule in rules if rule.domain != UNTOUCHED]
        if self.empty or not asked:
            return [NEUTRAL] * len(rules)
        rows = self._rows([(features_of(r, situation, knowledge), r.id, r.group) for r in asked])
        usual = rows.features @ self._prior.vector()
        if self._opinions:
            shifts, deviations = self._posterior.shifts(rows), self._posterior.deviations(rows)
        else:
            shifts, deviations = np.zeros((len(asked), 0)), np.zeros(len(asked))
        found = {
            rule.id: self._judgement(rule, situation, float(usual[i]), shifts[i], float(deviations[i]))
            for i, rule in enumerate(asked)
        }
        centre = float(np.mean([judgement.logit for judgement in found.values()]))
        return [
            dataclasses.replace(found[rule.id], relative=found[rule.id].logit - centre)
            if rule.id in found
            else NEUTRAL
            for rule in rules
        ]

    def _judgement(
        self, rule: Rule, situation: Situation, usual: float, shifts: NDArray[np.float64], deviation: float
    ) -> Judgement:
        moved = float(shifts.sum())
        bound = usual + moved + EXPLORATION * deviation
        factor = math.exp(GAIN * min(max(bound, -_MOST), _MOST))
        hidden = (rule.id, situation.occasion) in self._hidden
        return Judgement(usual + moved, deviation, factor, hidden, *self._because(shifts, moved, usual))

    def _rows(self, content: Sequence[tuple[Mapping[str, float], str, str]]) -> Rows:
        """Return rows; equal names of rules, and of groups, get equal numbers."""
        numbers = self._numbers
        return Rows(
            np.array([vector(features) for features, _, _ in content]).reshape(len(content), len(FEATURES)),
            np.array([numbers.setdefault(("rule", rule), len(numbers)) for _, rule, _ in content], np.int64),
            np.array(
                [numbers.setdefault(("group", group), len(numbers)) for _, _, group in content], np.int64
            ),
        )

    def _because(self, shifts: NDArray[np.float64], moved: float, usual: float) -> tuple[str | None, bool]:
        """Return the rule that moved the logit most in the direction in which it moved, and if it was liked."""
        if abs(usual) > abs(moved) or abs(moved + usual) < NOTABLE:
            return None, False
        own: dict[tuple[str, bool], float] = {}
        for opinion, shift in zip(self._opinions, shifts, strict=True):
            key = (opinion.rule, opinion.liked)
            own[key] = own.get(key, 0.0) + float(shift)
        return max(own, key=lambda key: (own[key] * math.copysign(1.0, moved), key))


def effective(opinions: Iterable[Opinion]) -> tuple[Opinion, ...]:
    """Return the opinions that count, oldest first: the newest on each rule in each situation."""
    newest: dict[tuple[str, Situation], Opinion] = {}
    for opinion in opinions:
        newest.pop((opinion.rule, opinion.situation), None)
        newest[opinion.rule, opinion.situation] = opinion
    return tuple(newest.values())
