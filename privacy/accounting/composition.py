"""Any list of events, reduced to the few mechanisms that an accountant has to convolve.

Order does not matter to privacy accounting, so equal mechanisms are counted instead of listed, and all
unsampled Gaussians merge into one exactly: their squared μ = 1/noise_multiplier² add up. Ten thousand rounds
of one recipe cost as much as one.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

from privacy.accounting.events import (
    Composed,
    DiscreteGaussianSum,
    Event,
    GaussianSum,
    PhotoSampledGaussian,
    PoissonGaussian,
    SampledGaussianSum,
    SkellamSum,
)
from privacy.accounting.integer_noise import gaussian_equivalent

Neighbouring: TypeAlias = Literal["add_or_remove", "replace"]
"""``add_or_remove``: one person's data is there or not (a clipped sum moves by C). ``replace``: it is
exchanged for another person's (the sum moves by up to 2C)."""
MIN_NOISE: Final = 1e-2
"""Noise multiplier below which ε, in the thousands, is called infinite instead of being computed."""
MAX_RELEASES: Final = 1 << 40


@dataclasses.dataclass
class GaussianReleases:
    """A multiset of Gaussian releases, sampled or not. All noise multipliers are above 0."""

    mu_squared: float = 0.0
    """Σ (sensitivity / noise)² over all releases without sampling."""
    sampled: Counter[tuple[float, float]] = dataclasses.field(default_factory=Counter)
    """(rate, noise multiplier) → how many releases that a person joins by one coin."""
    mixtures: Counter[tuple[float, int, float]] = dataclasses.field(default_factory=Counter)
    """(rate, units, noise multiplier) → how many releases that a person moves by a Binomial(units, rate)."""

    def add(self, rate: float, units: int, noise_multiplier: float, times: int) -> None:
        """Count ``times`` more sums that one person moves by ``units`` clipping norms, each sampled alone."""
        if rate == 1:  # all units join
            self.mu_squared += times * (units / noise_multiplier) ** 2
        elif units == 1:
            self.sampled[rate, noise_multiplier] += times
        else:
            self.mixtures[rate, units, noise_multiplier] += times

    def copy(self) -> GaussianReleases:
        """Return a copy that can be added to without changing this one."""
        return GaussianReleases(self.mu_squared, self.sampled.copy(), self.mixtures.copy())

    @property
    def multiplier(self) -> float:
        """Noise multiplier of the one Gaussian that all unsampled releases merge into; infinite for none."""
        return math.inf if self.mu_squared == 0 else 1.0 / math.sqrt(self.mu_squared)

    @property
    def only_unsampled(self) -> bool:
        """True where nothing was sampled, so that closed forms are exact."""
        return not (self.sampled or self.mixtures)


@dataclasses.dataclass
class Composition:
    """What an accountant needs to know about a list of events."""

    group: int = 1
    """How many persons are added or removed together: a household."""
    gaussian: GaussianReleases = dataclasses.field(default_factory=GaussianReleases)
    """Everything, integer noise included through its Gaussian equivalent."""
    continuous: GaussianReleases = dataclasses.field(default_factory=GaussianReleases)
    """What had continuous noise; with ``integer`` the input of the Rényi route."""
    integer: Counter[SkellamSum | DiscreteGaussianSum] = dataclasses.field(default_factory=Counter)
    eta: float = 0.0
    beta: float = 0.0
    """Σ of the price of standing in a Gaussian for integer noise (integer_noise, I2)."""
    unbounded: bool = False
    """True where a release had (next to) no noise, or releases are beyond count: epsilon is called infinite."""
    no_equivalent: bool = False
    """True where integer noise is too small to be compared with a Gaussian: only the Rényi route is left."""
    releases: int = 0

    def copy(self) -> Composition:
        """Return a copy that can be added to without changing this one."""
        return dataclasses.replace(
            self,
            gaussian=self.gaussian.copy(),
            continuous=self.continuous.copy(),
            integer=self.integer.copy(),
        )

    def add(self, event: Event, times: int = 1) -> None:
        """Count ``times`` more occurrences of ``event``."""
        match event:
            case Composed(events=parts, times=repeats):
                for part in parts:
                    self.add(part, times * repeats)
            case PoissonGaussian(rate=rate, noise_multiplier=noise, steps=steps):
                self._add_continuous(rate, 1, noise, times * steps)
            case PhotoSampledGaussian(rate=rate, photos=photos, noise_multiplier=noise, steps=steps):
                self._add_continuous(rate, photos, noise, times * steps)
            case GaussianSum(noise_multiplier=noise):
                self._add_continuous(1.0, 1, noise, times)
            case SampledGaussianSum(client_rate=rate, noise_multiplier=noise):
                self._add_continuous(rate, 1, noise, times)
            case SkellamSum() | DiscreteGaussianSum():
                self._add_integer(event, times)

    def _add_continuous(self, rate: float, units: int, noise_multiplier: float, times: int) -> None:
        """Count releases; the persons of a group are sampled alone, so a group is just more units."""
        self.releases += times
        if noise_multiplier < MIN_NOISE * self.group or self.releases > MAX_RELEASES:
            self.unbounded = True
            return
        for releases in (self.gaussian, self.continuous):
            releases.add(rate, units * self.group, noise_multiplier, times)

    def _add_integer(self, event: SkellamSum | DiscreteGaussianSum, times: int) -> None:
        self.releases += times
        if event.noise_multiplier < MIN_NOISE * self.group or self.releases > MAX_RELEASES:
            self.unbounded = True
            return
        self.integer[event] += times
        equivalent = gaussian_equivalent(event)
        if equivalent is None:
            self.no_equivalent = True
            return
        self.gaussian.add(event.client_rate, self.group, equivalent.noise_multiplier, times)
        self.eta += times * equivalent.eta
        self.beta += times * equivalent.beta


def compose(events: Iterable[Event], *, group: int = 1) -> Composition:
    """Reduce ``events`` to a :class:`Composition` for a household of ``group`` persons."""
    result = Composition(group=group)
    for event in events:
        result.add(event)
    return result
