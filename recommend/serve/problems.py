"""What the server answers when it cannot do what was asked: a code, a status, and words in two languages.

Codes below 80 are those of :mod:`mien.errors`; 81 to 89 are the server's own. docs/serve.md lists them. ``say``
makes the answer's body: ``message`` and ``next`` for the person, from wording.json; ``detail`` for programmers, in
English; ``kind``, the name of the error's class.
"""

from __future__ import annotations

from typing import ClassVar, TypedDict

from mien.errors import (
    ConfigError,
    ImageError,
    ImageTooLargeError,
    MienError,
    MissingModelError,
    NoFaceError,
    PrivacyError,
    ServeError,
    SeveralFacesError,
    UnreadableImageError,
    VaultError,
)
from recommend.knowledge.load import current
from recommend.knowledge.model import Language


class RequestError(ServeError):
    """A request that is not answered as it was meant; raised as one of the kinds below."""

    status: ClassVar[int] = 400
    retry_after: ClassVar[int | None] = None


class ForeignHostError(RequestError):
    """The request names another host than this server: a name that was bent to the loopback address."""

    exit_code = 81
    status = 403


class ForeignOriginError(RequestError):
    """Another web page, or another program's page, sent the request."""

    exit_code = 82
    status = 403


class TokenError(RequestError):
    """The token of this start is missing or wrong."""

    exit_code = 83
    status = 401


class MalformedRequestError(RequestError):
    """The request is not what the interface expects."""

    exit_code = 84
    status = 400


class UnknownReadingError(RequestError):
    """No reading (or sheet) with this id is in memory: never was, forgotten, expired, or pushed out."""

    exit_code = 85
    status = 404


class NoSuchPathError(RequestError):
    """The server has nothing at this address."""

    exit_code = 86
    status = 404


class MethodError(RequestError):
    """The address exists, and this method does not."""

    exit_code = 87
    status = 405


class BusyError(RequestError):
    """More is asked at once than this machine can do."""

    exit_code = 88
    status = 503
    retry_after = 1


class TooSlowError(RequestError):
    """The work, or the upload, took longer than is allowed."""

    exit_code = 89
    status = 503
    retry_after = 5


class InternalError(RequestError):
    """A defect of the server."""

    exit_code = 1
    status = 500


_STATUS: dict[type[MienError], int] = {
    ConfigError: 422,
    UnreadableImageError: 422,
    ImageTooLargeError: 413,
    NoFaceError: 422,
    SeveralFacesError: 422,
    ImageError: 422,
    MissingModelError: 503,
    VaultError: 503,
    PrivacyError: 403,
}
_WORDING: dict[type[MienError], str] = {
    ConfigError: "choice",
    UnreadableImageError: "unreadable",
    ImageTooLargeError: "too_large",
    NoFaceError: "no_face",
    SeveralFacesError: "several_faces",
    ImageError: "unreadable",
    MissingModelError: "no_model",
    VaultError: "vault",
    ForeignHostError: "foreign",
    ForeignOriginError: "foreign",
    TokenError: "token",
    MalformedRequestError: "malformed",
    UnknownReadingError: "unknown_reading",
    NoSuchPathError: "no_such_path",
    MethodError: "no_such_path",
    BusyError: "busy",
    TooSlowError: "too_slow",
}
EVERY: tuple[type[MienError], ...] = (*_WORDING, InternalError)
"""Every error that an answer can carry."""


class Said(TypedDict):
    """The body of an answer that is an error."""

    code: int
    kind: str
    message: str
    next: str
    detail: str


def status_of(error: MienError) -> int:
    """Return the HTTP status of an error."""
    if isinstance(error, RequestError):
        return error.status
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)


def say(error: MienError, language: Language) -> Said:
    """Return the body of the answer to a request that failed with ``error``."""
    key = next((_WORDING[kind] for kind in type(error).__mro__ if kind in _WORDING), "internal")
    wording = current().wording
    return {
        "code": error.exit_code,
        "kind": type(error).__name__,
        "message": wording[f"error.{key}"].into(language),
        "next": wording[f"remedy.{key}"].into(language),
        "detail": str(error),
    }
