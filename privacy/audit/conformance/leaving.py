"""Checks of the gate in front of everything that leaves: what is not on the list does not pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mien.errors import PolicyError
from privacy import egress
from privacy.audit.conformance.build import Build
from privacy.audit.conformance.check import Check, exact

_LENGTH = 16


def check_leaving(build: Build) -> Iterator[Check]:
    """Yield the checks of the egress gate."""
    words = np.zeros(_LENGTH, np.uint32)
    upload = {"header": b"signed", "vector": words}
    allowed: list[tuple[str, dict[str, Any]]] = [
        (egress.ENROL, {"enrolment": b"signed"}),
        (egress.SETUP, {"setup": b"signed"}),
        (egress.TRAIN, upload),
        (egress.UNMASK, {"unmask": b"signed", "setup": b"signed"}),
        *((kind, {"refusal": b"signed"}) for kind in egress.ALLOWED),
    ]
    forbidden: list[tuple[str, dict[str, Any]]] = [
        *((kind, {"loss": b"0.31"}) for kind in egress.ALLOWED),
        (egress.TRAIN, {**upload, "metrics": b"{}"}),
        (egress.TRAIN, {**upload, "num_examples": 31}),
        (egress.TRAIN, {"header": "text", "vector": words}),
        (egress.TRAIN, {"header": b"signed", "vector": words.astype(np.float32)}),
        (egress.TRAIN, {"header": b"signed", "vector": words.astype(np.int32)}),
        (egress.TRAIN, {"header": b"signed", "vector": words.astype(np.uint64)}),
        (egress.TRAIN, {"header": b"signed", "vector": np.zeros(_LENGTH + 1, np.uint32)}),
        (egress.TRAIN, {"header": b"signed", "vector": words.tobytes()}),
        (egress.TRAIN, {"header": bytes(1 << 20), "vector": words}),
        (egress.ENROL, {"vector": words}),
        (egress.UNMASK, {"unmask": words}),
        ("evaluate", {"auc": b"0.9"}),
    ]
    stopped = [case for case in allowed if not _passes(build, *case)]
    passed = [case for case in forbidden if _passes(build, *case)]
    yield exact(
        "leaving: allow-list", not stopped and not passed,
        f"{len(allowed) - len(stopped)} of {len(allowed)} allowed replies passed, {len(passed)} of "
        f"{len(forbidden)} forbidden ones", f"{len(allowed)} and 0",
        "a metric, a count, a picture or a plain vector beside the masked one",
    )  # fmt: skip


def _passes(build: Build, kind: str, parts: dict[str, Any]) -> bool:
    try:
        build.egress(kind, parts, vector_length=_LENGTH, field_bits=32)
    except PolicyError:
        return False
    return True
