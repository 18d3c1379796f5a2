"""Adaptive clipping: the clipping norm follows a private quantile of the clients' update norms.

After Andrew, Thakkar, McMahan, Ramaswamy, "Differentially Private Learning with Adaptive Clipping", 2021. Each
client adds one more coordinate to its vector: was its update within the clipping norm? The server reads the
noised share of clients that were, and moves the clipping norm geometrically towards the target quantile.

Guarantees (assumptions: those of :mod:`privacy.mechanisms.distributed`):

Q1. The answer costs nothing beyond the event of the round. The coordinate is ±weight/2 and the update gets the
    rest of the clipping norm, so the *joint* vector keeps the norm C that the noise was sized for. (Clipping
    the update to C and adding a bit on top, or noising the bit apart without charging it, would not.)
Q2. The norm rises when too few clients are within it and falls when too many are: it converges to the target
    quantile from both sides.

What a count is worth: with ``weight`` w the released count has a standard deviation of
noise_multiplier · C / w clients, and the update keeps √(1 − w²/4C²) of its clipping norm.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from mien.errors import ConfigError
from privacy.mechanisms.clipping import ClipReport, l2_clip


@dataclasses.dataclass(frozen=True)
class AdaptiveClipping:
    """The rule of a run. All fields are public."""

    target_quantile: float = 0.5
    """Share of clients whose update should be within the clipping norm."""
    learning_rate: float = 0.2
    """η: at most this much the logarithm of the norm moves in a round."""
    indicator_weight: float = 0.2
    """w as a fraction of the clipping norm: the length that the indicator takes of it is w/2."""
    lowest: float = 1e-6
    highest: float = 1e6

    def __post_init__(self) -> None:
        checks = (
            (0 < self.target_quantile < 1, "target_quantile", "between 0 and 1"),
            (0 < self.learning_rate <= 1, "learning_rate", "above 0 and at most 1"),
            (0 < self.indicator_weight <= 1, "indicator_weight", "above 0 and at most 1"),
            (0 < self.lowest < self.highest < math.inf, "lowest", "above 0 and below highest"),
        )
        for holds, name, expected in checks:
            if not holds:
                raise ConfigError(
                    f"adaptive clipping: {name} must be {expected}; got {getattr(self, name)!r}"
                )

    def update_norm(self, clipping_norm: float) -> float:
        """Return the part of ``clipping_norm`` that is left for the update itself."""
        return clipping_norm * math.sqrt(1.0 - 0.25 * self.indicator_weight**2)

    def clip_and_tell(
        self, update: NDArray[np.float64], clipping_norm: float
    ) -> tuple[NDArray[np.float64], ClipReport]:
        """Return the clipped update with the indicator as its last coordinate, float64 of shape (n + 1,).

        The whole has an L2 norm of at most ``clipping_norm`` (Q1). A non-finite update counts as too long: it
        must not vote for a smaller norm.
        """
        clipped, report = l2_clip(np.asarray(update, dtype=np.float64), self.update_norm(clipping_norm))
        within = not report.clipped and not report.non_finite
        indicator = 0.5 * self.indicator_weight * clipping_norm * (1.0 if within else -1.0)
        joint, _ = l2_clip(np.append(clipped, indicator), clipping_norm)  # takes off the last rounding error
        return joint, report

    def fraction_within(self, indicator_sum: float, clients: int, clipping_norm: float) -> float:
        """Return the noised share of ``clients`` within the norm, from the sum of their last coordinates.

        Not confined to [0, 1]: noise must be able to cancel over rounds.
        """
        return indicator_sum / (self.indicator_weight * clipping_norm * clients) + 0.5

    def next_norm(self, clipping_norm: float, fraction_within: float) -> float:
        """Return the clipping norm of the next round (Q2): C · exp(−η (fraction within − target))."""
        error = min(1.0, max(-1.0, fraction_within - self.target_quantile))
        moved = clipping_norm * math.exp(-self.learning_rate * error)
        return min(self.highest, max(self.lowest, moved))

    def count_deviation(self, noise_multiplier: float) -> float:
        """Return the standard deviation of the released count, in clients."""
        return noise_multiplier / self.indicator_weight
