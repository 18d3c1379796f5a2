"""The round plan: what the coordinator asks of a cohort, as one canonical, hashed object.

Every message of a round carries the plan's hash, so nothing in it can change after the first key was sent,
and every device checks the plan against its own limits (:mod:`privacy.secagg.policy`) before it answers.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from mien.errors import ProtocolError
from mien.files import canonical_json

MAX_COHORT = 100_000
ADAPTIVE_MODES = ("distributed", "device")
"""Modes with one clipping and one noised sum a round, to which a count can be added."""

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class LocalTraining(_Part):
    """How a client trains on its own data. All figures are public; none depends on the client's data."""

    steps: Annotated[int, Field(ge=1, le=100_000)]
    sampling_rate: Annotated[float, Field(gt=0, le=1)]
    """Poisson rate at which a record (a person) joins a step."""
    divisor: Annotated[float, Field(gt=0)]
    """The public number that a step's clipped sum is divided by; mode ``none`` takes the client's own."""
    photos_per_record: Annotated[int, Field(ge=1, le=1000)]
    learning_rate: Annotated[float, Field(gt=0)]
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    clipping_norm: Annotated[float, Field(gt=0)] | None = None
    """L2 bound of one record's gradient in silo mode; None trains without record-level privacy."""
    noise_multiplier: Annotated[float, Field(ge=0)] = 0.0
    """Standard deviation of the noise of one step, divided by ``clipping_norm``."""
    augmentation: tuple[Name, ...] = ()
    """Pieces of ``models.augmentation``, in order; the device draws for each row."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    positive_weights: tuple[Annotated[float, Field(gt=0)], ...] = ()
    """Weight of a yes-label, for each output of the model; empty weighs none. Public constants of the run."""
    proximal: Annotated[float, Field(ge=0)] = 0.0
    """FedProx: µ of the term µ/2·‖w − w_global‖² that is added to the local loss."""

    @model_serializer(mode="wrap")
    def _without_what_is_not_asked_for(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what came after version 1 was fixed and is at its default: old plans keep their hash."""
        fields: dict[str, Any] = handler(self)
        return {name: value for name, value in fields.items() if name not in _LATER or value}


_LATER = frozenset({"augmentation", "label_smoothing", "positive_weights", "proximal"})


class AdaptiveNorm(_Part):
    """The clipping norm of this round, and what a client adds to the count that moves the next ones.

    Every other norm of the plan, and so its scale and its noise, is in units of :attr:`norm`. The cost of a round
    therefore does not change while the norm moves. See :mod:`privacy.mechanisms.adaptive`.
    """

    norm: Annotated[float, Field(gt=0)]
    """In units of the model's weights (an update) or of its loss's gradient (mode ``distributed``)."""
    within: Annotated[int, Field(ge=1, le=1 << 40)]
    """Integer units that one record within the norm adds to the count."""
    beyond: Annotated[int, Field(ge=1, le=1 << 40)]
    """Integer units that one record beyond it takes off; beyond / (within + beyond) is the target quantile."""


class Update(_Part):
    """How the difference to the global model becomes a vector of field elements."""

    clipping_norm: Annotated[float, Field(gt=0)]
    """L2 bound of the whole weighted update."""
    weight_bound: Annotated[float, Field(gt=0)] = 1.0
    """Largest weight that a client may give its update; the weight itself stays secret."""
    scale: Annotated[int, Field(ge=1, le=1 << 40)] = 1 << 16
    """Integer units per 1.0 of the update."""
    noise: Literal["none", "skellam", "discrete_gaussian"] = "none"
    noise_multiplier: Annotated[float, Field(ge=0)] = 0.0
    """Standard deviation of the sum of the survivors' noise, divided by ``clipping_norm``."""
    honest_survivors: Annotated[int, Field(ge=1)] = 1
    """Noise shares that may be counted on: the fewest survivors, less those that may collude."""
    adaptive: AdaptiveNorm | None = None
    """Adaptive clipping; None, and absent from the encoding, where the clipping norm is fixed."""

    @property
    def unit(self) -> float:
        """What 1.0 of an encoded update, and of every norm of the plan, is in units of the model."""
        return 1.0 if self.adaptive is None else self.adaptive.norm

    @model_serializer(mode="wrap")
    def _without_absent_parts(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = handler(self)
        return {name: value for name, value in fields.items() if name != "adaptive" or value is not None}


class SecureAggregation(_Part):
    """Parameters of the secure sum; see docs/secure-aggregation.md."""

    vector_length: Annotated[int, Field(ge=1, le=1 << 30)]
    """Field elements a client uploads: the update, its weight, its count and its metrics."""
    field_bits: Literal[32, 64] = 32
    neighbours: Annotated[int, Field(ge=1, le=MAX_COHORT)]
    """Degree of the neighbour graph; cohort size − 1 is the full graph."""
    threshold: Annotated[int, Field(ge=1, le=MAX_COHORT)]
    """Shares needed to open a secret; above two thirds of ``neighbours``."""
    min_survivors: Annotated[int, Field(ge=1, le=MAX_COHORT)]
    """Uploads below which the round aborts; the distributed noise is sized for it."""


class RoundPlan(_Part):
    """One round. Two plans are the same if and only if their :attr:`hash` is."""

    version: Literal[1] = 1
    run: Name
    round: Annotated[int, Field(ge=1, le=1 << 31)]
    purpose: Name
    mode: Literal["distributed", "silo", "device", "none"]
    """Where the noise is added; see ``configs.schema.Privacy``."""
    model: Name
    model_hash: Hash | None
    """Hash of the global model to train from; None in set-up, which may run before that model exists."""
    cohort: Annotated[tuple[Name, ...], Field(min_length=1, max_length=MAX_COHORT)]
    """The members' names, sorted, without repetition."""
    training: LocalTraining
    update: Update
    secagg: SecureAggregation
    deadline_seconds: Annotated[float, Field(gt=0)] = 600.0

    @model_validator(mode="after")
    def _consistent(self) -> RoundPlan:
        if list(self.cohort) != sorted(set(self.cohort)):
            raise ValueError("cohort must be sorted and free of repetition")
        if self.secagg.neighbours > max(1, len(self.cohort) - 1):
            raise ValueError(f"neighbours {self.secagg.neighbours} > cohort size {len(self.cohort)} - 1")
        if self.secagg.threshold > self.secagg.neighbours:
            raise ValueError(f"threshold {self.secagg.threshold} > neighbours {self.secagg.neighbours}")
        if self.secagg.min_survivors > len(self.cohort):
            raise ValueError(f"min_survivors {self.secagg.min_survivors} > cohort size {len(self.cohort)}")
        if self.update.adaptive and (self.mode not in ADAPTIVE_MODES or self.update.noise == "none"):
            raise ValueError(f"adaptive clipping needs shared noise, in one of the modes {ADAPTIVE_MODES}")
        return self

    def to_bytes(self) -> bytes:
        """Return the canonical encoding."""
        return canonical_json(self.model_dump(mode="json"))

    @classmethod
    def from_bytes(cls, data: bytes) -> RoundPlan:
        """Decode and check a plan. Raises ProtocolError unless ``data`` is the canonical encoding of one."""
        try:
            plan = cls.model_validate_json(data)
        except ValidationError as error:
            raise ProtocolError(
                f"round plan: {error.errors()[0]['msg']} at {error.errors()[0]['loc']}"
            ) from None
        if plan.to_bytes() != data:
            raise ProtocolError("round plan: not in canonical form; it may have been altered on its way")
        return plan

    @property
    def hash(self) -> bytes:
        """SHA-256 of the canonical encoding, 32 bytes."""
        return hashlib.sha256(self.to_bytes()).digest()

    @property
    def session(self) -> RoundPlan:
        """The plan without its model: what clients set up keys for while that model is still being summed."""
        return self.model_copy(update={"model_hash": None})

    @property
    def session_hash(self) -> bytes:
        """The :attr:`hash` of :attr:`session`: equal for two plans that differ in nothing but the model."""
        return self.session.hash
