"""What one client puts into the secure sum, and what the sum means: the two ends of a round, side by side.

B1. With differential privacy nothing but the update depends on the client's data: the weight is 1, the count 0,
    and there is no metric. Without it, count and loss ride in the vector, as sums over the cohort.
B2. ``device``: the rounded, integer update has an L2 norm of at most the clipping norm times the scale, so
    replacing the whole client by zero moves the sum by no more.
B3. ``distributed``: adding one person to a client moves its integer vector by at most
    ``C · (1 + 2^-11) · scale + √d`` in L2. Proof. Her clipped gradient has norm at most C, up to float32 rounding
    in the sum (2^-11, see :data:`privacy.dpsgd.optimizer.MARGIN`). Projecting the sum onto a ball is
    non-expansive. Stochastic rounding is ``floor(x + u)`` with u uniform; for each fixed u a coordinate that
    moved by δ moves by less than δ + 1, hence √d in all, and mixing over u preserves the bound for the noised
    vector (joint convexity). The ball leaves √d of room below the encoding's own bound, so no rounding is ever
    redrawn, which would make u depend on x.
B4. With adaptive clipping every norm above is in units of the round's clipping norm, and one more element holds the
    votes: their sensitivity joins that of B2 or B3 as :mod:`privacy.mechanisms.adaptive` proves (Q1). The one
    multiplication that changes the unit is within the 2^-11 of B3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.errors import PolicyError
from privacy.mechanisms.adaptive import share_within, votes
from privacy.mechanisms.clipping import l2_clip
from privacy.mechanisms.distributed import noise_share
from privacy.plan import RoundPlan, Update
from privacy.randomness import RandomSource
from privacy.secagg.layout import Metric, VectorLayout

ROUNDING_MARGIN = 2.0**-11
"""Relative room in C for float32 sums of clipped gradients."""
_MOST_PERSONS = 512
"""Bound of the update over that of a person up to which float32 projection (4 ulp of the ball) and the change of
unit (half an ulp of the factor and of each product, on both sides: 2) fit the margin."""
_LOSS = Metric("loss", 0.0, 16384.0, scale=1 << 8)
_VOTES = "votes"


@dataclass(frozen=True)
class LocalResult:
    """What a client's training gave. Count and loss may be told only where no privacy is promised (B1)."""

    update: NDArray[np.float32]
    """float32 [P], a descent direction: adding it to the weights lowers the loss."""
    persons: int = 0
    loss_sum: float = 0.0
    """Sum over all records of all steps."""
    loss_count: int = 0
    within: int = 0
    """``distributed``: sampled persons whose gradient was within the clipping norm, told by their votes (B4)."""
    beyond: int = 0


@dataclass(frozen=True)
class RoundUpdate:
    """What the coordinator reads from an opened sum."""

    step: NDArray[np.float32]
    """float32 [P]: what the server optimizer takes as the average update."""
    train_loss: float | None
    noise_to_signal: float | None
    """Norm of the noise that the plan asks for, over the norm of the noised sum; near 1 it is mostly noise."""
    share_within: float | None = None
    """Adaptive clipping: the noised share of records within the round's clipping norm."""


def layout_for(parameters: int, mode: str, update: Update) -> VectorLayout:
    """Return the layout that both ends use for a model of ``parameters`` weights."""
    return VectorLayout(parameters, metrics=_metrics(mode, update))


def _metrics(mode: str, update: Update) -> tuple[Metric, ...]:
    """Return the figures that ride beside the update; votes are cut to what one coordinate may be."""
    if update.adaptive is not None:
        bound = float(math.floor(update.clipping_norm * update.scale))
        return (Metric(_VOTES, -bound, bound, scale=1),)
    return (_LOSS,) if mode == "none" else ()


def contribute(
    result: LocalResult, plan: RoundPlan, rounding: RandomSource, noise: RandomSource
) -> NDArray[np.int32] | NDArray[np.int64]:
    """Return a client's vector, ready to be masked: bounded, rounded, with its share of noise."""
    layout = layout_for(len(result.update), plan.mode, plan.update)
    update, within, beyond = result.update, result.within, result.beyond
    if plan.mode == "distributed":
        update, _ = l2_clip(update, projection_norm(plan) * plan.update.unit)
    weight, count, metrics = plan.update.weight_bound, 0, {}
    if plan.mode == "none":
        share = result.persons / max(1.0, 4 * plan.training.divisor / plan.training.sampling_rate)
        weight, count = min(1.0, share) * weight, result.loss_count
        metrics = {_LOSS.name: result.loss_sum}
    if plan.update.adaptive is not None:
        if plan.mode == "device":
            update, report = l2_clip(update, plan.update.clipping_norm * plan.update.unit)
            beyond = int(
                report.clipped or report.non_finite > 0
            )  # what is not finite votes for no smaller norm
            within = 1 - beyond
        update = update * np.float32(1.0 / plan.update.unit)
        metrics = {_VOTES: float(votes(plan.update.adaptive, within, beyond))}
    vector = layout.encode(update, weight, count, metrics, plan, rounding).vector
    if plan.update.noise != "none":
        drawn = noise_share(layout.length, plan.update, plan.update.honest_survivors, noise)
        vector += drawn.astype(vector.dtype)
    return vector


def projection_norm(plan: RoundPlan) -> float:
    """Return the radius of the ball of B3, in the plan's units. Raises PolicyError where the scale leaves none."""
    person = plan.training.clipping_norm or 0.0
    if plan.update.clipping_norm > _MOST_PERSONS * person:
        raise PolicyError(
            f"plan of round {plan.round}: the update's bound {plan.update.clipping_norm:g} is more than "
            f"{_MOST_PERSONS} times a person's {person:g}, so rounding could exceed its margin; lower it"
        )
    radius = plan.update.clipping_norm * (1 - 2.0**-14)
    radius -= math.sqrt(plan.secagg.vector_length) / plan.update.scale
    if radius <= 0:
        raise PolicyError(
            f"plan of round {plan.round}: a scale of {plan.update.scale} is too coarse for "
            f"{plan.secagg.vector_length} elements within the bound {plan.update.clipping_norm:g}; raise the scale"
        )
    return radius


def read_sum(total: NDArray[np.int64], survivors: int, plan: RoundPlan) -> RoundUpdate:
    """Return the average update of a round from the opened sum, int64 [vector_length].

    ``distributed``: gradient sum over the public expected number of persons, times the learning rate.
    ``silo``, ``device``: mean over the survivors. ``none``: mean weighted by each client's persons.
    """
    beside = 2 + len(_metrics(plan.mode, plan.update))
    layout = layout_for(plan.secagg.vector_length - beside, plan.mode, plan.update)
    decoded = layout.decode(total, plan)
    unit, persons = plan.update.unit, plan.training.divisor * survivors
    if plan.mode == "distributed":
        step = decoded.update * (unit * plan.training.learning_rate / persons)
    elif plan.mode == "none":
        step = decoded.mean_update()
    else:
        step = decoded.update * (unit / survivors)
    train_loss = None
    if plan.mode == "none" and decoded.count > 0:
        train_loss = decoded.metrics[_LOSS.name] / decoded.count
    noise_to_signal = None
    if plan.update.noise != "none":
        noise = plan.update.noise_multiplier * plan.update.clipping_norm * math.sqrt(layout.parameters)
        noise_to_signal = noise / max(float(np.linalg.norm(decoded.update)), 1e-12)
    share = None
    if plan.update.adaptive is not None:
        voters = persons if plan.mode == "distributed" else float(survivors)
        share = share_within(plan.update.adaptive, decoded.metrics[_VOTES], voters)
    return RoundUpdate(step.astype(np.float32), train_loss, noise_to_signal, share)
