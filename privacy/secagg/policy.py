"""What a device demands of a plan before it takes part, whatever the server says.

Guarantee P1. :meth:`SecAggPolicy.check` runs on the plan of every set-up and every upload before any secret
is drawn or any vector is touched; a plan below a limit raises PolicyError with both figures.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from mien.errors import PolicyError
from privacy.accounting.of_plan import event_of
from privacy.plan import RoundPlan
from privacy.secagg.graph import colluders_expected

Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class SecAggPolicy(BaseModel):
    """A device's own limits. The defaults suit cohorts from five members on the full graph."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    min_cohort: Count = 5
    min_neighbours: Count = 4
    min_survivors: Count = 4
    min_honest_sum: Count = 2
    """Honest clients that any sum opened by a malicious server must cover (guarantees A5, A6)."""
    collusion: Fraction = 0.1
    """Share of the whole cohort that may collude with the server."""
    security_bits: Annotated[float, Field(ge=0, le=256)] = 40.0
    """−log2 of the chance that a neighbourhood holds more colluders than its threshold stands."""
    max_new_members: Fraction = 1.0
    """Share of the neighbours that may be unknown under a first-use directory."""
    field_bits: tuple[Literal[32, 64], ...] = (32, 64)
    max_vector_length: Count = 1 << 28
    max_clipping_norm: Annotated[float, Field(gt=0)] | None = None
    max_weight_bound: Annotated[float, Field(gt=0)] | None = None
    min_noise_multiplier: Annotated[float, Field(ge=0)] = 0.0
    """Least noise over what one person (mode ``device``: one client) adds to a release, rounding and votes
    included, whoever adds the noise. Binds every mode but ``none``, which ``modes`` has to allow by itself."""
    modes: tuple[Literal["distributed", "silo", "device", "none"], ...] = ("distributed", "silo", "device")
    purposes: tuple[str, ...] | None = None
    """Purposes that the device takes part in; None accepts any."""

    def check(self, plan: RoundPlan) -> None:
        """Raise PolicyError, naming every limit that ``plan`` breaks, unless the device accepts it."""
        broken = [*self._cohort(plan), *self._content(plan)]
        if broken:
            raise PolicyError(f"plan of run {plan.run!r} round {plan.round} is refused: " + "; ".join(broken))

    def _cohort(self, plan: RoundPlan) -> list[str]:
        secagg, n = plan.secagg, len(plan.cohort)
        k, t = secagg.neighbours, secagg.threshold
        broken = []
        if n < self.min_cohort:
            broken.append(f"cohort of {n}, at least {self.min_cohort} wanted")
        if k < self.min_neighbours:
            broken.append(f"{k} neighbours, at least {self.min_neighbours} wanted")
        if 3 * t <= 2 * k:
            broken.append(f"threshold {t} of {k} neighbours, above two thirds wanted")
        if secagg.min_survivors < self.min_survivors:
            broken.append(f"min_survivors {secagg.min_survivors}, at least {self.min_survivors} wanted")
        colluders = colluders_expected(n, k, self.collusion, self.security_bits)
        if colluders > colluders_stood(plan):
            broken.append(
                f"{colluders} colluders in one neighbourhood must be stood ({self.collusion:.0%} of the cohort, "
                f"but for 2^-{self.security_bits:g}); {k} neighbours with threshold {t} stand "
                f"{colluders_stood(plan)}"
            )
        elif honest_sum(plan, colluders) < self.min_honest_sum:
            broken.append(
                f"a sum could cover {honest_sum(plan, colluders)} honest, at least {self.min_honest_sum} wanted"
            )
        return broken

    def _content(self, plan: RoundPlan) -> list[str]:
        update, secagg = plan.update, plan.secagg
        broken = []
        if secagg.field_bits not in self.field_bits:
            broken.append(f"field of {secagg.field_bits} bits, one of {self.field_bits} wanted")
        if secagg.vector_length > self.max_vector_length:
            broken.append(f"vector of {secagg.vector_length}, at most {self.max_vector_length} wanted")
        norm = update.clipping_norm * update.unit
        if self.max_clipping_norm is not None and norm > self.max_clipping_norm:
            broken.append(f"clipping norm {norm:g}, at most {self.max_clipping_norm:g} wanted")
        if self.max_weight_bound is not None and update.weight_bound > self.max_weight_bound:
            broken.append(f"weight bound {update.weight_bound:g}, at most {self.max_weight_bound:g} wanted")
        noise = event_of(plan).noise_multiplier
        if plan.mode != "none" and noise < self.min_noise_multiplier:
            broken.append(f"noise multiplier {noise:.6g}, at least {self.min_noise_multiplier:g} wanted")
        if self.modes is not None and plan.mode not in self.modes:
            broken.append(f"mode {plan.mode!r}, one of {self.modes} wanted")
        if self.purposes is not None and plan.purpose not in self.purposes:
            broken.append(f"purpose {plan.purpose!r}, one of {self.purposes} wanted")
        return broken


def colluders_stood(plan: RoundPlan) -> int:
    """Return the most colluders in a neighbourhood under which the guarantees of the protocol hold."""
    return 2 * plan.secagg.threshold - plan.secagg.neighbours - 1


def honest_sum(plan: RoundPlan, colluders: int) -> int:
    """Return how many honest clients any sum covers that a malicious server can open (A5, A6).

    ``colluders`` bounds those in any one neighbourhood; at most :func:`colluders_stood`.
    """
    k, t = plan.secagg.neighbours, plan.secagg.threshold
    if k == len(plan.cohort) - 1:
        return max(t - colluders + 1, plan.secagg.min_survivors - colluders)
    return t - colluders + 1
