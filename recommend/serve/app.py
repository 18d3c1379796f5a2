"""The application: the interface, the page, and the layers that every request goes through.

From the outside in: the guard (who may), the intake (how much), FastAPI (what). The interactive pages that
FastAPI offers are off: they load scripts from elsewhere. /openapi.json is the description.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from mien import __version__
from mien.errors import MienError
from recommend.knowledge.model import Language
from recommend.serve.answers import failure
from recommend.serve.feedback_routes import router as feedback_router
from recommend.serve.guard import Guard
from recommend.serve.intake import Intake
from recommend.serve.keys import Keys
from recommend.serve.limits import Limits
from recommend.serve.offline import Traffic
from recommend.serve.opinions import Opinions
from recommend.serve.problems import InternalError, MalformedRequestError, MethodError, NoSuchPathError
from recommend.serve.routes import router
from recommend.serve.state import State, language_of
from recommend.serve.store import Store
from recommend.serve.workers import Workers

STATIC = Path(__file__).parent / "static"
SWEEP_SECONDS = 20.0
SHOWN_FAULTS = 3


def create_app(
    *,
    port: int,
    keys: Keys,
    language: Language = "en",
    limits: Limits | None = None,
    workers: Workers | None = None,
    traffic: Traffic | None = None,
    store: Store | None = None,
    opinions: Opinions | None = None,
    static: Path = STATIC,
) -> ASGIApp:
    """Return the whole server as an ASGI application; ``port`` and ``keys`` are what the guard checks.

    Workers that are not given are started when the application starts, and ended with it.
    """
    allowed, counted = limits or Limits(), traffic or Traffic()
    held = store or Store(allowed)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        mine = await asyncio.to_thread(Workers, allowed) if workers is None else workers
        app.state.mien = State(allowed, held, mine, counted, opinions or Opinions(), keys)
        sweeper = asyncio.create_task(_sweep(held))
        try:
            yield
        finally:
            sweeper.cancel()
            held.forget()
            if workers is None:
                await asyncio.to_thread(mine.close)

    app = FastAPI(
        title="Mien",
        version=__version__,
        summary="Makeup advice on this device. Nothing is sent anywhere.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.include_router(router)
    app.include_router(feedback_router)
    _answer_errors(app)
    if (static / "index.html").is_file():
        app.mount("/", StaticFiles(directory=static, html=True), name="page")
    return Guard(Intake(app, limits=allowed), port=port, keys=keys, traffic=counted, language=language)


async def _sweep(store: Store) -> None:
    """Drop what has expired, also when nobody asks for anything."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        store.expire()


def _answer_errors(app: FastAPI) -> None:
    """Put every way of failing into the one envelope."""

    @app.exception_handler(MienError)
    async def known(request: Request, error: MienError) -> Response:
        return failure(error, language_of(request))

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        faults = [
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
            for fault in error.errors()[:SHOWN_FAULTS]
        ]
        return failure(MalformedRequestError("; ".join(faults)), language_of(request))

    @app.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            problem: MienError = NoSuchPathError(
                f"There is nothing at {request.url.path!r}. See /openapi.json."
            )
        elif error.status_code == 405:
            problem = MethodError(f"{request.method} is not for {request.url.path!r}. See /openapi.json.")
        elif error.status_code < 500:
            problem = MalformedRequestError(str(error.detail))
        else:
            problem = InternalError(str(error.detail))
        return failure(problem, language_of(request))

    @app.exception_handler(Exception)
    async def defect(request: Request, error: Exception) -> Response:
        return failure(InternalError(f"{type(error).__name__}: {error}"), language_of(request))
