"""What one conformance check found, and the statistics that the checks share.

Every test of randomness returns a p-value that is valid for a correct build: the chance of a result at least as
strange. A check fails where its smallest p-value, times the number of tests it made, is below :data:`ALPHA`; so
a correct build fails a check with a probability of at most ALPHA, and the whole self-test with at most ALPHA
times the number of its statistical checks (:func:`error_bound`). Samples are large enough (1,000 and more in
each class) for the normal and chi-square laws to hold this far out.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

ALPHA: Final = 1e-8
"""Chance that a correct build fails one statistical check."""


@dataclasses.dataclass(frozen=True)
class Check:
    """One check's verdict."""

    name: str
    """``part: property``."""
    passed: bool
    found: str
    expected: str
    catches: str
    """The faults that this check is there to find, with its power where it has one."""
    error: float = 0.0
    """Chance that a correct build fails it; 0 for an exact check."""


def exact(name: str, passed: bool, found: str, expected: str, catches: str) -> Check:
    """Return a check that no chance is involved in."""
    return Check(name, passed, found, expected, catches)


def statistical(name: str, p_values: Iterable[float], expected: str, catches: str, found: str = "") -> Check:
    """Return a check of several tests, corrected for their number (Bonferroni)."""
    values = list(p_values)
    corrected = min(1.0, len(values) * min(values))
    said = f"{found}, " if found else ""
    return Check(name, corrected >= ALPHA, f"{said}p = {corrected:.2g} of {len(values)} tests", expected,
                 catches, ALPHA)  # fmt: skip


def error_bound(checks: Sequence[Check]) -> float:
    """Return a bound of the chance that a correct build fails any of ``checks``."""
    return sum(check.error for check in checks)


def deviation_interval(noise: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Return the (1 − ALPHA) interval of the standard deviation of Gaussian ``noise`` whose mean is 0."""
    flat = noise.ravel().astype(np.float64)
    squares = float(np.dot(flat, flat))
    high = stats.chi2.isf(ALPHA / 2, flat.size)
    low = stats.chi2.ppf(ALPHA / 2, flat.size)
    return math.sqrt(squares / high), math.sqrt(squares / low)


def detectable_deficit(draws: int) -> float:
    """Return the relative noise deficit that is found with a probability of 99.9 % in ``draws`` draws."""
    return float((stats.norm.isf(ALPHA / 2) + stats.norm.isf(1e-3)) / math.sqrt(2 * draws))


def correlation_p(one: NDArray[np.floating[Any]], other: NDArray[np.floating[Any]]) -> float:
    """Return the p-value of the correlation of two independent series, of which one is centred noise."""
    a, b = one.ravel().astype(np.float64), other.ravel().astype(np.float64)
    scale = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    if scale == 0.0:
        return 1.0
    return two_sided(float(np.dot(a, b)) / scale * math.sqrt(a.size))


def mean_p(noise: NDArray[np.floating[Any]], deviation: float) -> float:
    """Return the p-value of the largest coordinate mean of ``noise`` [draws, coordinates], corrected."""
    means = np.asarray(noise.mean(axis=0) * (math.sqrt(len(noise)) / deviation))
    return min(1.0, int(means.size) * two_sided(float(np.abs(means).max())))


def shape_p(standardised: NDArray[np.floating[Any]], classes: int = 64) -> float:
    """Return the chi-square p-value of ``standardised`` draws against the normal law, in equal classes."""
    edges = stats.norm.ppf(np.arange(1, classes) / classes)
    counts = np.bincount(np.searchsorted(edges, standardised.ravel()), minlength=classes)
    return float(stats.chisquare(counts).pvalue)


def bytes_p(data: NDArray[Any]) -> float:
    """Return the chi-square p-value of the bytes of ``data`` against the uniform law."""
    return float(stats.chisquare(np.bincount(data.view(np.uint8).ravel(), minlength=256)).pvalue)


def two_sided(z: float) -> float:
    """Return the two-sided p-value of a standard normal value."""
    return float(2 * stats.norm.sf(abs(z)))
