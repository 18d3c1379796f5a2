"""Shamir's secret sharing (1979) over the integers modulo 2^255 − 19.

Secrets, coefficients and shares are field elements in 32 little-endian bytes. A holder's point is one more
than its position in the cohort, so on the full graph every secret is opened with the same Lagrange
coefficients, which are kept. Python's integers do not run in constant time; a device shares secrets that are
fresh in every round and the server only combines shares that were sent to it, so timing tells nothing that
repeats.

Guarantee S1. Fewer than ``threshold`` shares are independent of the secret (unconditionally); any
``threshold`` of them determine it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from mien.errors import ProtocolError
from privacy.randomness import RandomSource

PRIME = (1 << 255) - 19
SIZE = 32
"""Bytes of a field element."""


def random_element(source: RandomSource) -> bytes:
    """Return a uniform field element, by rejection."""
    while True:
        value = int.from_bytes(source.bytes(SIZE), "little") & ((1 << 255) - 1)
        if value < PRIME:
            return value.to_bytes(SIZE, "little")


def _element(data: bytes, what: str) -> int:
    value = int.from_bytes(data, "little")
    if len(data) != SIZE or value >= PRIME:
        raise ProtocolError(f"{what}: not a field element of {SIZE} bytes below 2^255 - 19")
    return value


def split(secret: bytes, threshold: int, points: Sequence[int], source: RandomSource) -> list[bytes]:
    """Return one share for each of ``points`` (distinct, at least 1), any ``threshold`` of which open ``secret``.

    Raises ProtocolError where ``secret`` is no field element, or the points cannot reach the threshold.
    """
    if not 1 <= threshold <= len(points) or len(set(points)) != len(points) or min(points) < 1:
        raise ProtocolError(
            f"secret sharing: threshold {threshold} needs as many distinct positive points, got {len(points)}"
        )
    coefficients = [int.from_bytes(random_element(source), "little") for _ in range(threshold - 1)]
    constant = _element(secret, "secret")
    shares = []
    for point in points:
        value = 0
        for coefficient in coefficients:
            value = (value + coefficient) * point % PRIME
        shares.append(((value + constant) % PRIME).to_bytes(SIZE, "little"))
    return shares


@functools.lru_cache(maxsize=256)
def _lagrange_at_zero(points: tuple[int, ...]) -> tuple[int, ...]:
    """Return the weights that turn values at ``points`` into the value at zero; one inversion in all."""
    numerator = 1
    for point in points:
        numerator = numerator * point % PRIME
    denominators = []
    for point in points:
        product = point
        for other in points:
            if other != point:
                product = product * (other - point) % PRIME
        denominators.append(product)
    prefix = [1]
    for denominator in denominators:
        prefix.append(prefix[-1] * denominator % PRIME)
    inverse = pow(prefix[-1], -1, PRIME)
    weights = [0] * len(points)
    for index in range(len(points) - 1, -1, -1):
        weights[index] = numerator * inverse * prefix[index] % PRIME
        inverse = inverse * denominators[index] % PRIME
    return tuple(weights)


def combine(shares: Mapping[int, bytes], threshold: int) -> bytes:
    """Return the secret of ``shares`` (point to share), using the ``threshold`` lowest points.

    Raises ProtocolError for too few shares. A wrong share gives a wrong secret: check the result against a
    commitment.
    """
    if len(shares) < threshold:
        raise ProtocolError(f"secret sharing: {threshold} shares are needed, got {len(shares)}")
    points = tuple(sorted(shares)[:threshold])
    total = 0
    for point, weight in zip(points, _lagrange_at_zero(points), strict=True):
        total += _element(shares[point], f"share {point}") * weight
    return (total % PRIME).to_bytes(SIZE, "little")
