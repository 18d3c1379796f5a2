"""What only people can say of a deployment: who runs it, for what, on what legal ground. ``RUN/deployment.toml``.

A run cannot know these; what nobody stated is shown as not stated. They are the parts of a data protection impact
assessment (GDPR, Article 35) and of a deployment registry's entry that are decisions and not measurements.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from mien.errors import RunError

FILE = "deployment.toml"


class Deployment(BaseModel):
    """Statements of the operator; None is "not stated"."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    curator: str | None = None
    """Who answers for the data: the controller."""
    intended_use: str | None = None
    region: str | None = None
    sector: str | None = None
    publication_date: str | None = None
    """ISO 8601."""
    data_subjects: str | None = None
    special_category: str | None = None
    """Whether the processing is of special categories (Article 9), and why not or on what ground."""
    lawful_basis: str | None = None
    retention: str | None = None
    necessity: str | None = None
    """Why the purpose cannot be reached with less."""
    consultation: str | None = None
    """Whom of those concerned, or their representatives, was asked."""
    hyper_parameters: str | None = None
    """On which data they were chosen: choosing them on the run's own data costs privacy that no ledger counts."""
    adviser: str | None = None
    """Advice of the data protection officer."""
    sign_off: str | None = None
    review_date: str | None = None


def read_deployment(run: Path) -> dict[str, Any]:
    """Return the statements of ``RUN/deployment.toml``, all None where there is no such file. Raises RunError."""
    path = run / FILE
    if not path.exists():
        return Deployment().model_dump()
    try:
        return Deployment.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).model_dump()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: not valid TOML: {error}") from None
    except ValidationError as error:
        fault = error.errors()[0]
        known = ", ".join(Deployment.model_fields)
        raise RunError(
            f"{path}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}; known keys: {known}"
        ) from None
