"""What the server answers, typed, for OpenAPI and for the tests. New fields may be added; none changes meaning."""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Data = TypeVar("Data")
Pair = tuple[float, float]


class Answer(BaseModel):
    """Part of an answer; fields beyond the named ones may come with later versions."""

    model_config = ConfigDict(extra="allow")


class Done(BaseModel, Generic[Data]):
    """The envelope of an answer."""

    code: Literal[0]
    data: Data


class Failed(BaseModel):
    """The envelope of an error: ``message`` and ``next`` are for the person, ``detail`` for programs' authors."""

    code: int = Field(gt=0, examples=[23])
    kind: str = Field(examples=["NoFaceError"])
    message: str
    next: str
    detail: str


class NoticeData(Answer):
    """Something about the photo that the person should know, and what to do."""

    code: str
    value: float
    text: str
    next: str
    blocks: list[str]


class MeasurementData(Answer):
    """One measure with its interval and its place in the reference group; ``answer`` null is *undecided*."""

    value: float
    interval_90: Pair
    percentile: float = Field(ge=0, le=100)
    cuts: Pair
    answer: str | None
    probability: float = Field(ge=0, le=1)
    undecided: list[str]


class ShapeData(Answer):
    """Probabilities of face shapes; ``answer`` null is *undecided*."""

    answer: str | None
    probabilities: dict[str, float]


class SkinData(Answer):
    """The depth of the skin as an ITA° interval, and the undertone as a suggestion."""

    ita: float
    interval_90: Pair
    depth: dict[str, float]
    answer: str | None
    undertone_suggestion: dict[str, float]
    judged_by: Literal["paper", "eyes", "none"]


class ReadingData(Answer):
    """What was read; landmarks are pixels of the photo at /reading/ID/photo."""

    photos: int
    size: tuple[int, int]
    landmarks: list[Pair] = Field(min_length=68, max_length=68)
    pose: dict[str, float]
    reference: dict[str, Any]
    measurements: dict[str, MeasurementData]
    face_shape: ShapeData
    skin: SkinData | None


class Reread(Answer):
    """The data of POST /reading. ``hairline`` is an estimate until the person moves it."""

    id: str
    reading: ReadingData
    hairline: Pair
    summary: list[tuple[str, str]]
    notices: list[NoticeData]


class OutlineData(Answer):
    """One closed area, and the areas inside it that are left out, in pixels."""

    side: Literal["right", "left", "middle"]
    points: list[Pair]
    holes: list[list[Pair]]


class PlaceData(Answer):
    """One zone of a card; ``text`` finds it without the picture."""

    zone: str
    name: str
    text: str
    estimated_hairline: bool
    outlines: list[OutlineData]


class ColourData(Answer):
    """One colour: the product's, on this person, and the bare place, each ``#rrggbb``."""

    name: str
    product: str
    on_skin: str
    bare: str
    dose: float
    difference: float


class CardData(Answer):
    """One piece of advice."""

    number: int
    rank: int
    starred: bool
    rule: str
    domain: str
    title: str
    reason: str
    steps: list[str]
    minutes: float
    tools: list[str]
    where: list[PlaceData]
    colours: list[ColourData]
    why: list[dict[str, Any]]
    why_not: list[dict[str, Any]]
    confidence: dict[str, Any]
    evidence: dict[str, Any]


class LookData(Answer):
    """The cards, in the order in which they are put on."""

    minutes: float
    preferences: dict[str, Any]
    cards: list[CardData]


class Named(Answer):
    """An id with its name in the language that was asked for."""

    id: str
    name: str


class QuestionData(Answer):
    """A question whose answer, sent as ``confirmed``, would change the advice most."""

    attribute: str
    text: str
    answers: list[Named]


class Advised(Answer):
    """The data of POST /look."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    version: Literal[1] = Field(alias="schema")
    language: Literal["en", "zh"]
    reading: ReadingData
    look: LookData
    notices: list[NoticeData]
    hairline: Pair
    taste: Literal["none", "applied", "unavailable"]
    summary: list[tuple[str, str]]
    questions: list[QuestionData]


class LiveZoneData(Answer):
    """One area of a part of the look, as it lies on a camera's frame."""

    zone: str
    domain: str
    points: list[Pair]


class TrackedData(Answer):
    """The largest face of a frame; ``landmarks`` null is none."""

    landmarks: list[Pair] | None
    size: tuple[int, int]
    zones: list[LiveZoneData]


class AttributeData(Answer):
    """Something a person may confirm or overrule."""

    id: str
    name: str
    kind: Literal["measured", "estimated", "asked"]
    unit: str | None
    opt_in: bool
    question: str | None
    answers: list[Named]


class Domain(Named):
    """A part of the face, with the colour that stands for it in pictures."""

    colour: str


class OptionsData(Answer):
    """Every choice with its words."""

    language: Literal["en", "zh"]
    languages: list[Named]
    defaults: dict[str, Any]
    choices: dict[str, list[Named]]
    attributes: list[AttributeData]
    domains: list[Domain]
    limits: dict[str, int]
    wording: dict[str, str]


class Status(Answer):
    """What the server holds, and what it sent: ``bytes_sent_off_device`` is counted, not assumed."""

    version: str
    bytes_sent_off_device: int
    connections_refused: int
    watching: bool
    workers_without_network: bool
    readings_in_memory: int
    languages: list[str]


class Counted(Answer):
    """How many opinions count now."""

    count: int


class FeedbackData(Counted):
    """What is kept of the person's opinions, in numbers; ``guard`` null is: nothing is kept yet."""

    liked: int
    not_for_me: int
    sharing: bool
    guard: str | None
    prior: str


class Forgotten(Answer):
    """How many readings were dropped."""

    forgotten: int


class SessionData(Answer):
    """The key of a session, sent in `X-Mien-Token`."""

    key: str


class SheetData(Answer):
    """Where the printable page is: an address that works once, for two minutes, without a token."""

    url: str


class FaceData(BaseModel):
    """The original interface's three values; null where the photo does not decide. See docs/serve.md."""

    model_config = ConfigDict(extra="forbid")

    nose: Literal[0, 1] | None
    skin: int | None = Field(ge=0, le=100)
    face_shape: int | None = Field(ge=0, le=100)
