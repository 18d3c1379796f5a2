"""One client's share of the noise that a cohort adds under secure aggregation.

Guarantees (assumptions: at least ``honest_survivors`` honest clients upload; fewer than that and the secure
sum is not opened; M1 of :mod:`privacy.mechanisms.strips`):

N1. The noise in the sum has at least the standard deviation ``noise_multiplier * clipping_norm * scale``, so
    the release is the SkellamSum or DiscreteGaussianSum event that the plan was charged for. Shares are sized
    for the *fewest* honest survivors; everyone beyond them only adds more.
N2. No client, and not the server, knows more of the noise than its own share.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mien.errors import PolicyError
from privacy.accounting.events import DiscreteGaussianSum, SkellamSum
from privacy.mechanisms import discrete_gaussian, skellam
from privacy.mechanisms.strips import StripSampler
from privacy.plan import Update
from privacy.randomness import RandomSource


@dataclasses.dataclass(frozen=True)
class NoisePlan:
    """How much noise one client adds, in integer units squared."""

    kind: Literal["skellam", "discrete_gaussian"]
    share_variance: float
    """Variance of one share (the parameter σ² of a discrete Gaussian)."""
    honest_survivors: int

    @classmethod
    def of(cls, update: Update, honest_survivors: int) -> NoisePlan:
        """Size a share for ``honest_survivors``. Raises PolicyError where the plan asks for no noise."""
        if update.noise == "none" or update.noise_multiplier == 0:
            raise PolicyError("noise: the plan asks for no noise, so there is no share to draw")
        if honest_survivors < 1:
            raise PolicyError(f"noise: honest_survivors must be at least 1; got {honest_survivors}")
        deviation = update.noise_multiplier * update.clipping_norm * update.scale
        return cls(update.noise, deviation**2 / honest_survivors, honest_survivors)

    @property
    def sampler(self) -> StripSampler:
        """The tables that draw one coordinate of a share."""
        if self.kind == "skellam":
            return skellam.sampler(self.share_variance)
        return discrete_gaussian.sampler(self.share_variance)

    @property
    def largest_share(self) -> int:
        """Bound of the absolute value of one coordinate of a share, for checking the field's capacity."""
        return self.sampler.largest

    def event(
        self, update: Update, dimension: int, client_rate: float = 1.0
    ) -> SkellamSum | DiscreteGaussianSum:
        """Return what one release costs a client whose integer vector has ``dimension`` coordinates."""
        kind = SkellamSum if self.kind == "skellam" else DiscreteGaussianSum
        return kind(
            scale=update.scale,
            clipping_norm=update.clipping_norm,
            variance_per_client=self.share_variance,
            survivors=self.honest_survivors,
            dimension=dimension,
            client_rate=client_rate,
        )


def noise_share(
    length: int, update: Update, honest_survivors: int, source: RandomSource
) -> NDArray[np.int64]:
    """Draw the integers that one client adds to its encoded vector, int64 of shape (length,).

    ``honest_survivors`` is the plan's fewest survivors less those that may collude: whoever reveals its own
    share takes it out of the sum again. Raises PolicyError where the plan asks for no noise.
    """
    return NoisePlan.of(update, honest_survivors).sampler.draw(length, source)


def field_bits_needed(cohort: int, sensitivity: float, plan: NoisePlan) -> int:
    """Return the bits of a field in which the sum of ``cohort`` vectors with shares cannot wrap around.

    ``sensitivity`` is the largest L2 norm of one integer vector, which one coordinate could carry alone.
    """
    largest = cohort * (math.ceil(sensitivity) + plan.largest_share)
    return (2 * largest + 1).bit_length()
