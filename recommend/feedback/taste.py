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
    score. ``because`` is the rule whose like (or not, by ``because_liked``) moved it most; None where that was the
    prior or nothing.
    """

    logit: float = 0.0
    deviation: float = 0.0
    factor: float = 1.0
    hidden: bool = False
    because: str | None = None
    because_liked: bool = False


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
        self._cache: dict[tuple[str, Situation], Judgement] = {}
        ages = np.arange(len(self._opinions))[::-1]
        self._weights = 0.5 ** (ages / half_life)

    @functools.cached_property
    def _posterior(self) -> Posterior:
        rows = _rows([(each.features, each.rule, each.group) for each in self._opinions])
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

    def judge(self, rule: Rule, situation: Situation, knowledge: KnowledgeBase) -> Judgement:
        """Return what is believed of ``rule`` in ``situation``."""
        if self.empty or rule.domain == UNTOUCHED:
            return NEUTRAL
        key = (rule.id, situation)
        if key not in self._cache:
            self._cache[key] = self._judged(rule, situation, knowledge)
        return self._cache[key]

    def _judged(self, rule: Rule, situation: Situation, knowledge: KnowledgeBase) -> Judgement:
        row = features_of(rule, situation, knowledge)
        usual = float(vector(row) @ self._prior.vector())
        if not self._opinions:
            return Judgement(usual, 0.0, _factor(usual))
        asked = _rows([(row, rule.id, rule.group)])
        shifts = self._posterior.shifts(asked)[0]
        moved = float(shifts.sum())
        deviation = float(self._posterior.deviations(asked)[0])
        logit = usual + moved
        because, liked = self._because(shifts, moved, usual)
        return Judgement(
            logit,
            deviation,
            _factor(logit + EXPLORATION * deviation),
            (rule.id, situation.occasion) in self._hidden,
            because,
            liked,
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


def _factor(bound: float) -> float:
    return math.exp(GAIN * min(max(bound, -_MOST), _MOST))


def _rows(content: Sequence[tuple[Mapping[str, float], str, str]]) -> Rows:
    return Rows(
        np.array([vector(features) for features, _, _ in content]).reshape(len(content), len(FEATURES)),
        np.array([rule for _, rule, _ in content], dtype=np.str_),
        np.array([group for _, _, group in content], dtype=np.str_),
    )
