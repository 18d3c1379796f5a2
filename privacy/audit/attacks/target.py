"""What is attacked: a run folder, read once, and what it promised."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

from configs.load import load_config
from configs.schema import RunConfig
from faces.federation import Federation, federate
from mien.errors import RunError
from privacy.audit.conformance.build import Build
from privacy.audit.evidence import Claim
from privacy.audit.transcript import read_transcript
from privacy.plan import RoundPlan

T = TypeVar("T")
Progress = Callable[[float], None]
"""Takes the part of an attack that is done, from 0 to 1."""


@dataclasses.dataclass(frozen=True)
class Target:
    """One run, seen by an attacker who knows its config, its plans and its model, and has this build."""

    config: RunConfig
    folder: Path | None = None
    """None attacks a config that was not run: what does not need the run's own model still works."""
    build: Build = dataclasses.field(default_factory=Build)
    """The parts of the product; tests plant faults in it."""
    memory: dict[str, object] = dataclasses.field(default_factory=dict, repr=False, compare=False)
    """What one attack made and another needs too; see :meth:`once`."""

    @classmethod
    def of_run(cls, folder: Path) -> Target:
        """Read a run folder. Raises RunError where it is none, ConfigError for a config that is none."""
        path = folder / "config.toml"
        if not path.is_file():
            raise RunError(f"{folder}: it has no config.toml; give a run folder, such as runs/<time>-demo")
        return cls(load_config(str(path)), folder)

    @property
    def private(self) -> bool:
        """Whether the run promised differential privacy."""
        return self.config.privacy.mode != "none"

    @property
    def claim(self) -> Claim:
        """What the run promised for all of its rounds together."""
        if not self.private:
            return Claim()
        return Claim(epsilon=self.config.privacy.epsilon, delta=self.config.privacy.delta)

    @functools.cached_property
    def plans(self) -> tuple[RoundPlan, ...]:
        """The plans of the run, from its transcript."""
        if self.folder is None:
            return ()
        lines = read_transcript(self.folder / "transcript.jsonl")
        return tuple(RoundPlan.from_bytes(line["plan"].encode()) for line in lines if line["kind"] == "plan")

    @functools.cached_property
    def federation(self) -> Federation:
        """The run's data, split as the run split it. Takes a while where it is not prepared yet."""
        return federate(self.config.data, self.config.clients, self.config.seed)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Return what ``make`` returns; it is called for the first attack that asks for ``name``."""
        if name not in self.memory:
            self.memory[name] = make()
        return cast("T", self.memory[name])


def ignore(done: float) -> None:
    """Take progress and do nothing."""
    del done
