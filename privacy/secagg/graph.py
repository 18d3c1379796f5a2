"""Who is whose neighbour: the full graph for small cohorts, else a k-regular graph that nobody chooses.

The graph is the Harary (circulant) graph of Bell et al. 2020 over a permutation that every party derives for
itself from the hash of the round's plan and of every member's signed bundle. Each neighbourhood is then a
uniform k-subset of the others.

Guarantees:

N1. Neither the server nor the members choose a client's neighbours, given one honest bundle published before
    the cohort was fixed (SHA-256 as a random oracle).
N2. With ``k`` and ``threshold`` from :func:`neighbours_for`, the chance that any neighbourhood of a random
    graph holds more than ``2·threshold − k − 1`` colluders is at most 2^−security_bits.

A server or a colluder may *grind*: try plans, cohorts or keys until the graph suits it. With ``g`` tries the
bound of N2 is multiplied by ``g``; the permutation's seed is stretched by scrypt (RFC 7914: about 40 ms and
16 MiB a try), which prices 2^40 tries at over a thousand core-years. On the full graph there is nothing to
grind.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import math
from bisect import bisect_left

from mien.errors import PolicyError, ProtocolError
from privacy.secagg.keys import roster_hash, sha256


@functools.lru_cache(maxsize=4)
def _positions(cohort: int, plan_session_hash: bytes, roster_hash: bytes) -> tuple[tuple[int, ...], ...]:
    """Return the hidden order of a cohort and, for each member, its place in that order."""
    seed = hashlib.scrypt(
        plan_session_hash + roster_hash, salt=b"mien secagg v1 graph", n=1 << 14, r=8, p=1, dklen=32
    )
    order = sorted(range(cohort), key=lambda member: sha256("place", seed, member))
    place = [0] * cohort
    for index, member in enumerate(order):
        place[member] = index
    return tuple(order), tuple(place)


def check_degree(cohort: int, neighbours: int) -> None:
    """Raise ProtocolError where no graph of ``cohort`` members has ``neighbours`` at each."""
    if not 1 <= neighbours < cohort:
        raise ProtocolError(f"neighbour graph: degree {neighbours} is impossible in a cohort of {cohort}")
    if neighbours % 2 and cohort % 2 and neighbours != cohort - 1:
        raise ProtocolError(
            f"neighbour graph: odd degree {neighbours} in an odd cohort of {cohort}; make one of them even"
        )


class Graph:
    """The neighbour graph of one session. Members are positions in the sorted cohort.

    Raises ProtocolError for a degree that no graph has.
    """

    def __init__(
        self, cohort: int, neighbours: int, plan_session_hash: bytes, roster: tuple[bytes, ...]
    ) -> None:
        check_degree(cohort, neighbours)
        self.cohort, self.degree = cohort, neighbours
        self._places = None
        if neighbours < cohort - 1:
            self._places = _positions(cohort, plan_session_hash, roster_hash(roster))
        self.neighbours = functools.lru_cache(maxsize=1 << 14)(self._neighbours)
        """The ascending positions of a member's neighbours."""

    def index(self, member: int, neighbour: int) -> int:
        """Return the place of ``neighbour`` among ``member``'s neighbours."""
        return bisect_left(self.neighbours(member), neighbour)

    def _neighbours(self, member: int) -> tuple[int, ...]:
        if self._places is None:
            return tuple(other for other in range(self.cohort) if other != member)
        order, place = self._places
        here, half = place[member], self.degree // 2
        steps = [*range(-half, 0), *range(1, half + 1)]
        if self.degree % 2:
            steps.append(self.cohort // 2)
        return tuple(sorted(order[(here + step) % self.cohort] for step in steps))


@dataclasses.dataclass(frozen=True)
class Neighbourhood:
    """A degree and the threshold that goes with it."""

    neighbours: int
    threshold: int


def default_threshold(neighbours: int) -> int:
    """Return the smallest threshold above two thirds of a neighbourhood."""
    return 2 * neighbours // 3 + 1


def tail_bits(population: int, marked: int, draws: int, above: int) -> float:
    """Return −log2 of P[more than ``above`` of ``draws`` without replacement are marked]; inf if impossible."""
    if above < 0:
        return 0.0
    logs = [
        _log_choose(marked, hit)
        + _log_choose(population - marked, draws - hit)
        - _log_choose(population, draws)
        for hit in range(above + 1, min(marked, draws) + 1)
        if draws - hit <= population - marked
    ]
    if not logs:
        return math.inf
    top = max(logs)
    return max(0.0, -(top + math.log(math.fsum(math.exp(value - top) for value in logs))) / math.log(2))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def security_bits(cohort: int, neighbours: int, threshold: int, collusion: float) -> float:
    """Return −log2 of the chance that *some* neighbourhood has too many colluders for its threshold.

    ``collusion`` is the share of the whole cohort that colludes with the server. "Too many" is more than
    ``2·threshold − neighbours − 1``, where :mod:`privacy.secagg.agreement` stops being proven.
    """
    return _colluder_bits(cohort, neighbours, collusion, 2 * threshold - neighbours - 1)


@functools.lru_cache(maxsize=64)
def colluders_expected(cohort: int, neighbours: int, collusion: float, bits: float) -> int:
    """Return the fewest colluders that *every* neighbourhood stays within, but for a chance of 2^−``bits``."""
    return next(
        most
        for most in range(neighbours + 1)
        if _colluder_bits(cohort, neighbours, collusion, most) >= bits or most == neighbours
    )


def _colluder_bits(cohort: int, neighbours: int, collusion: float, most: int) -> float:
    bits = tail_bits(cohort - 1, math.floor(collusion * cohort), neighbours, most)
    return max(0.0, bits - math.log2(cohort))


def liveness_bits(cohort: int, neighbours: int, threshold: int, dropout: float) -> float:
    """Return −log2 of the chance that some neighbourhood loses too many members to be opened."""
    bits = tail_bits(cohort - 1, math.floor(dropout * cohort), neighbours, neighbours - threshold)
    return max(0.0, bits - math.log2(cohort))


def neighbours_for(
    cohort: int, dropout: float, collusion: float, security: float = 40.0, liveness: float = 20.0
) -> Neighbourhood:
    """Return the smallest even degree, with its threshold, for a cohort (Bell et al. 2020, section 3.3).

    ``dropout`` and ``collusion`` are shares of the cohort; the chance of an unsafe graph is at most
    2^−``security``, that of a round that cannot be opened 2^−``liveness``. Where no sparse graph will do, the
    full one. Raises PolicyError where even that cannot stand both.
    """
    for neighbours in range(4, cohort - 1, 2):
        for threshold in range(default_threshold(neighbours), neighbours + 1):
            if liveness_bits(cohort, neighbours, threshold, dropout) < liveness:
                break  # a higher threshold only makes this worse
            if security_bits(cohort, neighbours, threshold, collusion) >= security:
                return Neighbourhood(neighbours, threshold)
    neighbours = cohort - 1
    for threshold in range(default_threshold(neighbours), neighbours + 1):
        lost = math.floor(dropout * cohort) > neighbours - threshold
        if not lost and math.floor(collusion * cohort) <= 2 * threshold - neighbours - 1:
            return Neighbourhood(neighbours, threshold)
    raise PolicyError(
        f"neighbour graph: no threshold stands {dropout:.0%} drop-outs and {collusion:.0%} colluders in a cohort "
        f"of {cohort}; twice the drop-outs plus the colluders must stay below the cohort"
    )
