"""Photos out of a request: a form with files, or JSON with base64."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import math
from typing import Any

from starlette.requests import Request

from recommend.reading.reading import Region
from recommend.serve.multipart import Part, parse_form
from recommend.serve.problems import MalformedRequestError

MAX_JSON_SIGNS = 64


@dataclasses.dataclass(frozen=True)
class Upload:
    """The photos of a request, and where in the first one there is white paper."""

    photos: tuple[bytes, ...]
    paper: Region | None = None


async def read_upload(request: Request, *, field: str, many: int) -> Upload:
    """Return one to ``many`` photos of the field ``field`` (JSON with ``many`` > 1: a list ``field`` + "s").

    A data URL's prefix before base64 is allowed, as canvases give it. Raises MalformedRequestError.
    """
    kind = request.headers.get("content-type", "")
    body = await request.body()
    name = kind.split(";")[0].strip().lower()
    if name == "multipart/form-data":
        upload = _from_form(parse_form(body, kind), field)
    elif name in ("application/json", "application/x-www-form-urlencoded", ""):
        # The original's clients did not always say that they sent JSON; what parses as JSON is taken as such.
        upload = _from_json(body, field, many)
    else:
        raise MalformedRequestError(
            f"The Content-Type is {name!r}: expected multipart/form-data or application/json. Send one of these."
        )
    if not 1 <= len(upload.photos) <= many:
        raise MalformedRequestError(
            f"There are {len(upload.photos)} photos in the field {field!r}: expected 1 to {many}."
        )
    return upload


def _from_form(parts: list[Part], field: str) -> Upload:
    photos = []
    for part in parts:
        if part.name == field:
            photos.append(part.content if part.is_file else _decode(part.content, field))
    papers = [part.content for part in parts if part.name == "paper" and part.content.strip()]
    if not papers:
        return Upload(tuple(photos))
    return Upload(tuple(photos), _region(papers[0].decode("utf-8", "replace").split(",")))


def _from_json(body: bytes, field: str, many: int) -> Upload:
    # A megabyte of "{},{}," becomes a hundred of objects. Photos in base64 hold none of these signs.
    if sum(map(body.count, (b"{", b"[", b","))) > MAX_JSON_SIGNS:
        raise MalformedRequestError("The JSON holds more than photos in base64 need. Send photos only.")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedRequestError(f"The body is not JSON: {error}. Send an object.") from error
    if not isinstance(content, dict):
        raise MalformedRequestError("The body is JSON, but not an object. Send an object.")
    name = f"{field}s" if many > 1 else field
    given = content.get(name)
    texts = given if many > 1 else [given]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        expected = "a list of base64 texts" if many > 1 else "base64 text"
        raise MalformedRequestError(f"The field {name!r} is missing or not {expected}. Send it so.")
    photos = tuple(_decode(text.encode("utf-8", "replace"), name) for text in texts)
    paper = content.get("paper")
    return Upload(photos, None if paper is None else _region(paper))


def _decode(text: bytes, name: str) -> bytes:
    if text[:5].lower() == b"data:":
        text = text.partition(b",")[2]
    compact = b"".join(text.split()).replace(b"-", b"+").replace(b"_", b"/")
    compact += b"=" * (-len(compact) % 4)
    try:
        return base64.b64decode(compact, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedRequestError(
            f"The field {name!r} is not base64: {error}. Encode the file's bytes."
        ) from error


def _region(given: Any) -> Region:
    try:
        left, top, right, bottom = (float(value) for value in given)
    except (TypeError, ValueError) as error:
        raise MalformedRequestError(
            "The field 'paper' is not four numbers: expected left, top, right, bottom from 0 to 1."
        ) from error
    if not all(math.isfinite(value) for value in (left, top, right, bottom)):
        raise MalformedRequestError("The field 'paper' holds a number that is not finite.")
    return left, top, right, bottom
