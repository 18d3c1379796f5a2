"""Request bodies, taken in whole, into memory, within limits.

A body that declares more than its address allows is refused before a byte of it is read; one that does not
declare its length is cut off at the limit. All bodies together share one budget, and each must arrive within
a time, so neither many requests nor slow ones can fill the memory.
"""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.errors import ImageTooLargeError, MienError
from recommend.serve.answers import failure
from recommend.serve.limits import Limits
from recommend.serve.problems import BusyError, MalformedRequestError, TooSlowError


class Intake:
    """ASGI middleware that reads each body before the application runs."""

    def __init__(self, app: ASGIApp, *, limits: Limits) -> None:
        self._app, self._limits, self._taken = app, limits, 0
        self.sizes = {
            "/reading": limits.upload_bytes,
            "/face": limits.photo_bytes * 4 // 3 + limits.json_bytes,
            "/track": limits.frame_bytes,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the body in and run the application on it, or say why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body, limit = _Body(self), self.sizes.get(scope["path"], self._limits.json_bytes)
        try:
            try:
                async with asyncio.timeout(self._limits.body_seconds):
                    content = await body.read(scope, receive, limit)
            except TimeoutError as error:
                seconds = self._limits.body_seconds
                raise TooSlowError(f"The request did not arrive within {seconds:g} seconds.") from error
        except MienError as error:
            body.release()
            answer = failure(error, scope["language"])
            answer.headers["Connection"] = "close"  # the rest of the body is not read
            await answer(scope, receive, send)
            return
        try:
            await self._app(scope, _replay(content, receive), send)
        finally:
            body.release()

    def take(self, size: int) -> None:
        """Take ``size`` bytes of the common budget; raise BusyError where they are not there."""
        if self._taken + size > self._limits.in_flight_bytes:
            raise BusyError(
                f"Requests of {self._taken:,} bytes are being answered: with {size:,} more there would be over "
                f"{self._limits.in_flight_bytes:,}."
            )
        self._taken += size

    def give_back(self, size: int) -> None:
        """Return ``size`` bytes to the budget."""
        self._taken -= size


class _Body:
    """One request's body and its share of the budget."""

    def __init__(self, intake: Intake) -> None:
        self._intake, self._reserved = intake, 0

    async def read(self, scope: Scope, receive: Receive, limit: int) -> bytes:
        declared = Headers(scope=scope).get("content-length")
        if declared is not None:
            if not declared.isdecimal() or len(declared) > 15:
                raise MalformedRequestError(
                    f"Content-Length is {declared[:40]!r}: expected a number of bytes."
                )
            self._check(int(declared), limit, scope["path"])
            self._reserve(int(declared))
        chunks, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise MalformedRequestError("The connection closed before the whole request had arrived.")
            chunk = message.get("body", b"")
            size += len(chunk)
            self._check(size, limit, scope["path"])
            if size > self._reserved:
                self._reserve(size - self._reserved)
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)

    def _check(self, size: int, limit: int, path: str) -> None:
        if size > limit:
            kind = ImageTooLargeError if path in self._intake.sizes else MalformedRequestError
            raise kind(f"The request to {path} has {size:,} bytes or more: at most {limit:,} are taken.")

    def _reserve(self, size: int) -> None:
        self._intake.take(size)
        self._reserved += size

    def release(self) -> None:
        self._intake.give_back(self._reserved)
        self._reserved = 0


def _replay(content: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives the body once, and after it what the connection does."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": content, "more_body": False}

    return replay
