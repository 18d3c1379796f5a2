"""What an attack or a conformance check found: one JSON file for each, under ``RUN/audit``, read by the report.

An attack knows nothing of the report, and the report nothing of the attack: they meet in this schema. Whatever
is not exactly of this form is refused with the place of the fault, so a report can never show half a result.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mien.errors import RunError
from mien.files import canonical_json, write_atomic

SCHEMA: Final = "mien-attack/1"
FOLDER = "audit"
"""Where the results lie, below the run folder."""
_MOST_BYTES = 8 << 20
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

Rate = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Claim(_Part):
    """What the run promised, and the attack tries to refute; both None where nothing was promised."""

    epsilon: Annotated[float, Field(ge=0)] | None = None
    delta: Rate | None = None


class Picture(_Part):
    """One tile of a gallery, for example a synthetic face beside what an inversion made of its gradient."""

    label: str
    png_base64: str
    group: str = ""
    """Tiles of one group stand in one row; empty puts all into one."""
    score: float | None = None
    """A figure below the tile, for example PSNR in decibels."""
    unit: str = ""

    @field_validator("png_base64")
    @classmethod
    def _png(cls, value: str) -> str:
        try:
            data = base64.b64decode(value, validate=True)
        except binascii.Error:
            raise ValueError("not base64") from None
        if not data.startswith(b"\x89PNG\r\n\x1a\n"):
            raise ValueError("not a PNG")
        return value


class Figures(_Part):
    """What is drawn. Synthetic faces only: a picture of a person never belongs into a report."""

    roc: tuple[tuple[Rate, Rate], ...] | None = None
    """(false-positive rate, true-positive rate), ascending."""
    rocs: dict[str, tuple[tuple[Rate, Rate], ...]] = {}
    """More curves by name, drawn together with ``roc``, for example the same attack without privacy."""
    gallery: tuple[Picture, ...] = ()


class AttackResult(_Part):
    """One test of a run or of this build.

    ``result`` holds the numbers; an interval is a pair of them. ``passed`` is None where a test measures and
    does not judge.
    """

    schema_: Annotated[Literal["mien-attack/1"], Field(alias="schema")] = SCHEMA
    attack: Annotated[str, Field(pattern=f"^{_NAME.pattern}$")]
    threat_model: str
    """Who attacks, with what access."""
    question: str
    """What is asked, in one sentence for a reader who is no expert."""
    claim: Claim = Claim()
    kind: Literal["lower bound", "estimate", "measurement"]
    result: Mapping[str, float | int | bool | str | tuple[float, ...] | None]
    confidence: Rate | None = None
    tests: Annotated[int, Field(ge=1)] = 1
    """Hypotheses tested together; the confidence holds for all of them after correction."""
    power: str = ""
    """Which faults this test would find, and how surely."""
    passed: bool | None = None
    seconds: Annotated[float, Field(ge=0)] = 0.0
    figures: Figures = Figures()
    notes: tuple[str, ...] = ()
    headline: str = ""
    """The outcome in one sentence with its figure, for the report's summary table."""
    method: str = ""
    """Method and paper."""
    title: dict[Literal["en", "zh"], str] = {}
    """A short name for each language of the report; the report uses ``attack`` where it lacks one."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, validate_by_name=True, validate_by_alias=True,
        serialize_by_alias=True,
    )  # fmt: skip


def write_result(run: Path, result: AttackResult) -> Path:
    """Write ``RUN/audit/<attack>.json``, canonical, whole or not at all, and return its path."""
    path = run / FOLDER / f"{result.attack}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, canonical_json(result.model_dump(mode="json")) + b"\n")
    return path


def read_results(run: Path) -> list[AttackResult]:
    """Return every result below ``run``, sorted by name. Raises RunError for a file that is not one."""
    return [read_result(path) for path in sorted((run / FOLDER).glob("*.json"))]


def read_result(path: Path) -> AttackResult:
    """Return one result. Raises RunError that names the file, the field and what was expected."""
    if path.stat().st_size > _MOST_BYTES:
        raise RunError(f"{path}: {path.stat().st_size} bytes; a result has at most {_MOST_BYTES}")
    try:
        result = AttackResult.model_validate(json.loads(path.read_bytes()))
    except ValueError as error:
        raise RunError(f"{path}: not an attack's result ({_first(error)}); run the attack again") from None
    if result.attack != path.stem:
        raise RunError(f"{path}: it is the result of {result.attack!r}; its file must be named after it")
    return result


def number(result: AttackResult, name: str) -> float | None:
    """Return a plain number of a result, or None where it has none of that name."""
    value: Any = result.result.get(name)
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if plain and math.isfinite(value) else None


def _first(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        fault = error.errors()[0]
        return f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
    return str(error)
