"""The parts of this build that conformance looks at, each behind its public name.

The checks reach the product only through a :class:`Build`, as an auditor would from outside. A planted fault
(:mod:`privacy.audit.conformance.faults`) is a Build in which one part was exchanged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor, nn

from privacy.contribution import LocalResult, RoundUpdate, contribute, read_sum
from privacy.dpsgd.optimizer import PrivateTrainer
from privacy.egress import check_egress
from privacy.ledger.ledger import Ledger
from privacy.plan import LocalTraining, RoundPlan, SecureAggregation, Update
from privacy.randomness import RandomSource, SystemSource
from privacy.secagg.client import SecAggClient
from privacy.secagg.graph import default_threshold
from privacy.secagg.masking import FieldVector

Vector = NDArray[np.int32] | NDArray[np.int64]
Part = bytes | NDArray[np.generic]


class Trainer(Protocol):
    """What an optimizer of private steps offers."""

    def step(self, losses: Callable[[], Tensor], weights: Tensor | None = None) -> object:
        """Take a step on a batch."""

    def step_empty(self) -> object:
        """Take a step on an empty batch."""


class MakeTrainer(Protocol):
    """Builds a private optimizer; the arguments are those of :class:`PrivateTrainer`."""

    def __call__(
        self,
        model: nn.Module,
        *,
        clipping_norm: float,
        noise_multiplier: float,
        divisor: float,
        learning_rate: float,
        source: RandomSource,
        stack: int = 1,
    ) -> Trainer:
        """Return an optimizer of ``model``."""


class CheckEgress(Protocol):
    """The gate in front of everything that leaves."""

    def __call__(
        self, kind: str, parts: Mapping[str, Part], *, vector_length: int = 0, field_bits: int = 32
    ) -> None:
        """Raise PolicyError unless the parts may leave."""


def _upload(client: SecAggClient, request: bytes, vector: Vector) -> tuple[bytes, FieldVector]:
    return client.upload(request, vector)


@dataclasses.dataclass(frozen=True)
class Build:
    """The public seams."""

    source: Callable[[], RandomSource] = SystemSource
    """A new source of secrets and noise: of another client, or of another round."""
    trainer: MakeTrainer = PrivateTrainer
    contribute: Callable[[LocalResult, RoundPlan, RandomSource, RandomSource], Vector] = contribute
    read_sum: Callable[[NDArray[np.int64], int, RoundPlan], RoundUpdate] = read_sum
    upload: Callable[[SecAggClient, bytes, Vector], tuple[bytes, FieldVector]] = _upload
    egress: CheckEgress = check_egress
    ledger: Callable[..., Ledger] = Ledger.open


def round_plan(cohort: int, parameters: int, *, tail: int = 2, **changes: Any) -> RoundPlan:
    """Return a plan of ``cohort`` clients; ``changes`` go to the part that has a field of that name."""
    parts: dict[str, dict[str, Any]] = {
        "training": {"steps": 1, "sampling_rate": 1.0, "divisor": 4.0, "photos_per_record": 1,
                     "learning_rate": 1.0, "clipping_norm": 1.0},
        "update": {"clipping_norm": 8.0, "noise": "skellam", "noise_multiplier": 0.25,
                   "honest_survivors": cohort},
        "secagg": {"vector_length": parameters + tail, "neighbours": cohort - 1,
                   "threshold": default_threshold(cohort - 1), "min_survivors": cohort - 1},
    }  # fmt: skip
    kinds: dict[str, type[BaseModel]] = {
        "training": LocalTraining,
        "update": Update,
        "secagg": SecureAggregation,
    }
    for name in list(changes):
        for part, kind in kinds.items():
            if name in kind.model_fields:
                parts[part][name] = changes.pop(name)
                break
    top: dict[str, Any] = {"run": "conformance", "round": 1, "purpose": "audit", "mode": "distributed",
                           "model": "none", "model_hash": "ab" * 32}  # fmt: skip
    names = tuple(f"client-{index:04d}" for index in range(cohort))
    whole: dict[str, Any] = {part: kinds[part](**values) for part, values in parts.items()}
    return RoundPlan(**{**top, **changes}, cohort=names, **whole)
