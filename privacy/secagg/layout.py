"""Where each thing is in the vector of a round: the update, the weight, the sample count, the metrics.

    update coordinates ‖ weight ‖ count ‖ metric 1 ‖ … ‖ metric m

All of it is masked, so the server learns sums only: of weighted updates, of weights, of counts, of metrics.
Under differential privacy the sums of the last ``2 + m`` elements are released too, so they need noise, or
must not depend on the data (:meth:`VectorLayout.tail_bounds` has their sensitivities).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import PolicyError, ProtocolError
from privacy.mechanisms.clipping import ClipReport
from privacy.plan import RoundPlan
from privacy.randomness import RandomSource
from privacy.secagg.encoding import element_bound, round_update
from privacy.secagg.memory import aligned_empty


@dataclasses.dataclass(frozen=True)
class Metric:
    """A bounded figure that a client adds to the sum, such as its loss times its count."""

    name: str
    low: float
    high: float
    scale: int = 1 << 10
    """Integer units per 1.0; values are clipped to ``[low, high]`` and rounded at random."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise PolicyError(
                f"metric {self.name!r}: the range [{self.low!r}, {self.high!r}] is not a finite range"
            )
        if self.scale < 1:
            raise PolicyError(f"metric {self.name!r}: scale must be at least 1, got {self.scale}")

    @property
    def bound(self) -> int:
        """Largest magnitude of one client's element."""
        return math.ceil(max(abs(self.low), abs(self.high)) * self.scale)


@dataclasses.dataclass(frozen=True)
class Contribution:
    """One client's vector and what clipping did to its update."""

    vector: NDArray[np.int32] | NDArray[np.int64]
    report: ClipReport
    """Private: it may not leave the device."""


@dataclasses.dataclass(frozen=True)
class DecodedSum:
    """Sums over the survivors, in real units."""

    update: NDArray[np.float64]
    """Sum of weighted, clipped updates, float64 of shape (parameters,)."""
    weight: float
    count: int
    metrics: dict[str, float]

    def mean_update(self) -> NDArray[np.float64]:
        """Return the weighted mean. Raises ProtocolError where the weights sum to 0."""
        if self.weight <= 0:
            raise ProtocolError(f"decoded sum: the weights sum to {self.weight:g}, so there is no mean")
        return self.update / self.weight


@dataclasses.dataclass(frozen=True)
class VectorLayout:
    """The layout that client and server share. Lengths are in elements."""

    parameters: int
    metrics: tuple[Metric, ...] = ()
    count_bound: int = 1 << 20
    """Largest sample count a client may state; larger ones are cut to it."""

    def __post_init__(self) -> None:
        names = [metric.name for metric in self.metrics]
        if self.parameters < 1 or self.count_bound < 1 or len(set(names)) != len(names):
            raise PolicyError(
                "vector layout: needs parameters, a positive count bound, and metrics of distinct names"
            )

    @property
    def length(self) -> int:
        """Elements in all: what ``plan.secagg.vector_length`` must be."""
        return self.parameters + 2 + len(self.metrics)

    def tail_bounds(self, plan: RoundPlan) -> tuple[int, ...]:
        """Return the largest magnitude of the weight, the count and each metric, in integer units."""
        weight = math.ceil(plan.update.weight_bound * plan.update.scale)
        return (weight, self.count_bound, *(metric.bound for metric in self.metrics))

    def check(self, plan: RoundPlan) -> None:
        """Raise PolicyError unless the plan's vector is laid out like this and holds every element."""
        if plan.secagg.vector_length != self.length:
            raise PolicyError(
                f"plan of round {plan.round}: vector of {plan.secagg.vector_length} elements, this layout has "
                f"{self.length} ({self.parameters} parameters, weight, count, {len(self.metrics)} metrics)"
            )
        bound = element_bound(plan)
        names = ("weight", "count", *(metric.name for metric in self.metrics))
        for name, needed in zip(names, self.tail_bounds(plan), strict=True):
            if needed > bound:
                raise PolicyError(
                    f"plan of round {plan.round}: {name} needs {needed} units, a cohort of {len(plan.cohort)} "
                    f"leaves {bound}; lower its bound or its scale, or use a field of 64 bits"
                )

    def encode(
        self,
        update: NDArray[np.float32] | NDArray[np.float64],
        weight: float,
        count: int,
        metrics: Mapping[str, float],
        plan: RoundPlan,
        source: RandomSource,
    ) -> Contribution:
        """Return one client's vector: int32 (field of 32 bits) or int64, of shape (length,).

        ``weight`` multiplies the update before it is clipped, and is an element of its own. Metrics that are
        not finite count as 0. Raises PolicyError where the plan does not fit, the weight is out of bounds or
        the metrics are not those of the layout.
        """
        self.check(plan)
        if set(metrics) != {metric.name for metric in self.metrics} or count < 0:
            raise PolicyError(
                f"encoding: expected a count of at least 0 and metrics {[m.name for m in self.metrics]}, got "
                f"metrics {sorted(metrics)}"
            )
        vector: NDArray[Any] = aligned_empty(self.length, np.dtype(f"<i{plan.secagg.field_bits // 8}"))
        report = round_update(update, weight, plan, source, vector[: self.parameters])
        tail = [_draw(weight * plan.update.scale, source), min(count, self.count_bound)]
        for metric in self.metrics:
            value = metrics[metric.name]
            inside = min(max(value, metric.low), metric.high) if math.isfinite(value) else 0.0
            tail.append(_draw(inside * metric.scale, source))
        vector[self.parameters :] = tail
        return Contribution(vector, report)

    def decode(self, total: NDArray[np.int64], plan: RoundPlan) -> DecodedSum:
        """Return the sums that ``total``, int64 of shape (length,), stands for."""
        self.check(plan)
        if total.shape != (self.length,):
            raise ProtocolError(f"decoding: expected a sum of shape ({self.length},), got {total.shape}")
        weight, count, *metrics = (int(value) for value in total[self.parameters :])
        return DecodedSum(
            update=total[: self.parameters] / float(plan.update.scale),
            weight=weight / plan.update.scale,
            count=count,
            metrics={
                metric.name: value / metric.scale for metric, value in zip(self.metrics, metrics, strict=True)
            },
        )


def _draw(value: float, source: RandomSource) -> int:
    """Round one number to an integer at random, without bias (to 2^-64)."""
    low = math.floor(value)
    return low + (int.from_bytes(source.bytes(8), "little") < (value - low) * 2.0**64)
