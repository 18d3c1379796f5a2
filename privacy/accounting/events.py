"""The vocabulary of private releases: what a device did, in words that never change their meaning.

A ledger keeps events, never an epsilon: the epsilon is computed from them, so a better accountant improves
the past too. Like ``dp_accounting.DpEvent``, an event says exactly which mechanism ran. A new mechanism gets
a new class; the meaning and the fields of an existing class are frozen, because old ledgers hold it.

The sensitivity is always that of *one person* being present or absent, bounded by the clipping norm, and
``noise_multiplier`` is the standard deviation of the noise divided by that clipping norm.

Each event has a canonical JSON form, ``{"type": <class name>, <fields>}``; :func:`from_json` accepts nothing
else: no missing field, no extra one, no number outside its domain.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeAlias

from mien.errors import PrivacyError

_MAX_COUNT = 1 << 40  # steps, photos, dimensions: far above any use, low enough for exact float64 arithmetic
_MAX_DEPTH = 8  # nesting of Composed: a hostile ledger must not exhaust the stack


@dataclasses.dataclass(frozen=True)
class PoissonGaussian:
    """DP-SGD: ``steps`` times, each person joins with probability ``rate`` and the clipped sum is noised.

    One local training of a round in silo mode. Poisson sampling is real and its outcome stays secret.
    """

    rate: float
    noise_multiplier: float
    steps: int = 1

    def __post_init__(self) -> None:
        _check_rate(self, "rate", self.rate)
        _check_noise(self, self.noise_multiplier)
        _check_count(self, "steps", self.steps)


@dataclasses.dataclass(frozen=True)
class GaussianSum:
    """One release of a clipped sum with continuous Gaussian noise, everybody taking part."""

    noise_multiplier: float

    def __post_init__(self) -> None:
        _check_noise(self, self.noise_multiplier)


@dataclasses.dataclass(frozen=True)
class SampledGaussianSum:
    """One release of a clipped sum over a Poisson sample of clients whose outcome stays secret."""

    client_rate: float
    noise_multiplier: float

    def __post_init__(self) -> None:
        _check_rate(self, "client_rate", self.client_rate)
        _check_noise(self, self.noise_multiplier)


@dataclasses.dataclass(frozen=True)
class PhotoSampledGaussian:
    """DP-SGD that samples *photos*, seen from a person who has ``photos`` of them.

    Each photo joins a step with probability ``rate`` and is clipped alone, so a person moves a step's sum by
    a binomial number of clipping norms: a mixture of Gaussians. Costs far more than one record per person.
    """

    rate: float
    photos: int
    noise_multiplier: float
    steps: int = 1

    def __post_init__(self) -> None:
        _check_rate(self, "rate", self.rate)
        _check_count(self, "photos", self.photos, at_most=10_000)
        _check_noise(self, self.noise_multiplier)
        _check_count(self, "steps", self.steps)


@dataclasses.dataclass(frozen=True)
class _IntegerSum:
    """Fields shared by the two sums of integer vectors with integer noise.

    ``clipping_norm`` times ``scale`` bounds the L2 norm of one client's integer vector exactly (see
    :mod:`privacy.secagg.encoding`, E1); each of at least ``survivors`` honest clients adds
    noise of variance ``variance_per_client`` (integer units squared) to each of ``dimension`` coordinates.
    ``client_rate`` below 1 says that the client was drawn by Poisson sampling whose outcome stays secret.
    """

    scale: int
    clipping_norm: float
    variance_per_client: float
    survivors: int
    dimension: int
    client_rate: float = 1.0

    def __post_init__(self) -> None:
        _check_count(self, "scale", self.scale)
        _check_positive(self, "clipping_norm", self.clipping_norm)
        _check_non_negative(self, "variance_per_client", self.variance_per_client)
        _check_count(self, "survivors", self.survivors)
        _check_count(self, "dimension", self.dimension)
        _check_rate(self, "client_rate", self.client_rate)

    @property
    def variance(self) -> float:
        """Variance of the noise in one coordinate of the sum, in integer units squared."""
        return self.survivors * self.variance_per_client

    @property
    def sensitivity(self) -> float:
        """Largest L2 norm of one client's integer vector."""
        return self.clipping_norm * self.scale

    @property
    def noise_multiplier(self) -> float:
        """Standard deviation of the summed noise divided by the sensitivity."""
        return math.sqrt(self.variance) / self.sensitivity


@dataclasses.dataclass(frozen=True)
class SkellamSum(_IntegerSum):
    """One release of a sum of integer vectors in which each survivor added Skellam noise."""


@dataclasses.dataclass(frozen=True)
class DiscreteGaussianSum(_IntegerSum):
    """One release of a sum of integer vectors in which each survivor added discrete Gaussian noise.

    ``variance_per_client`` is the *parameter* σ² of the discrete Gaussian; its variance is not larger.
    """


@dataclasses.dataclass(frozen=True)
class PersonSampledSkellamSum(SkellamSum):
    """As SkellamSum, but ``client_rate`` is that of a *person*, drawn inside her device.

    Nobody outside the device sees the draw, so it counts against the server too.
    """


@dataclasses.dataclass(frozen=True)
class PersonSampledDiscreteGaussianSum(DiscreteGaussianSum):
    """As DiscreteGaussianSum, with persons drawn inside their device: see :class:`PersonSampledSkellamSum`."""


@dataclasses.dataclass(frozen=True)
class Composed:
    """Several releases by the same device, repeated ``times`` times."""

    events: tuple[Event, ...]
    times: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.events, tuple) or not all(isinstance(e, _EVENTS) for e in self.events):
            raise _refused(self, "events", "a tuple of events", self.events)
        _check_count(self, "times", self.times)


Event: TypeAlias = (
    PoissonGaussian
    | GaussianSum
    | SampledGaussianSum
    | PhotoSampledGaussian
    | SkellamSum
    | DiscreteGaussianSum
    | PersonSampledSkellamSum
    | PersonSampledDiscreteGaussianSum
    | Composed
)
_EVENTS = (
    PoissonGaussian,
    GaussianSum,
    SampledGaussianSum,
    PhotoSampledGaussian,
    SkellamSum,
    DiscreteGaussianSum,
    PersonSampledSkellamSum,
    PersonSampledDiscreteGaussianSum,
    Composed,
)
_BY_NAME: Mapping[str, type[Any]] = {event.__name__: event for event in _EVENTS}


def to_json(event: Event) -> dict[str, Any]:
    """Return the plain-data form of an event, ready for :func:`mien.files.canonical_json`."""
    fields = {f.name: getattr(event, f.name) for f in dataclasses.fields(event)}
    if isinstance(event, Composed):
        fields["events"] = [to_json(part) for part in event.events]
    return {"type": type(event).__name__, **fields}


def from_json(value: Any, *, depth: int = 0) -> Event:
    """Return the event that ``value`` says, or raise PrivacyError. The inverse of :func:`to_json`."""
    if not isinstance(value, dict) or value.get("type") not in _BY_NAME:
        known = ", ".join(_BY_NAME)
        raise PrivacyError(f"event: expected an object whose 'type' is one of {known}; got {value!r:.200}")
    if depth > _MAX_DEPTH:
        raise PrivacyError(f"event: Composed is nested more than {_MAX_DEPTH} deep")
    kind = _BY_NAME[value["type"]]
    expected = {f.name: f.type for f in dataclasses.fields(kind)}
    given = {name: item for name, item in value.items() if name != "type"}
    if set(given) != set(expected):
        missing, extra = sorted(set(expected) - set(given)), sorted(set(given) - set(expected))
        raise PrivacyError(f"event {kind.__name__}: missing fields {missing}, unknown fields {extra}")
    for name, annotation in expected.items():
        if annotation == "float":
            given[name] = _as_float(kind.__name__, name, given[name])
    if kind is Composed:
        if not isinstance(given["events"], list):
            raise PrivacyError(f"event Composed: 'events' must be a list; got {given['events']!r:.200}")
        given["events"] = tuple(from_json(part, depth=depth + 1) for part in given["events"])
    event: Event = kind(**given)
    return event


def _as_float(kind: str, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PrivacyError(f"event {kind}: '{name}' must be a number; got {value!r:.200}")
    return float(value)


def _check_rate(event: object, name: str, value: float) -> None:
    if not (isinstance(value, float | int) and not isinstance(value, bool) and 0 < value <= 1):
        raise _refused(event, name, "a probability above 0 and at most 1", value)


def _check_noise(event: object, value: float) -> None:
    """Accept 0: it says "no noise", costs an infinite epsilon, and a ledger must be able to record it."""
    _check_non_negative(event, "noise_multiplier", value)


def _check_non_negative(event: object, name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, float | int) or not 0 <= value < math.inf:
        raise _refused(event, name, "a finite number of at least 0", value)


def _check_positive(event: object, name: str, value: float) -> None:
    _check_non_negative(event, name, value)
    if value == 0:
        raise _refused(event, name, "a number above 0", value)


def _check_count(event: object, name: str, value: int, at_most: int = _MAX_COUNT) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= at_most:
        raise _refused(event, name, f"a whole number from 1 to {at_most}", value)


def _refused(event: object, name: str, expected: str, got: object) -> PrivacyError:
    return PrivacyError(f"event {type(event).__name__}: '{name}' must be {expected}; got {got!r:.200}")
