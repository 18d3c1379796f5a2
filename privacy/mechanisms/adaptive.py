"""Adaptive clipping: the clipping norm follows a private quantile of the norms that it clips.

After Andrew, Thakkar, McMahan, Ramaswamy, "Differentially Private Learning with Adaptive Clipping", 2021. What is
clipped (a client's update in mode ``device``, a person's gradient in mode ``distributed``) also *votes*: one more
element of the masked vector gets ``within`` units where its norm was within the clipping norm, and ``-beyond``
units where it was not. The server reads the noised sum of the votes and moves the norm for later rounds.

The vector is in units of the clipping norm C. Let K be the sensitivity of the update in integer units (C is one
``scale`` of them) and v = max(within, beyond).

Guarantees (assumptions: those of :mod:`privacy.mechanisms.distributed`):

Q1. *Joint sensitivity.* What one record adds to the whole vector, vote included, has an L2 norm of at most
    √(K² + v²). Proof. The vote is an element of its own, so the squares add up; it is a whole number, so rounding
    does not move it, and ±within, ±beyond are at most v for every record, clipped, hostile or not finite. Where a
    client adds several votes the sum is cut to the bound of an element, and cutting to an interval moves no two
    numbers apart.
Q2. *The price is the paper's split.* All elements carry noise of the same deviation s. With z_Δ = s/K for the
    update and σ_b = s/(2v) for votes of ±v (the paper counts bits of ±1/2), s/√(K² + v²) is
    (z_Δ^-2 + (2 σ_b)^-2)^-1/2: the event of the round has the total multiplier z of a round without votes if
    z_Δ = z √(1 + (v/K)²). :func:`privacy.accounting.of_plan.event_of` computes √(K² + v²) from the plan alone.
Q3. *The cost does not move with the norm.* K, v, scale and noise are in units of C, so all rounds of a run are
    equal events; C itself is a function of earlier releases only, and adaptive composition covers it.
Q4. *It converges.* The expected sum of the votes is zero exactly where the share ``beyond / (within + beyond)`` of
    the records is within C, however many records there are: the number of persons in a round is itself private in
    mode ``distributed``, and need not be known. Above it the norm falls, below it rises.
"""

from __future__ import annotations

import dataclasses
import math

from mien.errors import ConfigError
from privacy.plan import AdaptiveNorm


@dataclasses.dataclass(frozen=True)
class AdaptiveClipping:
    """The rule of a run. All fields are public."""

    quantile: float = 0.5
    """Share of the records whose norm should be within the clipping norm."""
    learning_rate: float = 0.2
    """η: the logarithm of the norm moves by at most this much in a round."""
    count_share: float = 0.02
    """Share of the round's privacy that the votes take: v² / (K² + v²) with K = ``scale``."""
    lowest: float = 1e-6
    highest: float = 1e6
    """The norm stays between these."""

    def __post_init__(self) -> None:
        checks = (
            (0.01 <= self.quantile <= 0.99, "quantile", "from 0.01 to 0.99"),
            (0 < self.learning_rate <= 1, "learning_rate", "above 0 and at most 1"),
            (0 < self.count_share <= 0.5, "count_share", "above 0 and at most 0.5"),
            (0 < self.lowest < self.highest < math.inf, "lowest", "above 0 and below highest"),
        )
        for holds, name, expected in checks:
            if not holds:
                raise ConfigError(
                    f"adaptive clipping: {name} must be {expected}; got {getattr(self, name)!r}"
                )

    def in_plan(self, norm: float, scale: int) -> AdaptiveNorm:
        """Return what a plan says of a round with this ``norm``, at ``scale`` integer units of 1.0.

        Raises ConfigError where the scale is too coarse for votes of whole units.
        """
        largest = scale * math.sqrt(self.count_share / (1.0 - self.count_share))
        whole = largest / max(self.quantile, 1.0 - self.quantile)
        within, beyond = round(whole * (1.0 - self.quantile)), round(whole * self.quantile)
        if min(within, beyond) < 1:
            raise ConfigError(
                f"adaptive clipping: with a scale of {scale} a vote would be less than one integer unit; raise "
                "secagg.scale_bits or privacy.adaptive.count_share"
            )
        return AdaptiveNorm(norm=self.bounded(norm), within=within, beyond=beyond)

    def next_norm(self, norm: float, share_within: float) -> float:
        """Return C · exp(−η (share within − quantile)), bounded (Q4). ``share_within`` may be any noised number."""
        error = min(1.0, max(-1.0, share_within - self.quantile))
        return self.bounded(norm * math.exp(-self.learning_rate * error))

    def bounded(self, norm: float) -> float:
        """Return the norm nearest to ``norm`` that the rule allows."""
        return min(self.highest, max(self.lowest, norm))


def vote_sensitivity(adaptive: AdaptiveNorm | None) -> int:
    """Return v of Q1: by how many integer units one record's vote can move the sum; 0 without votes."""
    return 0 if adaptive is None else max(adaptive.within, adaptive.beyond)


def votes(adaptive: AdaptiveNorm, within: int, beyond: int) -> int:
    """Return the sum of the votes, in integer units, of so many records within the norm and beyond it."""
    return within * adaptive.within - beyond * adaptive.beyond


def share_within(adaptive: AdaptiveNorm, total: float, records: float) -> float:
    """Return the noised share of records within the norm, from the opened sum of their votes.

    ``records`` is how many were asked to vote, or a public guess of it: a wrong guess stretches the distance to the
    target quantile and never turns it round (Q4). Not confined to [0, 1], so that noise can cancel over rounds.
    """
    whole = adaptive.within + adaptive.beyond
    return (total / records + adaptive.beyond) / whole


def share_deviation(adaptive: AdaptiveNorm, noise_deviation: float, records: float) -> float:
    """Return the standard deviation of :func:`share_within` for noise of ``noise_deviation`` integer units."""
    return noise_deviation / ((adaptive.within + adaptive.beyond) * records)
