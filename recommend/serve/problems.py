"""What the server answers when it cannot do what was asked: a code, a status, and words in two languages.

Codes below 70 are the exit codes of :mod:`mien.errors`; those from 70 on exist only in HTTP answers. The
table in docs/serve.md lists them. ``say`` makes the answer's body: ``message`` and ``next`` for the person,
from wording.json; ``detail`` for programmers, in English; ``kind``, the name of the error's class.
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
    SeveralFacesError,
    UnreadableImageError,
    VaultError,
)
from recommend.knowledge.load import current
from recommend.knowledge.model import Language


class ServeError(MienError):
    """A request that is not answered, or a server that is not started."""

    exit_code = 70
    status: ClassVar[int] = 400
    retry_after: int | None = None


class ForeignHostError(ServeError):
    """The request names another host than this server: a name that was bent to the loopback address."""

    exit_code = 71
    status = 403


class ForeignOriginError(ServeError):
    """Another web page, or another program's page, sent the request."""

    exit_code = 72
    status = 403


class TokenError(ServeError):
    """The token of this start is missing or wrong."""

    exit_code = 73
    status = 401


class MalformedRequestError(ServeError):
    """The request is not what the interface expects."""

    exit_code = 74
    status = 400


class UnknownReadingError(ServeError):
    """No reading (or sheet) with this id is in memory: never was, forgotten, expired, or pushed out."""

    exit_code = 75
    status = 404


class NoSuchPathError(ServeError):
    """The server has nothing at this address."""

    exit_code = 76
    status = 404


class MethodError(ServeError):
    """The address exists, and this method does not."""

    exit_code = 77
    status = 405


class BusyError(ServeError):
    """More is asked at once than this machine can do."""

    exit_code = 78
    status = 503
    retry_after = 1


class TooSlowError(ServeError):
    """The work, or the upload, took longer than is allowed."""

    exit_code = 79
    status = 503
    retry_after = 5


class InternalError(ServeError):
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
    if isinstance(error, ServeError):
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
