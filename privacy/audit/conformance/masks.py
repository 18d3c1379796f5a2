"""Checks of masked vectors: without the keys they must be uniform words that tell nothing of anything.

Real sessions of the real protocol. The clients' vectors are as telling as can be: zeros, and one value
everywhere, so that whatever shows through shows at once.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mien.errors import ProtocolError
from privacy.audit.conformance.build import Build, round_plan
from privacy.audit.conformance.check import Check, bytes_p, correlation_p, exact, statistical
from privacy.secagg.client import SecAggClient
from privacy.secagg.encoding import element_bound
from privacy.secagg.identity import Identity
from privacy.secagg.policy import SecAggPolicy
from privacy.secagg.round import SecAggRound
from privacy.secagg.server import SecAggServer

CLIENTS = 6
_LONG, _LONG_ROUNDS = 120_000, 2
_SHORT, _SHORT_ROUNDS = 24, 16


@dataclasses.dataclass(frozen=True)
class Session:
    """What one round left: what the server received, and what it opened."""

    vectors: NDArray[np.int64]
    """What the clients put in, [clients, elements]."""
    masked: NDArray[np.uint32]
    """What they sent, [uploads, elements]."""
    total: NDArray[np.int64] | None
    """The opened sum; None where the server refused an upload, since what was sent is not what was masked."""


class Cohort:
    """A server and its clients, in memory, with the real state machines of :mod:`privacy.secagg`."""

    def __init__(self, build: Build, length: int) -> None:
        self._build, self._length, self._round = build, length, 0
        source = build.source()
        self._server = SecAggServer.create(Identity.generate(source), source)
        policy = SecAggPolicy(
            min_cohort=2, min_neighbours=1, min_survivors=1, min_honest_sum=1, security_bits=0
        )
        self._clients = {}
        for name in round_plan(CLIENTS, length).cohort:
            own = build.source()
            key = self._server.identity.public_key
            client = SecAggClient.create(name, Identity.generate(own), key, policy, own, None)
            self._server.enrol(client.enrol("conformance"))
            self._clients[name] = client

    def session(self, *, lost: int = 0, first: NDArray[np.int32] | None = None) -> Session:
        """Run one round in which the last ``lost`` clients vanish after set-up, and the first sends ``first``."""
        self._round += 1
        plan = round_plan(CLIENTS, self._length - 2, round=self._round, scale=1 << 10)
        running = self._server.begin(plan.model_copy(update={"model_hash": None}))
        for name, request in running.setup_requests().items():
            running.receive_setup(self._clients[name].setup(request))
        vectors, masked, headers = [], [], []
        for index, (name, request) in enumerate(running.upload_requests("cd" * 32).items()):
            if index >= CLIENTS - lost:
                continue
            value = element_bound(plan) if index % 2 else 0
            vector = np.full(self._length, value, np.int32)
            if index == 0 and first is not None:
                vector = first
            header, words = self._build.upload(self._clients[name], request, vector)
            vectors.append(vector.astype(np.int64))
            masked.append(np.array(words, np.uint32))
            headers.append(header)
        return Session(np.stack(vectors), np.stack(masked), self._opened(running, headers, masked))

    def _opened(
        self, running: SecAggRound, headers: list[bytes], masked: list[NDArray[np.uint32]]
    ) -> NDArray[np.int64] | None:
        try:
            for header, words in zip(headers, masked, strict=True):
                running.receive_upload(header, words)
        except ProtocolError:
            return None
        for name, request in running.unmask_requests().items():
            running.receive_unmask(self._clients[name].unmask(request))
        return running.result().sum


def check_masks(build: Build) -> Iterator[Check]:
    """Yield the checks of masked vectors."""
    cohort = Cohort(build, _LONG)
    sessions = [cohort.session(lost=index) for index in range(_LONG_ROUNDS)]
    yield exact(
        "masks: sum",
        all(one.total is not None and np.array_equal(one.total, one.vectors.sum(axis=0)) for one in sessions),
        f"{len(sessions)} opened sums of {_LONG:,} elements, one with a drop-out",
        "the integer sum of the survivors, exactly", "masks that do not cancel",
    )  # fmt: skip
    masked = [words for one in sessions for words in one.masked]
    yield _uniform(masked)
    yield _unrelated(sessions, masked)
    yield _every_element(build)


def _uniform(masked: list[NDArray[np.uint32]]) -> Check:
    p_values = []
    for words in masked:
        raw = words.view(np.uint8)
        pairs = raw[0::2].astype(np.int64) << 8 | raw[1::2]
        p_values += [
            bytes_p(words),
            float(stats.chisquare(np.bincount(pairs >> 4, minlength=1 << 12)).pvalue),
            float(stats.kstest(words / 2.0**32, "uniform").pvalue),
        ]
    return statistical(
        "masks: uniform", p_values, "uniform bytes, byte pairs and words, whatever is under the mask",
        "a vector without a mask, or under one of few bits",
    )  # fmt: skip


def _unrelated(sessions: list[Session], masked: list[NDArray[np.uint32]]) -> Check:
    """Correlate uploads with each other; differences of two uploads under one mask would show plain values."""
    p_values = []
    for one, other in itertools.combinations(masked, 2):
        p_values += [correlation_p(_centred(one), _centred(other)), bytes_p(one - other)]
    for words in masked:
        p_values += [correlation_p(_centred(words)[lag:], _centred(words)[:-lag]) for lag in (1, 2, 65_536)]
    total = sessions[0].masked.sum(axis=0, dtype=np.uint64).astype(np.uint32)
    p_values.append(bytes_p(total))  # the self masks stay on the sum until they are opened
    return statistical(
        "masks: unrelated", p_values, "uploads of clients and rounds unrelated, the masked sum uniform",
        "a mask that is used twice, a sum that opens without the survivors",
    )  # fmt: skip


def _every_element(build: Build) -> Check:
    """Count each bit of each element over many uploads: exact binomial tests, no element is left out."""
    cohort = Cohort(build, _SHORT)
    words = np.concatenate([cohort.session().masked for _ in range(_SHORT_ROUNDS)])
    bits = (words[:, :, None] >> np.arange(32, dtype=np.uint32)) & np.uint32(1)
    ones, uploads = bits.sum(axis=0).ravel(), len(words)
    extreme = int(np.maximum(ones, uploads - ones).max())
    p_value = min(1.0, 2 * float(stats.binom.sf(extreme - 1, uploads, 0.5)))
    corrected = [min(1.0, p_value * ones.size)]
    return statistical(
        "masks: every element", corrected,
        f"each of {ones.size:,} bits set in half of {uploads} uploads", "one metric in clear",
        f"most often equal: {extreme} of {uploads}",
    )  # fmt: skip


def _centred(words: NDArray[Any]) -> NDArray[np.float64]:
    return (words.astype(np.float64) + 0.5) / 2.0**32 - 0.5
