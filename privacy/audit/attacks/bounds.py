"""From what an attack guessed to a lower bound of ε, with a confidence that is proven and not estimated.

* Many runs of a mechanism: the guesses of independent runs are right with a probability that the claim bounds,
  so a bound of their mean by betting, or an exact binomial interval (Clopper and Pearson, 1934), is one of ε.
* One run with many canaries: Steinke, Nasr, Jagielski, 2023 (for (ε, δ)), and Mahloujifar, Melis, Chaudhuri, 2024
  (for a whole trade-off curve, here the Gaussian one). Neither needs the guesses to be independent.

``alpha`` is the chance, on a correct mechanism, that a bound lies above the truth.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from privacy.accounting.epsilon import epsilon
from privacy.accounting.events import GaussianSum

_LARGEST_MU: Final = 50.0
_LARGEST_EPSILON: Final = 64.0


def proportion_lower(successes: int, trials: int, alpha: float) -> float:
    """Return the one-sided Clopper–Pearson lower bound of a probability."""
    if successes == 0:
        return 0.0
    return float(stats.beta.ppf(alpha, successes, trials - successes + 1))


def proportion_upper(successes: int, trials: int, alpha: float) -> float:
    """Return the one-sided Clopper–Pearson upper bound of a probability."""
    if successes >= trials:
        return 1.0
    return float(stats.beta.ppf(1 - alpha, successes + 1, trials - successes))


def epsilon_of_mu(mu: float, delta: float) -> float:
    """Return ε at ``delta`` of a μ-Gaussian mechanism; 0 for μ so small that δ covers it."""
    if mu <= 0 or special.ndtr(mu / 2) - special.ndtr(-mu / 2) <= delta:
        return 0.0
    return epsilon([GaussianSum(1.0 / min(mu, _LARGEST_MU))], delta).epsilon


@functools.lru_cache(maxsize=64)
def mu_of_epsilon(target: float, delta: float) -> float:
    """Return the μ whose ε at ``delta`` is ``target``."""
    return float(optimize.brentq(lambda mu: epsilon_of_mu(mu, delta) - target, 1e-4, _LARGEST_MU, xtol=1e-9))


def mu_from_bets(right: NDArray[np.float64], alpha: float, stake: float) -> float:
    """Return a lower bound of μ from independent releases, of which each was guessed at about several coins.

    ``right`` [releases] are the shares of right guesses. Whoever guesses a fair coin by a μ-Gaussian mechanism is
    right with probability Φ(μ/2) at most (Dong, Roth, Su, 2022), so ``right`` has at most that mean, however
    the coins of one release hang together. The bound is by betting (Waudby-Smith, Ramdas, 2024): a player who
    stakes ``stake`` on each release being above a mean m multiplies the fortune by 1/alpha, where m is true, with
    probability alpha at most. ``stake`` must not depend on ``right``; :func:`best_stake` gives one.
    """

    def refuted(mu: float) -> bool:
        mean = float(special.ndtr(mu / 2))
        bet = min(stake, 0.99 / mean)
        return float(np.log1p(bet * (right - mean)).sum()) >= -math.log(alpha)

    return _least_refuted(refuted, _LARGEST_MU)


def mu_from_accuracy(correct: int, guesses: int, alpha: float) -> float:
    """Return a lower bound of μ from *independent* guesses at fair coins (see :func:`mu_from_bets`)."""
    return max(0.0, 2.0 * float(special.ndtri(proportion_lower(correct, guesses, alpha))))


def best_stake(mu: float, coins: int, releases: int, alpha: float) -> float:
    """Return the stake that is best near the claim ``mu`` for so many releases of so many coins each."""
    chance = float(special.ndtr(mu / 2))
    return math.sqrt(-2 * math.log(alpha) * coins / (releases * chance * (1 - chance)))


def releases_needed(mu: float, coins: int, deficit: float, alpha: float, beta: float) -> int:
    """Return how many releases reveal, with probability 1 − ``beta``, that the noise is ``deficit`` too small.

    ``mu`` is the claim; the mechanism then has μ / (1 − deficit). Normal approximation.
    """
    actual = float(special.ndtr(mu / (1.0 - deficit) / 2))
    gap = actual - float(special.ndtr(mu / 2))
    reach = math.sqrt(-2 * math.log(alpha)) + float(stats.norm.isf(beta))
    return math.ceil(reach**2 * actual * (1 - actual) / (coins * gap**2))


def epsilon_from_rates(
    true_positives: int, members: int, false_positives: int, others: int, delta: float, alpha: float
) -> float:
    """Return a lower bound of ε from a test's rates that assumes nothing of the mechanism (Kairouz et al. 2015).

    Half of ``alpha`` goes to each rate.
    """
    hits = proportion_lower(true_positives, members, alpha / 2)
    alarms = proportion_upper(false_positives, others, alpha / 2)
    return math.log((hits - delta) / alarms) if hits > delta + alarms else 0.0


# -- one run, many canaries --------------------------------------------------------------------------------


def steinke_epsilon(canaries: int, guesses: int, right: int, delta: float, alpha: float) -> float:
    """Return a lower bound of ε from one run: ``right`` of ``guesses`` about ``canaries`` fair coins were right.

    Steinke, Nasr, Jagielski, 2023, theorem 5.2 with the improved δ term of its appendix D.
    """
    return _least_refuted(lambda e: _steinke_p(canaries, guesses, right, e, delta) <= alpha, _LARGEST_EPSILON)


def _steinke_p(canaries: int, guesses: int, right: int, eps: float, delta: float) -> float:
    """Bound the chance of ``right`` or more right guesses under (ε, δ)-DP."""
    if guesses == 0:
        return 1.0
    chance = float(special.expit(eps))
    beta = float(stats.binom.sf(right - 1, guesses, chance))
    if delta == 0 or right == 0:
        return beta
    steps = np.arange(1, right + 1)
    cumulated = stats.binom.sf(right - steps - 1, guesses, chance) - beta
    return min(1.0, beta + float(np.max(cumulated / steps, initial=0.0)) * delta * 2 * canaries)


def gaussian_one_run_mu(canaries: int, guesses: int, right: int, alpha: float) -> float:
    """Return a lower bound of μ from one run, by the trade-off curve (Mahloujifar et al. 2024, algorithm 3)."""
    return _least_refuted(lambda mu: _refuted(canaries, guesses, right, mu, alpha), _LARGEST_MU)


def _refuted(canaries: int, guesses: int, right: int, mu: float, alpha: float) -> bool:
    """Return whether a μ-Gaussian mechanism gives so many right guesses with a probability below ``alpha``."""
    if guesses == 0:
        return False

    def shifted(x: float) -> float:  # 1 − f(x) mirrored: the chance of a false alarm for x of hits
        return float(special.ndtr(special.ndtri(min(1.0, x)) - mu))

    hits, misses = alpha * right / canaries, alpha * (guesses - right) / canaries
    for left in range(right - 1, -1, -1):
        needed = max(misses, shifted(hits))
        if needed == misses:
            break
        hits = min(1.0, hits + left / (guesses - left) * (needed - misses))
        misses = needed
    return hits + misses > guesses / canaries


def _least_refuted(refuted: Callable[[float], bool], most: float) -> float:
    """Return the largest value such that it and all below are refuted, 0 where not even 0 is."""
    if not refuted(1e-6):
        return 0.0
    low, high = 1e-6, most
    if refuted(high):
        return high
    for _ in range(48):
        middle = (low + high) / 2
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low
