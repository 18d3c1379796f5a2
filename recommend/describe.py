"""Sentences about a reading that the terminal and the printed sheet share, in the person's language."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from recommend.adviser import Card, Look
from recommend.explain import number
from recommend.knowledge.load import current
from recommend.knowledge.model import Attribute, Language
from recommend.look import LookResult
from recommend.reading.reading import Measurement, Reading
from recommend.reading.reference import reference_table

MAX_QUESTIONS = 4
ASKED_FIRST = ("lid_type", "skin_depth", "undertone", "brow_density", "face_shape", "glasses")


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of the table of measures."""

    cells: tuple[str, ...]
    decided: bool


@dataclasses.dataclass(frozen=True)
class Describer:
    """Speaks about readings and looks in one language."""

    language: Language

    def say(self, key: str, **values: object) -> str:
        """Return a text of wording.json with its places filled."""
        return current().wording[key].into(self.language).format(**values)

    def join(self, words: Sequence[str]) -> str:
        """Join words with the comma of the language."""
        return ("、" if self.language == "zh" else ", ").join(words)

    @property
    def dash(self) -> str:
        """What stands between a thing and what is said of it."""
        return "：" if self.language == "zh" else ": "

    def aside(self, words: str) -> str:
        """Return words in the brackets of the language."""
        return f"（{words}）" if self.language == "zh" else f" ({words})"

    def answer(self, attribute: Attribute, answer: str | None) -> str:
        """Return the name of an answer, or the word for *undecided*."""
        names = {entry.id: entry.names.into(self.language) for entry in attribute.answers}
        return names[answer] if answer in names else self.say("label.undecided")

    def notices(self, reading: Reading) -> list[tuple[str, str]]:
        """Return (what is the matter, what to do) for every notice of the drawn photo."""
        return [
            (self.say(f"notice.{n.code}", value=abs(n.value)), self.say(f"next.{n.code}"))
            for n in reading.notices
        ]

    def summary(self, reading: Reading) -> list[tuple[str, str]]:
        """Return (label, sentence) for outline, depth and undertone."""
        kb = current()
        rows = []
        shapes = list(reading.shape.items())[:2]
        attribute = kb.attribute("face_shape")
        likely = self.join([f"{self.answer(attribute, name)} {100 * p:.0f} %" for name, p in shapes])
        open_mark = "" if reading.shape_answer else self.aside(self.say("label.undecided"))
        rows.append((self.say("label.shape"), likely + open_mark))
        if reading.skin is not None:
            skin = reading.skin
            span = f"ITA {skin.ita_low:.0f}° … {skin.ita_high:.0f}°"
            depth = kb.attribute("skin_depth")
            nearest = sorted(skin.depth, key=lambda name: -skin.depth[name])[:2]
            names = self.join(
                [f"{self.answer(depth, name)} {100 * skin.depth[name]:.0f} %" for name in nearest]
            )
            rows.append(
                (self.say("label.skin"), self.join([names, span, self.say(f"label.method.{skin.method}")]))
            )
            tone = kb.attribute("undertone")
            shares = self.join(
                [f"{self.answer(tone, name)} {100 * p:.0f} %" for name, p in skin.undertone.items()]
            )
            rows.append((self.say("label.undertone"), shares))
        return rows

    def total(self, look: Look) -> str:
        """Return how many cards there are and how long they take."""
        return self.say("label.total", cards=len(look.cards), minutes=f"{look.minutes:g}")

    def measures(self, result: LookResult) -> list[Row]:
        """Return the table of measures; those of the nose only when they were asked for."""
        rows = []
        for found in result.reading.measurements.values():
            attribute = current().attribute(found.attribute)
            if attribute.opt_in and not result.look.preferences.nose:
                continue
            rows.append(self._measure(attribute, found))
        return rows

    def _measure(self, attribute: Attribute, found: Measurement) -> Row:
        verdict = self.answer(attribute, found.answer)
        if found.answer is None:
            key = "near_cut" if "near_cut" in found.undecided else "photo"
            verdict += self.aside(self.say(f"undecided.{key}"))
        unit = attribute.unit
        cells = (
            attribute.names.into(self.language),
            number(found.value, unit),
            f"{number(found.low, unit)} … {number(found.high, unit)}",
            f"{found.percentile:.0f}",
            verdict,
        )
        return Row(cells, found.answer is not None)

    def reference(self) -> str:
        """Return what percentiles mean and whom they compare with."""
        people = max(row.people for row in reference_table().values())
        return self.say("label.no_score", people=people, set=self.say("label.reference_set"))

    def places(self, card: Card) -> list[str]:
        """Return each place of a card in words that find it without the picture."""
        return [f"{place.name}{self.dash}{place.where}" for place in card.places]

    def open_questions(self, result: LookResult) -> list[str]:
        """Return a few attributes that only the person knows, those first that would change the advice most."""
        told = result.look.preferences.confirmed
        known = {
            "face_shape": result.reading.shape_answer is not None,
            "skin_depth": result.reading.depth_answer is not None,
        }
        hinted = [hint.attribute for hint in result.hints]
        order = dict.fromkeys([*hinted, *ASKED_FIRST])
        unknown = [name for name in order if name not in told and not known.get(name, False)]
        return [name for name in unknown if current().attribute(name).question is not None][:MAX_QUESTIONS]

    def hinted(self, result: LookResult) -> list[str]:
        """Return, for every hint of a federated model, what it is about and that it decides nothing."""
        told = result.look.preferences.confirmed
        names = {
            hint: current().attribute(hint.attribute).names.into(self.language)
            for hint in result.hints
            if hint.attribute not in told
        }
        return [
            self.say("label.hint", name=name, probability=f"{100 * hint.probability:.0f}")
            for hint, name in names.items()
        ]

    def questions(self, result: LookResult) -> list[str]:
        """Return those questions as sentences, with how to answer."""
        asked = []
        for attribute in map(current().attribute, self.open_questions(result)):
            if attribute.question is not None:
                answers = "|".join(entry.id for entry in attribute.answers)
                asked.append(
                    f"{attribute.question.into(self.language)}\n    --confirm {attribute.id}={answers}"
                )
        return asked
