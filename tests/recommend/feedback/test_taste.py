"""What a taste may do to a look, and what it may never do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.feedback import FEATURES
from recommend.adviser import look_for
from recommend.feedback.features import Situation, features_of, vector
from recommend.feedback.taste import UNTOUCHED, Opinion, Prior, Taste, effective
from recommend.knowledge.coverage import default_profile, random_profile
from recommend.knowledge.load import shipped
from recommend.knowledge.model import DOMAINS
from recommend.preferences import Preferences
from recommend.profile import Profile
from recommend.selection import clash, fitting, select

BASE = shipped()
RULES = {rule.id: rule for rule in BASE.rules}


def opinion(rule: str, liked: bool, situation: Situation | None = None) -> Opinion:
    situation = situation or Situation()
    return Opinion(rule, RULES[rule].group, situation, liked, features_of(RULES[rule], situation, BASE))


def random_opinions(seed: int, count: int) -> list[Opinion]:
    random = np.random.default_rng(seed)
    names = sorted(rule.id for rule in BASE.rules if rule.domain != UNTOUCHED)
    return [
        opinion(
            str(random.choice(names)),
            bool(random.random() < 0.5),
            Situation(str(random.choice(["day", "evening"])), "natural", float(random.choice([5, 20]))),
        )
        for _ in range(count)
    ]


def person(seed: int) -> Profile:
    random = np.random.default_rng(seed)
    return (random_profile if seed % 2 else default_profile)(BASE, random)


def rule_ids(profile: Profile, taste: Taste | None) -> list[str]:
    return [choice.rule.id for choice in select(BASE, profile, 14, taste)]


@pytest.mark.parametrize("seed", range(20))
def test_without_opinions_and_prior_the_look_is_exactly_as_before(seed: int) -> None:
    assert select(BASE, person(seed), 14, Taste([])) == select(BASE, person(seed), 14)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 5000), count=st.integers(1, 60))
def test_no_taste_shows_what_selection_would_not_allow(seed: int, count: int) -> None:
    profile = person(seed)
    weights = dict(
        zip(FEATURES, np.random.default_rng(seed).normal(0, 5, len(FEATURES)).tolist(), strict=True)
    )
    taste = Taste(random_opinions(seed, count), Prior(weights, 0.0, "random"))
    allowed = {choice.rule.id for choice in fitting(BASE, profile)}
    chosen = select(BASE, profile, 14, taste)
    rules = [choice.rule for choice in chosen]
    assert {rule.id for rule in rules} <= allowed
    assert len(rules) <= 14
    assert sum(rule.minutes for rule in rules) <= profile.minutes + 1e-9
    assert len({rule.group for rule in rules}) == len(rules)
    assert not any(clash(BASE, a, b) for i, a in enumerate(rules) for b in rules[:i])
    assert profile.nose or not any(rule.opt_in for rule in rules)
    if profile.says("minor", "yes"):
        assert not any(rule.shaping for rule in rules)
    if profile.says("skin_condition", "yes"):
        assert {rule.domain for rule in rules} == {"care"}
    care = {choice.rule.id for choice in select(BASE, profile, 14) if choice.rule.domain == UNTOUCHED}
    assert {rule.id for rule in rules if rule.domain == UNTOUCHED} == care or len(chosen) == 14


@pytest.mark.parametrize("seed", range(8))
def test_not_for_me_hides_a_card_on_that_occasion_only(seed: int) -> None:
    profile = default_profile(BASE, np.random.default_rng(seed))
    situation = Situation.of(profile)
    shown = [rule for rule in rule_ids(profile, None) if RULES[rule].domain == "eyes"]
    for rule in shown:
        taste = Taste([opinion(rule, False, situation)])
        assert rule not in rule_ids(profile, taste)
        elsewhere = Taste([opinion(rule, False, Situation("wedding", "natural", 20.0))])
        assert not elsewhere.judge([RULES[rule]], situation, BASE)[0].hidden


def test_the_card_in_its_place_says_what_was_not_for_you() -> None:
    profile = default_profile(BASE, np.random.default_rng(0))
    shown = [rule for rule in rule_ids(profile, None) if RULES[rule].group == "lip-colour"]
    taste = Taste([opinion(shown[0], False, Situation.of(profile))])
    look = look_for(profile, Preferences(), BASE, taste=taste)
    said = {other.rule: other.reason for card in look.cards for other in card.instead_of}
    assert said[shown[0]] == "You said that it is not for you"


def test_care_cards_are_not_touched() -> None:
    care = [rule for rule in BASE.rules if rule.domain == UNTOUCHED]
    taste = Taste(random_opinions(1, 40), Prior({"visible": -9.0}, 0.0, "test"))
    for judgement in taste.judge(care, Situation(), BASE):
        assert judgement.factor == 1.0
        assert not judgement.hidden


def test_a_like_moves_similar_cards_up_and_says_because_of_what() -> None:
    # Two rules of one group and colour: liking the first must lift the second above where it was.
    first, second = "blush-round-lengthen", "blush-flush"
    assert RULES[first].group == RULES[second].group
    taste = Taste([opinion(first, True), opinion("contour-jaw-soften", False)])
    up, down = taste.judge([RULES[second], RULES["contour-square-soften"]], Situation(), BASE)
    assert up.factor > 1.2 > 1.0 > down.factor
    assert (up.because, up.because_liked) == (first, True)
    assert (down.because, down.because_liked) == ("contour-jaw-soften", False)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_reason_is_on_the_card_in_both_languages(language: str) -> None:
    profile = default_profile(BASE, np.random.default_rng(3))
    situation = Situation.of(profile)
    liked = next(c.rule.id for c in select(BASE, profile, 14) if c.rule.domain == "lips")
    taste = Taste([opinion(liked, True, situation)])
    look = look_for(profile, Preferences(language=language), BASE, taste=taste)
    card = next(card for card in look.cards if card.rule == liked)
    reasons = [why for why in card.why if why.origin == "taste"]
    assert [why.sentence for why in reasons] == [
        {"en": "You liked this card.", "zh": "你喜欢过这张卡片。"}[language]
    ]
    others = [w.sentence for c in look.cards if c.rule != liked for w in c.why if w.origin == "taste"]
    title = RULES[liked].title.into(language)
    assert any(title in sentence for sentence in others)


def test_who_likes_everything_alike_is_told_of_no_move() -> None:
    profile = default_profile(BASE, np.random.default_rng(3))
    situation = Situation.of(profile)
    fit = fitting(BASE, profile)
    taste = Taste([Opinion(choice.rule.id, "all", situation, True, {}) for choice in fit], half_life=1e12)
    judged = taste.judge([choice.rule for choice in fit if choice.rule.domain != UNTOUCHED], situation, BASE)
    assert min(judgement.logit for judgement in judged) > 0.5
    assert max(abs(judgement.relative) for judgement in judged) < 1e-6
    look = look_for(profile, Preferences(), BASE, taste=taste)
    assert not any(why.origin == "taste" for card in look.cards for why in card.why)


def test_a_prior_alone_orders_and_says_that_it_is_not_the_persons_own() -> None:
    profile = default_profile(BASE, np.random.default_rng(5))
    taste = Taste([], Prior({"lips": 2.0}, 0.0, "test"))
    look = look_for(profile, Preferences(), BASE, taste=taste)
    lips = [card for card in look.cards if card.domain == "lips"]
    assert any("people tend to like" in why.sentence for card in lips for why in card.why)
    ranks = [choice.rule.domain for choice in fitting(BASE, profile, taste)]
    assert ranks[0] == "lips"


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 5000), count=st.integers(2, 40))
def test_order_of_opinions_matters_only_by_age(seed: int, count: int) -> None:
    opinions = list({(o.rule, o.situation): o for o in random_opinions(seed, count)}.values())
    turned = [opinions[i] for i in np.random.default_rng(seed).permutation(len(opinions))]
    one, other = Taste(opinions, half_life=1e12), Taste(turned, half_life=1e12)
    asked = list(BASE.rules)[::7]
    for a, b in zip(one.judge(asked, Situation(), BASE), other.judge(asked, Situation(), BASE), strict=True):
        assert a.logit == pytest.approx(b.logit, abs=1e-6)
        assert a.hidden == b.hidden


def test_old_opinions_fade_and_newer_ones_on_the_same_card_replace_them() -> None:
    likes = [opinion("blush-flush", True)]
    filler = [opinion(rule.id, True) for rule in BASE.rules if rule.domain == "brows"]
    fresh = Taste([*filler, *likes], half_life=5).judge([RULES["blush-flush"]], Situation(), BASE)[0]
    faded = Taste([*likes, *filler], half_life=5).judge([RULES["blush-flush"]], Situation(), BASE)[0]
    assert fresh.logit > faded.logit
    changed = [opinion("blush-flush", True), opinion("blush-flush", False)]
    assert effective(changed) == (changed[1],)
    assert Taste(changed).judge([RULES["blush-flush"]], Situation(), BASE)[0].hidden


def test_same_opinions_give_the_same_bits() -> None:
    opinions, asked = random_opinions(9, 50), list(BASE.rules)
    assert Taste(opinions).judge(asked, Situation(), BASE) == Taste(opinions).judge(asked, Situation(), BASE)


def test_features_are_bounded_named_and_say_nothing_of_the_face() -> None:
    rows = [
        vector(features_of(rule, Situation(occasion, style, minutes), BASE))
        for rule in BASE.rules
        for occasion in ("day", "office", "evening")
        for style in ("natural", "glam")
        for minutes in (5.0, 30.0)
    ]
    assert np.abs(rows).max() <= 1.0
    used = np.abs(rows).max(axis=0) > 0
    assert [name for name, seen in zip(FEATURES, used, strict=True) if not seen] == []
    assert set(DOMAINS) - {UNTOUCHED} <= set(FEATURES)
    measured = {attribute.id for attribute in BASE.attributes if attribute.kind != "chosen"}
    assert not measured & set(FEATURES)
