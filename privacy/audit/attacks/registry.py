"""The attacks by name. An attack is one file of this package with one registration::

    @attack("membership", summary="who took part, by LiRA", seconds=90)
    def membership(target: Target, progress: Progress) -> AttackResult: ...

:func:`attacks` imports every file of the package, so a new file needs no other change. An attack raises
:class:`NotApplicable` where a run has nothing for it to attack.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib
import pkgutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import privacy.audit.attacks as package
from mien.errors import ConfigError
from privacy.audit.attacks.target import Progress, Target, ignore
from privacy.audit.evidence import FOLDER, AttackResult, write_result

Run = Callable[[Target, Progress], AttackResult]
_Run = TypeVar("_Run", bound=Run)


class NotApplicable(Exception):  # noqa: N818  # not an error: a reason to leave an attack out
    """A run has nothing that this attack could attack; the message says why."""


@dataclasses.dataclass(frozen=True)
class Attack:
    """One entry of the list."""

    name: str
    run: Run
    summary: str
    seconds: float
    """About how long it takes on one core for a run like the demo; attacks run in this order."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one attack: a result, or the reason that there is none."""

    attack: Attack
    result: AttackResult | None
    reason: str = ""


_ATTACKS: dict[str, Attack] = {}


def attack(name: str, *, summary: str, seconds: float) -> Callable[[_Run], _Run]:
    """Enter the decorated function under ``name``. Raises ConfigError when the name is taken."""

    def enter(run: _Run) -> _Run:
        if name in _ATTACKS:
            raise ConfigError(f"attack {name!r} is registered twice; choose another name")
        _ATTACKS[name] = Attack(name, run, summary, seconds)
        return run

    return enter


def attacks() -> tuple[Attack, ...]:
    """Return every attack, the quickest first."""
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return tuple(sorted(_ATTACKS.values(), key=lambda one: (one.seconds, one.name)))


def find(name: str) -> Attack:
    """Return the attack ``name``. Raises ConfigError that lists the known names."""
    known = {one.name: one for one in attacks()}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(f"unknown attack {name!r}; {hint}known attacks: {', '.join(sorted(known))}")
    return known[name]


def perform(one: Attack, target: Target, progress: Progress = ignore) -> Outcome:
    """Run one attack and, for a run folder, write its result to ``RUN/audit/<name>.json``."""
    began = time.monotonic()
    try:
        result = one.run(target, progress)
    except NotApplicable as reason:
        if target.folder is not None:
            (target.folder / FOLDER / f"{one.name}.json").unlink(missing_ok=True)
        return Outcome(one, None, str(reason))
    result = result.model_copy(update={"seconds": round(time.monotonic() - began, 3)})
    if target.folder is not None:
        write_result(target.folder, result)
    return Outcome(one, result)


def perform_all(
    folder: Path, only: tuple[str, ...] = (), progress: Callable[[Attack, float], None] | None = None
) -> Iterator[Outcome]:
    """Attack a run with every attack, or with those named ``only``, and yield what came of each."""
    target = Target.of_run(folder)
    for one in [find(name) for name in only] or attacks():
        report = functools.partial(progress, one) if progress else ignore
        yield perform(one, target, report)
