"""The envelope of every JSON answer, and the language that it speaks."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from mien.errors import MienError
from recommend.knowledge.model import Language
from recommend.serve.problems import RequestError, say, status_of

LANGUAGES: tuple[Language, ...] = ("en", "zh")


def success(data: Any) -> Response:
    """Return ``{"code": 0, "data": …}``."""
    return _json({"code": 0, "data": data}, 200, {})


def failure(error: MienError, language: Language) -> Response:
    """Return the envelope of an error, with its status."""
    headers = {}
    if isinstance(error, RequestError) and error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return _json(say(error, language), status_of(error), headers)


def _json(content: Any, status: int, headers: dict[str, str]) -> Response:
    body = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    return Response(body, status, {**headers, "Content-Type": "application/json"})


def language_of(scope: Scope, default: Language) -> Language:
    """Return the language to speak: ``?language=``, else the first known of Accept-Language, else the default."""
    asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("language", [""])[0]
    accepted = Headers(scope=scope).get("accept-language", "").split(",")
    for wanted in (asked, *accepted):
        short = wanted.strip()[:2].lower()
        for language in LANGUAGES:
            if short == language:
                return language
    return default
