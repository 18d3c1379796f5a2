"""How a run is watched: the coordinator tells an observer what happens, and knows nothing of screens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class RoundLine:
    """One round as the observers, ``metrics.jsonl`` and the report see it. Times in seconds, sizes in bytes."""

    round: int
    cohort: int
    survivors: int
    seconds: float
    bytes_up: int
    bytes_down: int
    epsilon: float | None
    """ε spent so far by the client that spent most, at the run's δ; None without differential privacy."""
    loss: float | None = None
    auc: dict[str, float | None] = field(default_factory=dict)
    """On the evaluation persons; None where only one class is present."""
    aborted: str | None = None
    """Why nothing was opened in this round."""
    refusals: dict[str, str] = field(default_factory=dict)
    """What clients answered instead of taking part, by client."""
    train_loss: float | None = None
    """Mean loss on the clients' own photos; known only in runs without differential privacy."""
    noise_to_signal: float | None = None
    """Norm of the noise over the norm of the noised sum: near 1 a round is mostly noise."""
    clipping_norm: float | None = None
    """Adaptive clipping: the norm of this round."""
    share_within: float | None = None
    """Adaptive clipping: the noised share of records within it, as the opened votes say; not confined to [0, 1]."""


class Observer(Protocol):
    """Someone who watches a run."""

    def started(self, run: str, rounds: int, parameters: int, attributes: tuple[str, ...]) -> None:
        """A run begins."""

    def phase(self, round_number: int, name: str, answered: int, asked: int) -> None:
        """A message phase of a round has had ``answered`` of ``asked`` replies."""

    def finished_round(self, line: RoundLine) -> None:
        """A round is over."""


class Silent:
    """An observer that looks away."""

    def started(self, run: str, rounds: int, parameters: int, attributes: tuple[str, ...]) -> None:
        """Do nothing."""

    def phase(self, round_number: int, name: str, answered: int, asked: int) -> None:
        """Do nothing."""

    def finished_round(self, line: RoundLine) -> None:
        """Do nothing."""
