"""What can be asked of the server, typed; the fields are those of ``recommend.preferences`` by name."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recommend.adviser import MAX_CARDS
from recommend.knowledge.model import Language
from recommend.preferences import Preferences

READING_ID = r"^[0-9a-f]{32}$"
Finite = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]
Point = tuple[Finite, Finite]
ReadingId = Annotated[str, Field(pattern=READING_ID, description="as /reading gave it")]


class Body(BaseModel):
    """A request's JSON object; fields that are not known are refused."""

    model_config = ConfigDict(extra="forbid")


class Wishes(Body):
    """What the person wants and says about themselves; the allowed values are in /options."""

    language: Language | None = Field(None, description="of the advice; else that of the request")
    occasion: str = Field("day", max_length=40)
    style: str = Field("natural", max_length=40)
    intent: str = Field("accent", max_length=40)
    skill: str = Field("some", max_length=40)
    minutes: float = Field(20.0, gt=0, le=240, allow_inf_nan=False)
    season: str | None = Field(None, max_length=40)
    nose: bool = Field(False, description="advice on the nose is given only where this is true")
    confirmed: dict[str, str] = Field(
        default_factory=dict,
        max_length=64,
        description="what only the person knows, or overrules: attribute → answer",
        examples=[{"lid_type": "monolid", "minor": "no"}],
    )

    def preferences(self, language: Language) -> Preferences:
        """Return them as the adviser takes them; raises ConfigError for a value that is not known."""
        return Preferences(**{**self.model_dump(), "language": self.language or language})


class LookRequest(Body):
    """A look for a reading, with landmarks and hairline where the person put them."""

    reading: ReadingId
    preferences: Wishes = Field(default_factory=Wishes)  # type: ignore[arg-type]
    landmarks: list[Point] | None = Field(
        None, min_length=68, max_length=68, description="all 68, in pixels of the reading's photo"
    )
    hairline: Point | None = Field(None, description="on the midline, in pixels of the reading's photo")
    max_cards: int = Field(MAX_CARDS, ge=1, le=40)

    def points(self) -> NDArray[np.float64] | None:
        """Return the moved landmarks as float64 [68, 2], or None."""
        return None if self.landmarks is None else np.array(self.landmarks, dtype=np.float64)


class OpinionRequest(Body):
    """Like, or not for me, of a card that the last look of a reading showed."""

    reading: ReadingId
    rule: str = Field(max_length=80, description="the card's `rule`")
    liked: bool


class SharingRequest(Body):
    """Whether opinions take part in federated rounds."""

    on: bool


class ForgetRequest(Body):
    """One reading, or all of them when it is left out."""

    reading: ReadingId | None = None


class CodeRequest(Body):
    """The code of the link that started the browser."""

    code: str = Field(max_length=80)


class PhotosJson(Body):
    """Photos of one person as base64 (a data URL's prefix may stay)."""

    photos: list[str] = Field(min_length=1, max_length=5)
    paper: tuple[Finite, Finite, Finite, Finite] | None = Field(
        None, description="white paper in the first photo: left, top, right, bottom as fractions"
    )


class FaceJson(BaseModel):
    """One photo as base64."""

    image: str


def form_schema(field: str, *, many: bool, paper: bool) -> dict[str, Any]:
    """Return the OpenAPI schema of a form with photos."""
    binary = {"type": "string", "format": "binary"}
    content: dict[str, Any] = {
        field: {"type": "array", "items": binary, "minItems": 1, "maxItems": 5} if many else binary
    }
    if paper:
        content["paper"] = {"type": "string", "examples": ["0.1,0.2,0.3,0.4"]}
    return {"type": "object", "properties": content, "required": [field]}
