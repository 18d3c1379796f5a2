"""Which clients a round asks.

The choice is public and depends on no one's data. Those asked least so far come first, ties are broken by the
run's seed; so over a run no client is asked more than once oftener than another, which bounds what any of them
can spend: at most ⌈rounds · cohort / clients⌉ rounds while all are there.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable


class CohortSelector:
    """Draws a cohort for each round; keeps the count of how often each client was asked."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._asked: Counter[str] = Counter()

    def choose(self, round_number: int, available: Iterable[str], size: int) -> tuple[str, ...]:
        """Return at most ``size`` of the available clients, sorted by name."""

        def order(name: str) -> tuple[int, bytes]:
            draw = f"mien cohort {self._seed} {round_number} {name}".encode()
            return self._asked[name], hashlib.sha256(draw).digest()

        chosen = sorted(sorted(available, key=order)[:size])
        self._asked.update(chosen)
        return tuple(chosen)


def most_rounds(rounds: int, cohort: int, clients: int) -> int:
    """Return how many rounds one client can be asked for at most, while all clients are there."""
    return math.ceil(rounds * cohort / clients)
