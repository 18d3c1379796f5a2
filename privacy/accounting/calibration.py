"""From a promise to noise: the smallest noise multiplier that keeps ε at δ.

Guarantee C1: the returned multiplier was itself checked on the grid for reports, and its ε is at most the
target. It is the smallest one of four significant digits: ε falls as noise grows, so bisection finds it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from mien.errors import PrivacyError
from privacy.accounting.composition import Neighbouring
from privacy.accounting.curve import ONLINE_GRID, REPORT_GRID
from privacy.accounting.epsilon import epsilon
from privacy.accounting.events import Composed, Event, GaussianSum, PoissonGaussian, SampledGaussianSum

_LOWEST, _HIGHEST = 0.05, 1e5
_DIGITS = 4


def noise_for(
    target_epsilon: float,
    delta: float,
    *,
    rate: float,
    steps: int,
    neighbouring: Neighbouring = "add_or_remove",
) -> float:
    """Return the noise multiplier for ``steps`` steps of DP-SGD (steps a round times rounds) at ``rate``.

    Raises PrivacyError where no multiplier up to 100,000 reaches ``target_epsilon``.
    """
    return calibrate(
        lambda noise: [PoissonGaussian(rate, noise, steps)], target_epsilon, delta, neighbouring=neighbouring
    )


def noise_for_device(
    target_epsilon: float,
    delta: float,
    *,
    rounds: int,
    client_rate: float = 1.0,
    neighbouring: Neighbouring = "add_or_remove",
) -> float:
    """Return the noise multiplier of the summed noise for ``rounds`` releases of device mode.

    Leave ``client_rate`` at 1 to keep the target against the server; below 1 the target holds against whoever
    receives the model, and only where clients really are drawn by a hidden Poisson sampling.
    """

    def events(noise: float) -> list[Event]:
        one = GaussianSum(noise) if client_rate == 1 else SampledGaussianSum(client_rate, noise)
        return [Composed((one,), rounds)]

    return calibrate(events, target_epsilon, delta, neighbouring=neighbouring)


def calibrate(
    events: Callable[[float], Sequence[Event]],
    target_epsilon: float,
    delta: float,
    *,
    neighbouring: Neighbouring = "add_or_remove",
) -> float:
    """Return the smallest multiplier, to four digits, for which ``events(multiplier)`` costs at most the target.

    ``events`` must cost less with more noise. A coarse grid brackets the answer, the report's grid decides.
    """
    if not target_epsilon > 0:
        raise PrivacyError(f"target epsilon must be above 0; got {target_epsilon!r}")

    def enough(noise: float, grid: float) -> bool:
        return epsilon(events(noise), delta, neighbouring=neighbouring, grid=grid).epsilon <= target_epsilon

    low, high = _LOWEST, 1.0
    while not enough(high, ONLINE_GRID):
        low, high = high, high * 2.0
        if high > _HIGHEST:
            raise PrivacyError(
                f"no noise multiplier up to {_HIGHEST:g} reaches epsilon {target_epsilon:g} at delta {delta:g}; "
                "allow a larger epsilon, or take fewer steps or rounds"
            )
    coarse = _bisect(lambda noise: enough(noise, ONLINE_GRID), low, high)
    # the finer grid allows a little less noise: walk there in units of the fourth digit, in growing strides
    unit = 10.0 ** (math.floor(math.log10(coarse)) - _DIGITS + 1)
    top, stride = math.ceil(coarse / unit), 1
    while not enough(top * unit, REPORT_GRID):
        top += 1
    while enough((top - stride) * unit, REPORT_GRID):
        top, stride = top - stride, 2 * stride
    bottom = top - stride
    while top - bottom > 1:
        middle = (top + bottom) // 2
        bottom, top = (bottom, middle) if enough(middle * unit, REPORT_GRID) else (middle, top)
    return float(f"{top * unit:.{_DIGITS + 1}g}")


def _bisect(enough: Callable[[float], bool], low: float, high: float) -> float:
    """Return a multiplier within 0.01 % above the smallest that is enough."""
    while high / low > 1.0 + 1e-4:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
