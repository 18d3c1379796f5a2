"""The addresses for likes: keep one, count, take back, export, forget, share or not."""

from __future__ import annotations

import json

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from recommend.serve.answers import success
from recommend.serve.requests import OpinionRequest, SharingRequest
from recommend.serve.responses import Counted, Done, Failed, FeedbackData
from recommend.serve.routes import answers
from recommend.serve.state import state_of

router = APIRouter(prefix="/feedback")


@router.post("", responses=answers(Done[Counted], 404))
async def post_feedback(request: Request, body: OpinionRequest) -> Response:
    """Keep a like or a not-for-me, encrypted on this device; the next look knows it."""
    state = state_of(request)
    wishes = state.store.get(body.reading).wishes
    count = await run_in_threadpool(state.opinions.record, body.rule, liked=body.liked, wishes=wishes)
    return success({"count": count})


@router.get("", responses=answers(Done[FeedbackData]))
async def get_feedback(request: Request) -> Response:
    """Return how much is kept, and whether it is shared."""
    return success(await run_in_threadpool(state_of(request).opinions.status))


@router.post("/undo", responses=answers(Done[Counted]))
async def post_undo(request: Request) -> Response:
    """Take the newest opinion back."""
    return success({"count": await run_in_threadpool(state_of(request).opinions.undo)})


@router.get(
    "/export",
    response_class=Response,
    responses={**answers(Failed), 200: {"content": {"application/json": {"schema": {"type": "object"}}}}},
)
async def get_export(request: Request) -> Response:
    """Return everything that is kept, as a file for the person; it is not in the envelope."""
    content = await run_in_threadpool(state_of(request).opinions.export)
    text = json.dumps(content, ensure_ascii=False, indent=1)
    headers = {"Content-Disposition": 'attachment; filename="mien-feedback.json"'}
    return Response(text, media_type="application/json", headers=headers)


@router.post("/reset", responses=answers(Done[FeedbackData]))
async def post_reset(request: Request) -> Response:
    """Forget every opinion, switch sharing off, and change the key."""
    opinions = state_of(request).opinions
    await run_in_threadpool(opinions.reset)
    return success(await run_in_threadpool(opinions.status))


@router.post("/sharing", responses=answers(Done[FeedbackData]))
async def post_sharing(request: Request, body: SharingRequest) -> Response:
    """Let opinions take part in federated rounds, or not; it is off until somebody switches it on."""
    opinions = state_of(request).opinions
    await run_in_threadpool(lambda: opinions.share(on=body.on))
    return success(await run_in_threadpool(opinions.status))
