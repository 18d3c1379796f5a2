"""The interface: one function for each address. Bodies are in memory before these run (``intake``)."""

from __future__ import annotations

from typing import Any

import numpy as np
from fastapi import APIRouter, Path, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, Response

from mien import __version__
from recommend.serve import advice, jobs
from recommend.serve.answers import LANGUAGES, success
from recommend.serve.options import options
from recommend.serve.original import face_of
from recommend.serve.requests import (
    READING_ID,
    CodeRequest,
    FaceJson,
    ForgetRequest,
    LookRequest,
    PhotosJson,
    form_schema,
)
from recommend.serve.responses import (
    Advised,
    Done,
    FaceData,
    Failed,
    Forgotten,
    OptionsData,
    Reread,
    SessionData,
    SheetData,
    Status,
    TrackedData,
)
from recommend.serve.state import language_of, state_of
from recommend.serve.uploads import read_upload
from recommend.sheet import sheet

router = APIRouter()

SHEET_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)

FAILURES = {
    400: "not in the expected form",
    401: "without the token",
    403: "from elsewhere",
    413: "too large",
    422: "understood, and it cannot be used",
    503: "busy, too slow, or the landmark model is missing",
}


def answers(success_model: type[Any], *more: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of an address whose success is ``success_model``."""
    found: dict[int | str, dict[str, Any]] = {200: {"model": success_model}}
    for status, words in FAILURES.items():
        found[status] = {"model": Failed, "description": words}
    for status in more:
        found[status] = {"model": Failed, "description": "no such reading in memory"}
    return found


def _body(form: dict[str, Any], json_model: type[Any]) -> dict[str, Any]:
    return {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": form},
                "application/json": {"schema": json_model.model_json_schema()},
            },
        }
    }


@router.post(
    "/reading",
    responses=answers(Done[Reread]),
    openapi_extra=_body(form_schema("photo", many=True, paper=True), PhotosJson),
)
async def post_reading(request: Request) -> Response:
    """Read the face in one to five photos of the same person, and keep the reading in memory."""
    state, language = state_of(request), language_of(request)
    upload = await read_upload(request, field="photo", many=state.limits.photos)
    read = await state.workers.run(jobs.read_photos, upload.photos, upload.paper, state.limits)
    name = state.store.add(read.reading, read.view)
    return success(await run_in_threadpool(advice.told, name, read.reading, language))


@router.get(
    "/reading/{reading}/photo",
    response_class=Response,
    responses={
        **answers(Failed, 404),
        200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}},
    },
)
async def get_photo(request: Request, reading: str = Path(pattern=READING_ID)) -> Response:
    """Return the upright photo that landmarks and zones are pixels of: JPEG, no metadata, no more than it needs."""
    held = state_of(request).store.get(reading)
    return Response(bytes(held.view), media_type="image/jpeg")


@router.post("/look", responses=answers(Done[Advised], 404))
async def post_look(request: Request, body: LookRequest) -> Response:
    """Advise on a reading. Moved landmarks are measured again at once; the photo is not."""
    state, language = state_of(request), language_of(request)
    held = state.store.get(body.reading)

    def work() -> dict[str, Any]:
        taste, applied = state.opinions.taste()
        result = advice.look_at(held.reading, body, language, taste)
        held.wishes = result.look.preferences
        return advice.shown(result, body, applied)

    return success(await run_in_threadpool(work))


@router.post("/sheet", responses=answers(Done[SheetData], 404))
async def post_sheet(request: Request, body: LookRequest) -> Response:
    """Make the printable page of a look; return its address, which works once and without a token."""
    state, language = state_of(request), language_of(request)
    reading = state.store.get(body.reading).reading

    def work() -> str:
        return sheet(advice.look_at(reading, body, language, state.opinions.taste()[0]))

    page = await run_in_threadpool(work)
    return success({"url": f"/sheet/{state.store.issue(page, body.reading)}"})


@router.get(
    "/sheet/{ticket}",
    response_class=Response,
    responses={**answers(Failed, 404), 200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
)
async def get_sheet(request: Request, ticket: str = Path(pattern=READING_ID)) -> Response:
    """Return a printable page, once. It has no script and no photo."""
    page = state_of(request).store.redeem(ticket)
    return HTMLResponse(page, headers={"Content-Security-Policy": SHEET_POLICY})


@router.post(
    "/track",
    responses=answers(Done[TrackedData]),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in ("image/jpeg", "image/png")
            },
        }
    },
)
async def post_track(request: Request) -> Response:
    """Find the largest face in a camera's frame (at most 640 pixels on a side), once, quickly."""
    state = state_of(request)
    frame = await request.body()
    found = await state.workers.run(jobs.track, frame, state.limits, waiting=state.limits.waiting_frames)
    zones = [
        {"zone": each.zone, "domain": each.domain, "points": np.round(each.points, 1).tolist()}
        for each in found.zones
    ]
    return success({"landmarks": found.landmarks, "size": list(found.size), "zones": zones})


@router.post(
    "/face",
    responses=answers(Done[FaceData]),
    openapi_extra=_body(form_schema("image", many=False, paper=False), FaceJson),
)
async def post_face(request: Request) -> Response:
    """Answer as the original system did: nose, skin and face shape of one photo. Nothing is kept."""
    state = state_of(request)
    upload = await read_upload(request, field="image", many=1)
    reading = await state.workers.run(jobs.read_only, upload.photos[0], state.limits)
    return success(dict(face_of(reading)))


@router.get("/options", responses=answers(Done[OptionsData]))
async def get_options(request: Request) -> Response:
    """Return every choice and everything that can be told, with its words."""
    return success(options(language_of(request), state_of(request).limits))


@router.get("/status", responses=answers(Done[Status]))
async def get_status(request: Request) -> Response:
    """Return what is held, and what was sent off this device: counted, not assumed."""
    state = state_of(request)
    return success(
        {
            "version": __version__,
            "bytes_sent_off_device": state.traffic.bytes_sent,
            "connections_refused": state.traffic.refused,
            "watching": state.traffic.watching,
            "workers_without_network": state.workers.without_network,
            "readings_in_memory": len(state.store),
            "languages": list(LANGUAGES),
        }
    )


@router.post("/session", responses=answers(Done[SessionData]))
async def post_session(request: Request, body: CodeRequest) -> Response:
    """Exchange the code of a link for the key of a session, once; the key is sent as the token is."""
    return success({"key": state_of(request).keys.redeem(body.code)})


@router.post("/forget", responses=answers(Done[Forgotten]))
async def post_forget(request: Request, body: ForgetRequest) -> Response:
    """Drop one reading, or all, with their photos."""
    return success({"forgotten": state_of(request).store.forget(body.reading)})
