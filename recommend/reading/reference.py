"""The published table that says what is usual: quantiles of every measure in a reference group.

Percentiles say how a value compares with that group, no more; there is no ideal in them. The table is data
(percentiles.json) and can be replaced; ``benchmarks/reference_faces.py`` made it.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Mapping
from importlib import resources

import numpy as np

LOW_CUT, HIGH_CUT = 15.0, 85.0  # percentiles between low | middle | high
Z90 = 1.645


@dataclasses.dataclass(frozen=True)
class Reference:
    """One measure in the reference group.

    ``quantiles`` are its values at ``levels`` (percent); ``within_person_sd`` is how far one photo of a
    person lies from the person's own mean; ``icc`` is the share of variance that is between persons.
    """

    levels: tuple[float, ...]
    quantiles: tuple[float, ...]
    within_person_sd: float
    icc: float
    people: int

    @property
    def cuts(self) -> tuple[float, float]:
        """The values below which an answer is *low*, and above which it is *high*."""
        return self.value_at(LOW_CUT), self.value_at(HIGH_CUT)

    def value_at(self, level: float) -> float:
        """Return the value at a percentile (0 to 100)."""
        return float(np.interp(level, self.levels, self.quantiles))

    def percentile(self, value: float) -> float:
        """Return what percentage of the group lies below a value; at the ends, the outermost level."""
        return float(np.interp(value, self.quantiles, self.levels))

    def place(self, value: float, photos: int) -> tuple[int | None, float]:
        """Return low (0), middle (1) or high (2), or None too near a cut, and how likely the nearest is.

        Undecided are values within half a within-person deviation of a cut, less when several photos agree.
        """
        low, high = self.cuts
        sd = self.within_person_sd / math.sqrt(photos)
        below, above = _normal((low - value) / sd), _normal((value - high) / sd)
        likely = (below, 1 - below - above, above)
        index = 0 if value < low else 2 if value > high else 1
        near = min(abs(value - low), abs(value - high)) < sd / 2
        return (None if near else index), likely[index]


def _normal(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))


@functools.cache
def reference_table() -> Mapping[str, Reference]:
    """Return the shipped table: measure → reference."""
    content = json.loads((resources.files(__package__) / "percentiles.json").read_text(encoding="utf-8"))
    levels = tuple(float(level) for level in content["levels"])
    return {
        name: Reference(levels, tuple(row["quantiles"]), row["within_person_sd"], row["icc"], row["people"])
        for name, row in content["measures"].items()
    }


def reference_note() -> str:
    """Return what the reference group is, in one English phrase."""
    content = json.loads((resources.files(__package__) / "percentiles.json").read_text(encoding="utf-8"))
    return str(content["set"])
