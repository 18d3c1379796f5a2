"""Bounding what one client, or one person, can add to a sum: the sensitivity that every ε rests on.

Guarantees (no assumption: they hold for every input, hostile ones included):

K1. :func:`l2_clip` returns a vector whose L2 norm, as a real number, is at most the clipping norm: the rounding
    errors of the norm and of the product are bounded and taken off, not ignored.
K2. A vector with an infinity or a NaN becomes zero and is reported: it can neither poison the sum nor reveal
    itself by making the sum non-finite.

Rounding to integers keeps the bound too; that is :mod:`privacy.secagg.encoding` (E1).
"""

from __future__ import annotations

import dataclasses
import math
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from mien.errors import PrivacyError

_Float = TypeVar("_Float", np.float32, np.float64)
_UNIT: Final = 2.0**-52
_SMALL, _LARGE = 1e-140, 1e140  # between these, squares neither vanish nor overflow


@dataclasses.dataclass(frozen=True)
class ClipReport:
    """What clipping did. All of it is private: it may leave the device only inside the secure sum."""

    norm: float
    """L2 norm before clipping; NaN where a value was not finite."""
    clipped: bool
    """True where the vector was longer than the bound."""
    non_finite: int
    """How many values were infinite or NaN; above 0 the vector became zero."""


def l2_clip(vector: NDArray[_Float], clipping_norm: float) -> tuple[NDArray[_Float], ClipReport]:
    """Scale a flat vector down to at most ``clipping_norm`` in L2 (guarantees K1, K2).

    float32 or float64 of shape (n,) in, the same dtype out; a vector within the bound is returned unchanged
    and not copied. Raises PrivacyError for another shape or dtype, or a bound that is not above 0.
    """
    _check(vector, clipping_norm)
    non_finite = int(vector.size - np.count_nonzero(np.isfinite(vector)))
    if non_finite:
        return np.zeros_like(vector), ClipReport(math.nan, False, non_finite)
    norm = norm_upper_bound(vector)
    if norm <= clipping_norm:
        return vector, ClipReport(norm, False, 0)
    # the product and, for float32, the cast round each value by at most half a unit in its last place
    shrink = 1.0 - 4.0 * float(np.finfo(vector.dtype).eps)
    clipped = (vector * np.float64(clipping_norm / norm * shrink)).astype(vector.dtype)
    while norm_upper_bound(clipped) > clipping_norm:  # subnormal results round by more than relative units
        clipped = clipped * vector.dtype.type(1.0 - 2.0**-20)
    return clipped, ClipReport(norm, True, 0)


def norm_upper_bound(vector: NDArray[np.floating]) -> float:
    """Return a number that is at least the L2 norm of finite values, above it by at most (n + 8)·2^-53.

    A float64 sum of n squares is off by at most a factor 1 + n·2^-53 in any order of addition.
    """
    if vector.size == 0:
        return 0.0
    largest = float(np.abs(vector).max())
    if largest == 0.0:
        return 0.0
    wide = vector.astype(np.float64)
    unit = 1.0
    if not _SMALL < largest < _LARGE:
        unit = math.ldexp(1.0, math.frexp(largest)[1] - 1)  # dividing by a power of two is exact
        wide = wide / unit
    error = (vector.size + 8) * _UNIT
    norm = math.sqrt(float(np.dot(wide, wide))) * (1.0 + error)
    return norm * unit


def _check(vector: NDArray[np.floating], clipping_norm: float) -> None:
    if vector.ndim != 1 or vector.dtype not in (np.float32, np.float64):
        raise PrivacyError(
            f"clipping: expected a flat float32 or float64 vector; got {vector.dtype} of shape {vector.shape}"
        )
    if not 0 < clipping_norm < math.inf:
        raise PrivacyError(f"clipping: the norm must be above 0 and finite; got {clipping_norm!r}")
