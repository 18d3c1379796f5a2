"""What the person wants and says about themselves; everything else is measured or left open."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from mien.errors import ConfigError
from recommend.knowledge.load import current
from recommend.knowledge.model import Attribute, Language

CHOICES = ("occasion", "style", "intent", "skill", "season")


@dataclasses.dataclass(frozen=True)
class Preferences:
    """The person's choices; each has a default that suits most.

    ``intent`` is what the look should do: *accent* shows what is there; *balance*, *lengthen* and the others
    play with proportions and are used only when chosen. ``nose`` asks for advice on the nose, which is never
    given otherwise. ``confirmed`` says what only the person knows (``{"lid_type": "monolid"}``) or overrules
    what a photo said (``{"face_shape": "diamond"}``); its keys and values are those of attributes.json.

    Raises ConfigError for a value that the knowledge base does not know.
    """

    language: Language = "en"
    occasion: str = "day"
    style: str = "natural"
    intent: str = "accent"
    skill: str = "some"
    minutes: float = 20.0
    season: str | None = None
    nose: bool = False
    confirmed: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.language not in ("en", "zh"):
            raise _unknown("language", self.language, ("en", "zh"))
        if not 0 < self.minutes <= 240:
            raise ConfigError(
                f"minutes is {self.minutes:g}: expected more than 0 and at most 240. Say how long you have."
            )
        for name in CHOICES:
            value = getattr(self, name)
            if value is not None:
                _check(current().attribute(name), value)
        known = {entry.id: entry for entry in current().attributes if entry.kind != "chosen"}
        for name, answer in self.confirmed.items():
            if name not in known:
                raise _unknown("confirmed attribute", name, tuple(known))
            _check(known[name], answer)


def _check(attribute: Attribute, answer: str) -> None:
    allowed = tuple(entry.id for entry in attribute.answers)
    if answer not in allowed:
        raise _unknown(attribute.id, answer, allowed)


def _unknown(what: str, got: str, allowed: tuple[str, ...]) -> ConfigError:
    return ConfigError(f"{what} is {got!r}: expected one of {', '.join(allowed)}. Choose one of these.")
