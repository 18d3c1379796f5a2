"""What every look keeps to, whatever the face and the wishes."""

from __future__ import annotations

import numpy as np
import pytest

from mien.errors import ConfigError
from recommend.adviser import advise, look_for
from recommend.knowledge.coverage import default_profile, random_profile
from recommend.knowledge.language import faults
from recommend.knowledge.load import shipped
from recommend.knowledge.model import DOMAINS, Text
from recommend.preferences import Preferences
from recommend.profile import Belief, Profile
from recommend.selection import clash, fitting, select

KB = shipped()


def told(minutes=20.0, nose=False, **answers):
    """A profile of somebody who told and chose these answers, with the default choices otherwise."""
    wishes = Preferences()
    chosen = {
        name: Belief(getattr(wishes, name), "chosen") for name in ("occasion", "style", "intent", "skill")
    }
    return Profile({**chosen, **{k: Belief(v, "told") for k, v in answers.items()}}, minutes, nose)


def ids(profile, cards=14):
    return [choice.rule.id for choice in select(KB, profile, cards)]


def test_any_face_gets_ten_explained_cards_in_both_languages(synthetic_readings):
    for _, reading in synthetic_readings:
        looks = {language: advise(reading, Preferences(language=language)) for language in ("en", "zh")}
        assert len(looks["en"].cards) == len(looks["zh"].cards) >= 10
        assert [c.rule for c in looks["en"].cards] == [c.rule for c in looks["zh"].cards]
        for language, look in looks.items():
            for card in look.cards:
                assert card.reason
                assert card.steps
                assert card.why
                assert all(why.sentence for why in card.why)
                texts = [card.title, card.reason, *card.steps, *(w.sentence for w in card.why)]
                for text in texts:
                    pair = Text(en=text, zh="好") if language == "en" else Text(en="ok", zh=text)
                    assert not [fault for fault in faults("card", pair) if fault[0] == "denied word"], text


def test_cards_are_in_the_order_of_use_and_ranks_are_a_permutation(synthetic_readings):
    look = advise(synthetic_readings[0][1])
    assert [card.number for card in look.cards] == list(range(1, len(look.cards) + 1))
    assert sorted(card.rank for card in look.cards) == list(range(1, len(look.cards) + 1))
    order = [DOMAINS.index(card.domain) for card in look.cards]
    assert order == sorted(order)
    assert sum(card.starred for card in look.cards) == 3


def test_a_measured_card_says_value_interval_percentile_and_rule(synthetic_readings):
    seen = 0
    for _, reading in synthetic_readings:
        for card in advise(reading, Preferences(minutes=60), max_cards=30).cards:
            for why in card.why:
                if why.percentile is None:
                    continue
                seen += 1
                assert why.low < why.value < why.high
                assert f"{why.percentile:.0f} of 100" in why.sentence
                low, high = why.cuts
                assert why.value < low or why.value > high or low < why.value < high
    assert seen >= 3


def test_random_people_never_get_contradictions_too_many_minutes_or_unasked_advice():
    random = np.random.default_rng(5)
    for _ in range(300):
        profile = random_profile(KB, random)
        chosen = [choice.rule for choice in select(KB, profile, 12)]
        assert len(chosen) <= 12
        assert len({rule.id for rule in chosen}) == len(chosen)
        assert len({rule.group for rule in chosen}) == len(chosen)
        assert sum(rule.minutes for rule in chosen) <= profile.minutes
        assert profile.nose or not any(rule.domain == "nose" for rule in chosen)
        if profile.says("minor", "yes"):
            assert not any(rule.shaping for rule in chosen)
        if profile.says("skin_condition", "yes"):
            assert {rule.domain for rule in chosen} == {"care"}
        for i, rule in enumerate(chosen):
            assert not any(clash(KB, rule, other) for other in chosen[i + 1 :])


def test_by_default_nothing_reshapes_and_nothing_names_the_nose():
    random = np.random.default_rng(6)
    for _ in range(200):
        profile = default_profile(KB, random)
        for choice in select(KB, profile, 14):
            assert choice.rule.domain != "nose"
            intents = [c.any_of for c in choice.rule.when if c.attribute == "intent"]
            assert all("accent" in allowed for allowed in intents)


def test_undecided_means_no_card_that_rests_on_it():
    profile = told(eye_spacing="wide")
    assert "eye-wide-accent" in ids(profile)
    undecided = Profile({**profile.beliefs, "eye_spacing": Belief(None, "photo")}, 20.0)
    assert not any(name.startswith("eye-wide") for name in ids(undecided))


@pytest.mark.parametrize(
    ("answers", "card"),
    [
        ({"face_shape": "diamond"}, "blush-diamond"),
        ({"face_shape": "round", "intent": "lengthen"}, "contour-round-frame"),
        ({"lid_type": "monolid"}, "eye-monolid"),
        ({"undertone": "olive"}, "lip-olive"),
        ({"skin_depth": "depth_6"}, "blush-rich"),
        ({"freckles": "yes"}, "base-freckles"),
        ({"glasses": "yes"}, "eye-glasses"),
        ({"facial_hair": "stubble"}, "base-stubble"),
        ({"occasion": "wedding"}, "finish-wedding"),
        ({"minor": "yes"}, "care-minor"),
        ({"skin_condition": "yes"}, "care-irritated"),
        ({"style": "kbeauty"}, "eye-aegyo"),
    ],
)
def test_what_a_person_tells_decides(answers, card):
    assert card in ids(told(**answers, minutes=40.0), 24)


def test_the_nose_is_spoken_of_only_when_asked():
    assert not any(r.startswith("nose") for r in ids(told(nose_width="wide", minutes=60.0), 30))
    assert "nose-lines" in ids(told(nose_width="wide", minutes=60.0, nose=True, skill="confident"), 30)


def test_few_minutes_give_few_cards_and_say_what_was_left_out():
    short = select(KB, told(minutes=5.0), 14)
    assert 0 < sum(choice.rule.minutes for choice in short) <= 5
    reasons = {reason for choice in short for _, reason in choice.instead_of}
    assert "no_time" in reasons or "same_group" in reasons
    assert len(short) < len(select(KB, told(minutes=20.0), 14))


def test_experience_opens_harder_cards():
    def hard(skill):
        return {c.rule.skill for c in fitting(KB, told(skill=skill, face_shape="oval", intent="define"))}

    assert hard("beginner") == {1}
    assert hard("some") == {1, 2}


def test_the_same_profile_gives_the_same_look():
    profile = told(eye_tilt="up", brow_arch="flat")
    looks = [look_for(profile, Preferences(), KB) for _ in range(2)]
    assert looks[0] == looks[1]


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"occasion": "picnic"}, "occasion is 'picnic': expected one of day, office"),
        ({"intent": "slimmer"}, "intent is 'slimmer'"),
        ({"language": "fr"}, "language is 'fr': expected one of en, zh"),
        ({"minutes": 0}, "minutes is 0"),
        ({"confirmed": {"gender": "x"}}, "confirmed attribute is 'gender'"),
        ({"confirmed": {"lid_type": "blue"}}, "lid_type is 'blue': expected one of double"),
    ],
)
def test_impossible_wishes_are_refused_with_what_is_possible(wishes, words):
    with pytest.raises(ConfigError, match=words):
        Preferences(**wishes)


def test_nothing_is_known_of_gender_age_weight_or_beauty():
    names = " ".join(attribute.id for attribute in KB.attributes)
    for word in (
        "gender",
        "male",
        "age_",
        "young",
        "weight",
        "chubby",
        "attractive",
        "beauty",
        "score",
        "pale",
    ):
        assert word not in names
