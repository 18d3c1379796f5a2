"""From a real-valued update to field elements, and from their sum back: exact, bounded, nothing in clear.

    scaled, clipped update ‖ weight ‖ sample count ‖ metrics   →   one vector of signed integers

Guarantees:

E1. *Bounded.* The integer update of a client has an L2 norm of at most :func:`rounded_norm_bound`: after
    stochastic rounding the norm is computed again, exactly, and the rounding is redrawn until it fits
    (conditional rounding, Kairouz et al. 2021, section 3.1). A draw fits with probability at least
    1 − e^(−1/2) over its own randomness; the bound is part of the sensitivity, the redraws are not.
E2. *Unbiased* but for that conditioning: the rounding of one coordinate uses 23 random bits, and multiples of
    2^−23 of a unit are rounded with their exact probability.
E3. *No overflow.* :func:`check_capacity` proves from the plan that ``cohort · element bound < 2^(bits−1)`` and
    that the bounded update, its noise and the other coordinates fit the element bound; the client checks
    every element against that bound while it masks.
"""

from __future__ import annotations

import math

from mien.errors import PolicyError
from privacy.plan import RoundPlan

BETA = math.exp(-0.5)
"""Chance that one rounding is redrawn, at most."""
NOISE_TAIL = 16.0
"""Standard deviations of a client's noise that must fit an element: P[beyond] < 2^-180 for Gaussian tails."""


def rounded_norm_bound(clipping_norm: float, scale: int, length: int) -> float:
    """Return the L2 bound, in integer units, of a clipped update after conditional stochastic rounding.

    Kairouz et al. 2021, equation 1 with γ = 1 and β = e^(−1/2).
    """
    c, d = clipping_norm * scale, float(length)
    return math.sqrt(
        min((c + math.sqrt(d)) ** 2, c * c + d / 4 + math.sqrt(-2 * math.log(BETA)) * (c + math.sqrt(d) / 2))
    )


def element_bound(plan: RoundPlan) -> int:
    """Return the largest magnitude of one element of one client's vector: the field's half, by the cohort."""
    return ((1 << (plan.secagg.field_bits - 1)) - 1) // len(plan.cohort)


def check_capacity(plan: RoundPlan) -> None:
    """Raise PolicyError unless every client's update and noise fit an element, so no sum can wrap around."""
    update = plan.update
    bound = element_bound(plan)
    coordinate = rounded_norm_bound(update.clipping_norm, update.scale, plan.secagg.vector_length)
    noise = 0.0
    if update.noise != "none":
        # One client's share of the sum's noise, which min_survivors clients make up together.
        sigma = update.noise_multiplier * update.clipping_norm * update.scale
        noise = NOISE_TAIL * (sigma / math.sqrt(plan.secagg.min_survivors) + 1)
    if coordinate + noise > bound:
        raise PolicyError(
            f"plan of run {plan.run!r} round {plan.round}: one element must hold {coordinate:.0f} of update and "
            f"{noise:.0f} of noise, but {plan.secagg.field_bits} bits for a cohort of {len(plan.cohort)} leave {bound}; "
            "lower the scale or the clipping norm, or use a field of 64 bits"
        )
