"""What a round plan costs the person who takes part in it, as an event of the ledger.

The device charges this event before it trains, and an auditor derives the same one from the plan in the
transcript: neither takes the other's word.
"""

from __future__ import annotations

import math

from privacy.accounting.events import DiscreteGaussianSum, GaussianSum, PoissonGaussian, SkellamSum
from privacy.contribution import ROUNDING_MARGIN
from privacy.mechanisms.adaptive import vote_sensitivity
from privacy.plan import RoundPlan


def event_of(
    plan: RoundPlan,
) -> PoissonGaussian | GaussianSum | SkellamSum | DiscreteGaussianSum:
    """Return the event that one round under ``plan`` is, at the level of a person.

    * ``silo``: DP-SGD with the client's own noise.
    * ``distributed``: one clipped sum over a Poisson sample of persons that only its client knows, with the
      sensitivity that :mod:`privacy.contribution` proves (B3): C·(1 + 2^-11)·scale + √d units.
    * ``device``: the whole, clipped and rounded update; the encoding keeps the norm after rounding.
    * ``none``: no noise, an infinite epsilon; it is charged all the same, and refused by any budget.

    With adaptive clipping the sensitivity is the joint one of update and vote (:mod:`privacy.mechanisms.adaptive`,
    Q1), in units of the round's clipping norm.
    """
    update, training = plan.update, plan.training
    if plan.mode == "silo":
        return PoissonGaussian(training.sampling_rate, training.noise_multiplier, training.steps)
    if plan.mode == "none" or update.noise == "none":
        return GaussianSum(0.0)

    dimension = plan.secagg.vector_length
    deviation = update.noise_multiplier * update.clipping_norm * update.scale
    bound, rate = update.clipping_norm, 1.0
    if plan.mode == "distributed" and training.clipping_norm is not None:
        bound = training.clipping_norm * (1 + ROUNDING_MARGIN) + math.sqrt(dimension) / update.scale
        rate = training.sampling_rate
    bound = math.hypot(bound, vote_sensitivity(update.adaptive) / update.scale)
    kind = SkellamSum if update.noise == "skellam" else DiscreteGaussianSum
    return kind(
        scale=update.scale,
        clipping_norm=bound,
        variance_per_client=deviation**2 / update.honest_survivors,
        survivors=update.honest_survivors,
        dimension=dimension,
        client_rate=rate,
    )
