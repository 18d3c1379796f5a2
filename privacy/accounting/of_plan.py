"""What a round plan costs the person who takes part in it, as an event of the ledger.

The device charges this event before it trains, and an auditor derives the same one from the plan in the
transcript: neither takes the other's word.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TypeAlias

from privacy.accounting.events import (
    DiscreteGaussianSum,
    GaussianSum,
    PersonSampledDiscreteGaussianSum,
    PersonSampledSkellamSum,
    PoissonGaussian,
    SkellamSum,
)
from privacy.contribution import ROUNDING_MARGIN
from privacy.mechanisms.adaptive import vote_sensitivity
from privacy.plan import RoundPlan

RoundEvent: TypeAlias = PoissonGaussian | GaussianSum | SkellamSum | DiscreteGaussianSum


def event_of(plan: RoundPlan) -> RoundEvent:
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
    kinds: tuple[type[SkellamSum], type[DiscreteGaussianSum]]
    if plan.mode == "distributed" and training.clipping_norm is not None:
        bound = training.clipping_norm * (1 + ROUNDING_MARGIN) + math.sqrt(dimension) / update.scale
        rate = training.sampling_rate
        kinds = (PersonSampledSkellamSum, PersonSampledDiscreteGaussianSum)
    else:
        kinds = (SkellamSum, DiscreteGaussianSum)
    kind = kinds[0] if update.noise == "skellam" else kinds[1]
    bound = math.hypot(bound, vote_sensitivity(update.adaptive) / update.scale)
    return kind(
        scale=update.scale,
        clipping_norm=bound,
        variance_per_client=deviation**2 / update.honest_survivors,
        survivors=update.honest_survivors,
        dimension=dimension,
        client_rate=rate,
    )


def released_event(plan: RoundPlan, survivors: int) -> RoundEvent:
    """Return the event that an *opened* round is to someone who is in league with neither server nor clients.

    :func:`event_of` counts the shares of ``honest_survivors`` alone: what a server can be sure to be left with if
    the fewest survive and as many collude as the plan allows. A mere recipient of the model faces the noise of all
    ``survivors``. A round that was not opened released nothing to it.
    """
    event = event_of(plan)
    if isinstance(event, SkellamSum | DiscreteGaussianSum):
        return dataclasses.replace(event, survivors=max(event.survivors, survivors))
    return event
