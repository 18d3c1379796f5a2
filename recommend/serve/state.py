"""What all requests share: limits, readings, workers, the count of what was sent, opinions, keys."""

from __future__ import annotations

import dataclasses

from starlette.requests import Request

from recommend.knowledge.model import Language
from recommend.serve.keys import Keys
from recommend.serve.limits import Limits
from recommend.serve.offline import Traffic
from recommend.serve.opinions import Opinions
from recommend.serve.store import Store
from recommend.serve.workers import Workers


@dataclasses.dataclass(frozen=True)
class State:
    """One running server's state; it lives in ``app.state.mien``."""

    limits: Limits
    store: Store
    workers: Workers
    traffic: Traffic
    opinions: Opinions
    keys: Keys


def state_of(request: Request) -> State:
    """Return the state of the server that a request came to."""
    state: State = request.app.state.mien
    return state


def language_of(request: Request) -> Language:
    """Return the language in which a request is answered; the guard decided it."""
    language: Language = request.scope["language"]
    return language
