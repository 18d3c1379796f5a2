"""The person's opinions on cards, kept encrypted on the device: record, undo, reset, export, share.

Guarantees. They rest on those of :mod:`privacy.vault` and of secure aggregation.

F1. What is kept of an opinion is: the rule, its group and features, the occasion, style and minutes that the
    person chose, and liked or not. No photo, landmark, measure, date or name. (A rule can say something of a face:
    who liked advice for a round face probably has one. So it is encrypted, and shared only as F3 says.)
F2. It is in one entry of a vault, so it is encrypted at rest (V1, V2), whole after a crash (V3), and after
    ``reset`` no key of this device opens it (V4).
F3. Nothing is shared unless the person switched it on; it is off at first and after ``reset``. When it is off the
    device itself refuses to train on these rows (``client.data``), whatever a coordinator asks. When it is on,
    what leaves is one masked, clipped and noised vector a round, never a row.
F4. The taste is a function of what ``export`` shows and nothing else; ``export`` holds no key.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from faces.feedback import FEATURES, STATE_ENTRY, STATE_SCHEMA
from mien.errors import ConfigError, VaultError
from mien.files import canonical_json
from privacy.randomness import RandomSource
from privacy.vault import Vault
from recommend.feedback.features import Situation, features_of
from recommend.feedback.taste import NO_PRIOR, UNTOUCHED, Opinion, Prior, Taste, effective
from recommend.knowledge.load import current
from recommend.knowledge.model import KnowledgeBase
from recommend.preferences import Preferences

MOST = 500
"""Opinions that are kept; the oldest are forgotten first."""


@dataclasses.dataclass(frozen=True)
class Status:
    """What is kept, in numbers and words.

    ``hidden`` are the rules, by occasion, that are not shown because they were not for this person; ``guard`` is
    who guards the vault's key (``passphrase``, ``keyring`` or ``file``); ``prior`` says where the prior is from.
    """

    liked: int
    not_for_me: int
    hidden: tuple[tuple[str, str], ...]
    sharing: bool
    guard: str
    prior: str
    folder: Path

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            **dataclasses.asdict(self),
            "folder": str(self.folder),
            "hidden": [list(h) for h in self.hidden],
        }


@dataclasses.dataclass(frozen=True)
class _State:
    opinions: tuple[Opinion, ...] = ()
    sharing: bool = False
    prior: Prior = NO_PRIOR

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": STATE_SCHEMA,
            "sharing": self.sharing,
            "prior": dataclasses.asdict(self.prior),
            "opinions": [
                {
                    "rule": each.rule,
                    "group": each.group,
                    "situation": each.situation.to_json(),
                    "liked": each.liked,
                    "features": dict(each.features),
                }
                for each in self.opinions
            ],
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> _State:
        if content.get("schema") != STATE_SCHEMA:
            raise VaultError(
                f"The kept feedback has schema {content.get('schema')!r}: expected {STATE_SCHEMA}. Use the version "
                "of Mien that wrote it, or reset."
            )
        opinions = tuple(
            Opinion(
                each["rule"], each["group"], Situation(**each["situation"]), each["liked"], each["features"]
            )
            for each in content["opinions"]
        )
        return cls(opinions, content["sharing"], Prior(**content["prior"]))


class Feedback:
    """One person's opinions on this device. Safe to use from several processes at once."""

    def __init__(self, vault: Vault, knowledge: KnowledgeBase) -> None:
        self._vault, self._knowledge = vault, knowledge

    @classmethod
    def open(
        cls,
        folder: Path | None = None,
        *,
        passphrase: str | None = None,
        knowledge: KnowledgeBase | None = None,
        source: RandomSource | None = None,
    ) -> Feedback:
        """Open what is kept in ``folder`` (default :func:`default_folder`), or begin there.

        Raises VaultError where the key is wrong or missing or the vault is damaged.
        """
        vault = Vault.open(folder or default_folder(), passphrase=passphrase, source=source)
        return cls(vault, knowledge or current())

    def record(self, rule: str, liked: bool, wishes: Preferences | Situation) -> None:
        """Keep an opinion on a card that was shown for ``wishes``. On return it is on the disk.

        A newer opinion on the same rule in the same situation takes the place of an older one. Raises ConfigError
        for an unknown rule, and for one of care: these cards are not a matter of taste.
        """
        known = {each.id: each for each in self._knowledge.rules}
        if rule not in known:
            raise ConfigError(f"rule {rule!r} is unknown: expected the `rule` of a card that was shown.")
        if known[rule].domain == UNTOUCHED:
            raise ConfigError(f"{rule!r} is about care, which is shown whatever is liked: rate another card.")
        situation = wishes if isinstance(wishes, Situation) else Situation.of(wishes)
        row = features_of(known[rule], situation, self._knowledge)
        opinion = Opinion(rule, known[rule].group, situation, bool(liked), row)
        with self._changing() as state:
            self._store(dataclasses.replace(state, opinions=(*state.opinions, opinion)[-MOST:]))

    def undo(self) -> Opinion | None:
        """Take back the newest opinion and return it; None where there is none. An older one counts again."""
        with self._changing() as state:
            if not state.opinions:
                return None
            self._store(dataclasses.replace(state, opinions=state.opinions[:-1]))
            return state.opinions[-1]

    def taste(self) -> Taste:
        """Return the learner fitted to what is kept now; hand it to ``recommend.adviser.advise``."""
        state = self._state()
        return Taste(state.opinions, state.prior)

    def opinions(self) -> tuple[Opinion, ...]:
        """Return the opinions that count, oldest first."""
        return effective(self._state().opinions)

    def status(self) -> Status:
        """Return what is kept, in numbers."""
        state = self._state()
        counted = effective(state.opinions)
        liked = sum(each.liked for each in counted)
        newest = {(each.rule, each.situation.occasion): each.liked for each in counted}
        return Status(
            liked,
            len(counted) - liked,
            tuple(sorted(key for key, good in newest.items() if not good)),
            state.sharing,
            self._vault.guard,
            state.prior.origin,
            self._vault.folder,
        )

    def export(self) -> dict[str, Any]:
        """Return everything that is kept, as plain data that a person can read and keep. It holds no key."""
        titles = {rule.id: rule.title.model_dump() for rule in self._knowledge.rules}
        content = self._state().to_json()
        for each in content["opinions"]:
            each["title"] = titles.get(each["rule"])
        return content

    def reset(self) -> None:
        """Forget every opinion and the prior, switch sharing off, and change the vault's key (F2)."""
        with self._vault.exclusive():
            self._vault.delete(STATE_ENTRY)
            self._vault.rotate()

    def protect(self, passphrase: str) -> None:
        """From now on guard what is kept by a passphrase. A device cannot then share it: it does not know it."""
        self._vault.rotate(passphrase=passphrase)

    def sharing(self, on: bool) -> None:
        """Let this device's opinions take part in federated rounds, or not. The next round obeys."""
        with self._changing() as state:
            self._store(dataclasses.replace(state, sharing=bool(on)))

    def use_prior(self, prior: Prior) -> None:
        """Start from what people like on average; ``recommend.feedback.prior`` reads it from a trained model."""
        unknown = sorted(set(prior.weights) - set(FEATURES))
        if unknown:
            raise ConfigError(
                f"the prior weighs {', '.join(unknown)}: expected features among {', '.join(FEATURES)}. "
                "Use a model of this version."
            )
        with self._changing() as state:
            self._store(dataclasses.replace(state, prior=prior))

    def _state(self) -> _State:
        if STATE_ENTRY not in self._vault.names():
            return _State()
        return _State.from_json(json.loads(self._vault.read(STATE_ENTRY)))

    def _store(self, state: _State) -> None:
        self._vault.write(STATE_ENTRY, canonical_json(state.to_json()))

    @contextmanager
    def _changing(self) -> Iterator[_State]:
        """Read, so that what is then stored forgets nothing that another process stored meanwhile."""
        with self._vault.exclusive():
            yield self._state()


def default_folder() -> Path:
    """Return where feedback is kept when nobody says otherwise: ``~/.mien/feedback``."""
    return Path.home() / ".mien" / "feedback"
