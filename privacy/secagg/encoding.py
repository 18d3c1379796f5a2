"""Clip, scale and round an update to integers that can be summed exactly and never overflow.

Guarantees:

E1. *Bounded.* The L2 norm of a rounded update is at most ``clipping_norm · scale``, as a real number and for
    every input: the update is clipped a little below the bound, rounded at random, its norm computed again
    with the rounding errors of that sum on the safe side, and drawn again until it fits (conditional
    rounding, Kairouz et al. 2021, section 3.1; a draw fails with probability at most e^(−1/2), in practice
    almost never). So rounding costs no sensitivity.
E2. *Unbiased*, but for that conditioning: a coordinate between two integers goes to either with its exact
    probability to within 2^−24, and an integer stays what it is.
E3. *No overflow.* The client checks every element against :func:`element_bound` while it masks, and
    ``cohort · element_bound < 2^(bits−1)``; :func:`check_capacity` proves from the plan alone that an honest
    client's update, noise and other elements fit.
E4. An update with an infinity or a NaN becomes zero and is reported: it neither poisons the sum nor shows
    itself by making it non-finite.

The random bits of rounding are a keystream under a fresh key of the caller's RandomSource.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from numpy.typing import NDArray

from mien.errors import PolicyError, ProtocolError
from privacy.mechanisms.clipping import ClipReport
from privacy.plan import RoundPlan
from privacy.randomness import RandomSource
from privacy.secagg.masking import TAG_SIZE
from privacy.secagg.memory import aligned_empty

NOISE_TAIL = 16.0
"""Standard deviations of a client's noise that an element must hold: beyond them lies less than 2^-126."""
_BLOCK = 1 << 16  # elements at a time: all temporaries stay in the L2 cache
_ROW = 256  # elements of one float32 dot product: its relative error is below 256 · 2^-24
_ROW_ERROR = 2.0**-15
_EXACT_ERROR = (_BLOCK + 8) * 2.0**-53
_DRAWS = 200


@dataclasses.dataclass(frozen=True)
class _Arithmetic:
    """A floating-point format and the integers that share its bits."""

    real: Any
    word: Any
    signed: Any
    mantissa: int

    @property
    def limit(self) -> float:
        """Integers up to here are exact, and turn into an int by one addition and one subtraction."""
        return 2.0 ** (self.mantissa - 1) - 2

    @property
    def magic(self) -> np.floating[Any]:
        """Added to a whole number ``v`` below the limit, it leaves ``v`` in the lowest bits."""
        value: np.floating[Any] = self.real(1.5 * 2.0**self.mantissa)
        return value


_SINGLE = _Arithmetic(np.float32, np.uint32, np.int32, 23)
_DOUBLE = _Arithmetic(np.float64, np.uint64, np.int64, 52)


def inner_norm(clipping_norm: float, scale: int, length: int) -> float:
    """Return the norm, in integer units, to clip at so that rounding stays within ``clipping_norm · scale``.

    It solves equation 1 of Kairouz et al. 2021 (γ = 1, β = e^(−1/2)) for the norm before rounding:
    ``min((c + √d)², c² + d/4 + c + √d/2) = (clipping_norm · scale)²``. At most 0 where the scale is too small.
    """
    bound, root = clipping_norm * scale, math.sqrt(length)
    rest = bound * bound - length / 4 - root / 2
    return max(bound - root, (math.sqrt(1 + 4 * rest) - 1) / 2 if rest > 0 else 0.0)


def element_bound(plan: RoundPlan) -> int:
    """Return the largest magnitude of one element of one client's vector: half the field, over the cohort."""
    return ((1 << (plan.secagg.field_bits - 1)) - 1) // len(plan.cohort)


def check_capacity(plan: RoundPlan) -> None:
    """Raise PolicyError unless an honest client's update and noise fit an element (guarantee E3)."""
    update, secagg = plan.update, plan.secagg
    where = f"plan of run {plan.run!r} round {plan.round}"
    bound = element_bound(plan)
    coordinate, noise = update.clipping_norm * update.scale, 0.0
    if update.noise != "none":
        sigma = update.noise_multiplier * coordinate  # of the sum; a client adds its share of the variance
        noise = NOISE_TAIL * (sigma / math.sqrt(update.honest_survivors) + 1)
    if coordinate + noise > bound or coordinate > _DOUBLE.limit:
        raise PolicyError(
            f"{where}: one element must hold {coordinate:.0f} of update and {noise:.0f} of noise, but "
            f"{secagg.field_bits} bits for a cohort of {len(plan.cohort)} leave {bound}; lower the scale or the "
            "clipping norm, or use a field of 64 bits"
        )
    if inner_norm(update.clipping_norm, update.scale, secagg.vector_length) <= coordinate / 2:
        raise PolicyError(
            f"{where}: a scale of {update.scale} is too coarse to round {secagg.vector_length} elements within the "
            f"clipping norm {update.clipping_norm:g}; raise the scale"
        )


def round_update(
    update: NDArray[np.float32] | NDArray[np.float64],
    weight: float,
    plan: RoundPlan,
    source: RandomSource,
    out: NDArray[np.int32] | NDArray[np.int64],
) -> ClipReport:
    """Write ``weight · update``, clipped and rounded, to ``out`` (guarantees E1, E2, E4).

    ``update``: flat, float32 or float64, in model units; ``out``: as long, int32 or int64. The report is
    private. Raises ProtocolError for other shapes or dtypes, PolicyError for a plan without capacity.
    """
    check_capacity(plan)
    if update.ndim != 1 or update.shape != out.shape or update.dtype not in (np.float32, np.float64):
        raise ProtocolError(
            f"encoding: expected a flat float32 or float64 update of {out.shape}, got {update.dtype} {update.shape}"
        )
    if not 0 <= weight <= plan.update.weight_bound:
        raise PolicyError(f"encoding: the weight is not in [0, {plan.update.weight_bound:g}]")
    scale, bound = plan.update.scale, plan.update.clipping_norm * plan.update.scale
    norm = _norm(update) * weight
    if not math.isfinite(norm):
        out[:] = 0
        return ClipReport(math.nan, False, int(update.size - np.count_nonzero(np.isfinite(update))))
    inner = inner_norm(plan.update.clipping_norm, scale, plan.secagg.vector_length) * (1 - 2.0**-16)
    clipped = norm * scale > inner
    factor = inner / (norm * scale) * weight * scale if clipped else float(weight * scale)
    single = update.dtype == np.float32 and bound < _SINGLE.limit and factor < 1e30
    rounding = _Rounding(_SINGLE if single else _DOUBLE)
    for _ in range(_DRAWS):
        if rounding.draw(update, factor, bound, source, out):
            return ClipReport(norm, clipped, 0)
    raise PolicyError(
        f"encoding: {_DRAWS} roundings in a row were longer than {bound:.0f}; is the random source broken?"
    )


class _Rounding:
    """Rounds block by block through buffers that stay in the cache."""

    def __init__(self, kind: _Arithmetic) -> None:
        self._kind = kind
        size = np.dtype(kind.real).itemsize * _BLOCK
        bits = aligned_empty(size + TAG_SIZE, np.dtype(np.uint8))
        self._zeros, self._bits = bytes(size), bits.data
        self._words = bits[:size].view(kind.word)
        self._one = kind.word(np.array(1, kind.real).view(kind.word))
        self._shift = kind.word(8 * np.dtype(kind.real).itemsize - kind.mantissa)
        self._value = aligned_empty(_BLOCK, np.dtype(kind.real))
        self._floor = aligned_empty(_BLOCK, np.dtype(kind.real))

    def draw(
        self, update: NDArray[Any], factor: float, bound: float, source: RandomSource, out: NDArray[Any]
    ) -> bool:
        """Round ``factor · update`` into ``out`` once; return whether its norm is at most ``bound``."""
        kind, cipher = self._kind, AESGCM(source.bytes(32))
        offset = kind.signed(kind.magic.view(kind.signed))
        total = 0.0
        for number, start in enumerate(range(0, len(update), _BLOCK)):
            block = update[start : start + _BLOCK]
            self._round(block, kind.real(factor), cipher, number)
            rows = self._floor.reshape(-1, _ROW)
            total += float(np.vecdot(rows, rows).sum(dtype=np.float64))
            whole = np.add(self._floor, kind.magic, out=self._floor).view(kind.signed)
            target = out[start : start + _BLOCK]
            np.subtract(whole[: len(block)], offset, out=target, casting="unsafe")
        if total * (1 + _ROW_ERROR) <= bound * bound:
            return True
        return _squares(out) * (1 + _EXACT_ERROR) <= bound * bound

    def _round(self, block: NDArray[Any], factor: Any, cipher: AESGCM, number: int) -> None:
        """Leave ``floor(value + uniform)`` in the floor buffer, with uniforms of 23 or 52 bits."""
        value, floor, words, count = self._value, self._floor, self._words, len(block)
        np.multiply(block, factor, out=value[:count])
        value[count:] = 0
        cipher.encrypt_into(number.to_bytes(12, "little"), self._zeros, None, self._bits)
        np.right_shift(words, self._shift, out=words)
        np.bitwise_or(words, self._one, out=words)  # the bits of a uniform number in [1, 2)
        np.floor(value, out=floor)
        np.subtract(value, floor, out=value)  # the fraction; exact but for what is below 2^-24
        np.add(value, words.view(self._kind.real), out=value)  # in [1, 3): 2 or more means up
        np.floor(value, out=value)
        np.add(floor, value, out=floor)
        np.subtract(floor, self._kind.real(1), out=floor)


def _norm(vector: NDArray[Any]) -> float:
    """Return the L2 norm to a relative 2^-15 or better; infinite or NaN where a value is."""
    total = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        whole = len(vector) // _ROW * _ROW
        for start in range(0, whole, _BLOCK):
            rows = vector[start : min(start + _BLOCK, whole)].reshape(-1, _ROW)
            total += float(np.vecdot(rows, rows).sum(dtype=np.float64))
        tail = vector[whole:].astype(np.float64)
        total += float(np.dot(tail, tail))
        if 1e-30 < total < 1e37:
            return math.sqrt(total)
        largest = float(np.abs(vector).max(initial=0.0))  # squares may have vanished or overflowed
        if largest == 0.0 or not math.isfinite(largest):
            return largest
        scaled = vector.astype(np.float64) / largest
        return math.sqrt(float(np.dot(scaled, scaled))) * largest


def _squares(vector: NDArray[Any]) -> float:
    """Return the sum of squares of integers to a relative (block + 8) · 2^-53."""
    parts = []
    for start in range(0, len(vector), _BLOCK):
        block = vector[start : start + _BLOCK].astype(np.float64)
        parts.append(float(np.dot(block, block)))
    return math.fsum(parts)
