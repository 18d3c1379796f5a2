"""Why a card is shown, in the person's language: the value, its interval, its place, and the rule."""

from __future__ import annotations

import dataclasses

from recommend.feedback.taste import NOTABLE, Judgement
from recommend.knowledge.model import Attribute, Condition, KnowledgeBase, Language, Rule
from recommend.profile import Profile
from recommend.reading.reading import Reading


@dataclasses.dataclass(frozen=True)
class Why:
    """One reason of a card, as a sentence and as figures.

    ``origin`` is "photo", "told", "chosen", "taste" or "always"; the figures are None where there are none.
    ``percentile`` and the ``cuts`` are of the reference group.
    """

    sentence: str
    origin: str
    attribute: str | None = None
    answer: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    percentile: float | None = None
    cuts: tuple[float, float] | None = None


def why(
    rule: Rule, profile: Profile, reading: Reading | None, knowledge: KnowledgeBase, language: Language
) -> tuple[Why, ...]:
    """Return the reasons of a rule that holds for a profile, one a condition."""
    if not rule.when:
        return (Why(knowledge.wording["why.always"].into(language), "always"),)
    speaker = _Speaker(knowledge, language)
    return tuple(speaker.reason(condition, profile, reading) for condition in rule.when)


def why_there(
    rule: Rule, judgement: Judgement, knowledge: KnowledgeBase, language: Language
) -> tuple[Why, ...]:
    """Return the reason for which a taste moved a card up or down, or nothing where it hardly did."""
    if abs(judgement.relative) < NOTABLE or judgement.relative * judgement.logit <= 0:
        return ()
    way = "up" if judgement.relative > 0 else "down"
    if judgement.because is None:
        return (Why(knowledge.wording[f"why.taste_prior_{way}"].into(language), "taste"),)
    kind = "same" if judgement.because == rule.id else "liked" if judgement.because_liked else "not_liked"
    title = {each.id: each.title for each in knowledge.rules}.get(judgement.because)
    if title is None or (kind == "same" and judgement.because_liked != (way == "up")):
        return ()
    sentence = knowledge.wording[f"why.taste_{kind}_{way}"].into(language)
    return (Why(sentence.format(title=title.into(language)), "taste"),)


def number(value: float, unit: str | None) -> str:
    """Write a measure: degrees with one decimal and the sign, ratios with two."""
    return f"{value:.1f}°" if unit == "degrees" else f"{value:.2f}"


@dataclasses.dataclass(frozen=True)
class _Speaker:
    knowledge: KnowledgeBase
    language: Language

    def reason(self, condition: Condition, profile: Profile, reading: Reading | None) -> Why:
        attribute = self.knowledge.attribute(condition.attribute)
        if condition.at_most is not None:
            sentence = self.say("why.minutes", value=f"{profile.minutes:g}", limit=f"{condition.at_most:g}")
            return Why(sentence, "chosen", attribute.id)
        belief = profile.beliefs[condition.attribute]
        if belief.origin != "photo" or reading is None:
            key = "why.chosen" if belief.origin == "chosen" else "why.told"
            name, answer = (
                attribute.names.into(self.language),
                self.answers(attribute, (belief.answer or "",)),
            )
            return Why(self.say(key, name=name, answer=answer), belief.origin, attribute.id, belief.answer)
        if attribute.kind == "measured":
            return self.measured(attribute, condition, reading)
        if attribute.id == "face_shape":
            return self.shape(attribute, reading)
        return self.depth(attribute, condition, reading)

    def measured(self, attribute: Attribute, condition: Condition, reading: Reading) -> Why:
        found = reading.measurements[attribute.id]
        sentence = self.say(
            "why.measured",
            name=attribute.names.into(self.language),
            value=number(found.value, attribute.unit),
            low=number(found.low, attribute.unit),
            high=number(found.high, attribute.unit),
            percentile=f"{found.percentile:.0f}",
            answer=self.answers(attribute, (found.answer or "",)),
        )
        keys = ("why.rule_low", "why.rule_middle", "why.rule_high")
        order = [answer.id for answer in attribute.answers]
        cut = "why.rule_two" if len(condition.any_of) > 1 else keys[order.index(condition.any_of[0])]
        sentence += ("" if self.language == "zh" else " ") + self.say(cut)
        return Why(
            sentence, "photo", attribute.id, found.answer, found.value, found.low, found.high,
            found.percentile, found.cuts,
        )  # fmt: skip

    def shape(self, attribute: Attribute, reading: Reading) -> Why:
        (first, p_first), (second, p_second) = list(reading.shape.items())[:2]
        sentence = self.say(
            "why.shape",
            first=self.answers(attribute, (first,)),
            p_first=f"{100 * p_first:.0f}",
            second=self.answers(attribute, (second,)),
            p_second=f"{100 * p_second:.0f}",
        )
        return Why(sentence, "photo", attribute.id, first, p_first)

    def depth(self, attribute: Attribute, condition: Condition, reading: Reading) -> Why:
        skin = reading.skin
        if skin is None:
            return Why(self.say("why.always"), "always")
        together = sum(skin.depth.get(name, 0.0) for name in condition.any_of)
        sentence = self.say(
            "why.depth",
            value=f"{skin.ita:.0f}",
            low=f"{skin.ita_low:.0f}",
            high=f"{skin.ita_high:.0f}",
            answers=self.answers(attribute, condition.any_of),
            probability=f"{100 * together:.0f}",
        )
        return Why(
            sentence, "photo", attribute.id, "+".join(condition.any_of), skin.ita, skin.ita_low, skin.ita_high
        )

    def say(self, key: str, **values: str) -> str:
        return self.knowledge.wording[key].into(self.language).format(**values)

    def answers(self, attribute: Attribute, wanted: tuple[str, ...]) -> str:
        names = [entry.names.into(self.language) for entry in attribute.answers if entry.id in wanted]
        return ("、" if self.language == "zh" else ", ").join(names)
