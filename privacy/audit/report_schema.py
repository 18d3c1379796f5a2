"""The schema of ``report.json``; ``report.schema.json`` beside this file says the same as JSON Schema.

Sections carry the letters of the tables that the page makes of them.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from privacy.audit.deployment import Deployment

SCHEMA: Final = "mien-report/2"

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Rate = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Environment(_Part):
    """A, H: where the run took place."""

    engine: str
    python: str
    system: str
    cores: int | None
    packages: dict[str, str]
    revision: str


class Data(_Part):
    """C: what the coordinator of a simulation knows of the data; counts are of public or synthetic data."""

    source: str
    synthetic: bool
    clients: Count
    train_photos: Count
    train_persons: Count
    test_photos: Count
    test_persons: Count


class Model(_Part):
    """A: what was trained."""

    name: str
    parameters: Count
    attributes: list[str]
    first: Hash
    last: Hash


class SecondOpinion(_Part):
    """G: another accountant on the same events."""

    accountant: str
    epsilon: float | None
    error: float


class Privacy(_Part):
    """D, E, G: what was promised and spent. None is "no bound"."""

    mode: Literal["distributed", "silo", "device", "none"]
    unit: Literal["person"]
    neighbouring: str
    delta: Rate
    epsilon_promised: float | None
    epsilon_spent: float | None
    """Against the coordinator, in league with as many clients as the plan allows; what the ledgers hold."""
    epsilon_against_recipient: float | None
    """Against whoever has every released model and is in league with nobody: all survivors' noise counts."""
    mu_gdp: float | None
    tpr_at_fpr_1_percent: Rate | None
    advantage: Rate | None
    accountant: str | None
    grid: float | None
    second_opinion: SecondOpinion | None
    profile: list[tuple[float, float | None]]
    """(δ, ε)"""
    households: dict[str, float | None]
    """ε of a group that joins or leaves together, by its size."""
    rounds_of_busiest_client: Count
    clients_charged: Count
    randomness: Literal["system", "test-only"]


class Norms(_Part):
    """The clipping norm of one person over the run's rounds, in model units."""

    first: float
    last: float
    smallest: float
    largest: float


class Mechanism(_Part):
    """F: the last plan's parameters."""

    plans: Count
    sampling_rate: Rate
    steps: Count
    divisor: float
    photos_per_person: Count
    clipping_norm: Norms
    adaptive_clipping: bool
    update_bound: float
    noise: str
    noise_multiplier: float
    noise_relative_to: Literal["person", "update bound"]
    honest_survivors: Count
    scale: Count
    field_bits: Literal[32, 64]
    vector_length: Count
    cohort: Count
    neighbours: Count
    threshold: Count
    min_survivors: Count


class Round(BaseModel):
    """J: one line of ``metrics.jsonl``; a later version may add figures."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    round: Count
    cohort: Count
    survivors: Count
    seconds: float
    bytes_up: Count
    bytes_down: Count
    epsilon: float | None
    loss: float | None
    auc: dict[str, float | None]
    aborted: str | None
    refusals: dict[str, str]


class Aborted(_Part):
    """A round in which nothing was opened."""

    round: Count
    reason: str


class Best(_Part):
    """The last evaluation."""

    round: Count
    loss: float
    auc: dict[str, float | None]


class Flow(_Part):
    """C, H: what clients sent, by message and part."""

    message: str
    part: str
    type: str
    count: Count
    bytes: Count
    smallest: Count
    largest: Count


class Sent(_Part):
    """What the coordinator sent, by message and part."""

    message: str
    part: str
    bytes: Count


class Ledgers(_Part):
    """G: the ledgers of simulated devices."""

    devices: Count
    charges: Count
    most: Count
    fewest: Count


class Transcript(_Part):
    """A: the record that all of this is derived from."""

    lines: Count
    head: Hash
    keys: list[Hash]


class CoveredFile(_Part):
    """One file that the seal covers."""

    bytes: Count
    sha256: Hash


class Seal(_Part):
    """A: who vouches for this report, and what came before it."""

    id: Hash
    files: dict[str, CoveredFile]
    previous: Hash
    key: Hash
    role: Literal["coordinator", "auditor"]
    page: Hash
    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]


class Report(_Part):
    """A whole report."""

    schema_: Annotated[Literal["mien-report/2"], Field(alias="schema")]
    run: str
    state: Literal["finished", "interrupted"]
    config: dict[str, Any]
    config_sha256: Hash
    environment: Environment
    deployment: Deployment
    data: Data
    model: Model
    privacy: Privacy
    mechanism: Mechanism | None
    rounds: list[Round]
    opened: Count
    aborted: list[Aborted]
    best: Best | None
    left_the_devices: list[Flow]
    sent_to_the_devices: list[Sent]
    ledgers: Ledgers | None
    evidence: list[dict[str, Any]]
    """I: results of attacks, without their pictures; see ``evidence.py``."""
    transcript: Transcript
    seal: Seal


UNSEALED: Final[dict[str, Any]] = {
    "id": "0" * 64, "files": {}, "previous": "0" * 64, "key": "0" * 64, "role": "auditor", "page": "0" * 64,
    "signature": "0" * 128,
}  # fmt: skip
"""Stands for the seal of a report that is checked before it is sealed."""
