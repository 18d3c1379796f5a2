"""A whole federation in memory, driven phase by phase, with drop-outs where a test wants them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from privacy.plan import LocalTraining, RoundPlan, SecureAggregation, Update
from privacy.randomness import RandomSource, TestOnlySource
from privacy.secagg.client import SecAggClient
from privacy.secagg.graph import default_threshold
from privacy.secagg.identity import Directory, Identity
from privacy.secagg.policy import SecAggPolicy
from privacy.secagg.recovery import AggregateResult
from privacy.secagg.round import SecAggRound
from privacy.secagg.server import SecAggServer

MODEL = "ab" * 32
LENIENT = SecAggPolicy(min_cohort=2, min_neighbours=1, min_survivors=1, min_honest_sum=1, security_bits=0)


def make_plan(cohort: Iterable[str], **changes: Any) -> RoundPlan:
    """Return a plan; ``changes`` go to the part that has a field of that name."""
    names = tuple(sorted(cohort))
    neighbours = changes.pop("neighbours", None) or len(names) - 1
    parts: dict[str, dict[str, Any]] = {
        "training": {
            "steps": 1,
            "sampling_rate": 0.5,
            "divisor": 1.0,
            "photos_per_record": 1,
            "learning_rate": 0.1,
        },
        "update": {"clipping_norm": 1.0, "scale": 1 << 12},
        "secagg": {
            "vector_length": 40,
            "neighbours": neighbours,
            "threshold": default_threshold(neighbours),
            "min_survivors": max(1, -(-2 * len(names) // 3)),
        },
    }
    fields = {"update": Update, "secagg": SecureAggregation, "training": LocalTraining}
    for name in list(changes):
        for part, kind in fields.items():
            if name in kind.model_fields:
                parts[part][name] = changes.pop(name)
                break
    top = {"run": "run", "round": 1, "purpose": "test", "mode": "silo", "model": "m", "model_hash": None}
    return RoundPlan(
        **{**top, **changes}, cohort=names, **{part: fields[part](**parts[part]) for part in fields}
    )


class Federation:
    """A server and its clients. ``restart`` gives every client a new process for every message."""

    def __init__(self, size: int, policy: SecAggPolicy, seed: int, *, restart: bool) -> None:
        self.names = tuple(f"device-{index:04d}" for index in range(size))
        self.policy, self.seed, self.restart = policy, seed, restart
        self.server_source = self.source("server")
        self.server = SecAggServer.create(Identity.generate(self.server_source), self.server_source)
        self.sources = {name: self.source(name) for name in self.names}
        self.identities = {name: Identity.generate(self.sources[name]) for name in self.names}
        self.clients = {name: self.new_client(name) for name in self.names}
        self.enrol(self.names)
        self.plan: RoundPlan
        self.round: SecAggRound
        self.uploads: dict[str, Any] = {}
        self.total = np.zeros(0, np.int64)

    def source(self, label: str) -> RandomSource:
        return TestOnlySource(self.seed, label)

    def new_client(self, name: str, directory: Directory | None = None) -> SecAggClient:
        server_key = self.server.identity.public_key
        return SecAggClient.create(
            name, self.identities[name], server_key, self.policy, self.sources[name], directory
        )

    def client(self, name: str) -> SecAggClient:
        if self.restart:
            state = self.clients[name].to_bytes()
            self.clients[name] = SecAggClient.from_bytes(state, self.sources[name])
            assert self.clients[name].to_bytes() == state
        return self.clients[name]

    def enrol(self, names: Iterable[str]) -> None:
        for name in names:
            assert self.server.enrol(self.client(name).enrol("run")) == name

    def begin(self, **changes: Any) -> SecAggRound:
        self.plan = make_plan(changes.pop("cohort", self.names), **changes)
        self.round = self.server.begin(self.plan)
        return self.round

    def set_up(self, lost: Iterable[str] = ()) -> None:
        lost = set(lost)
        for name, request in self.round.setup_requests().items():
            if name not in lost:
                assert self.round.receive_setup(self.client(name).setup(request)) == name

    def vector(self, name: str) -> Any:
        """Return a vector that uses the whole range of an element."""
        from privacy.secagg.encoding import element_bound

        bound = element_bound(self.plan)
        bits = self.plan.secagg.field_bits
        label = f"vector {name} {self.plan.round}"
        raw = self.source(label).uint64(self.plan.secagg.vector_length)
        return ((raw % np.uint64(2 * bound + 1)).astype(np.int64) - bound).astype(f"<i{bits // 8}")

    def upload(self, lost: Iterable[str] = (), model: str = MODEL) -> None:
        lost = set(lost)
        self.total = np.zeros(self.plan.secagg.vector_length, np.int64)
        for name, request in self.round.upload_requests(model).items():
            if name not in lost:
                vector = self.vector(name)
                self.total += vector
                header, masked = self.client(name).upload(request, vector)
                assert self.round.receive_upload(header, masked) == name
                self.uploads[name] = (header, masked)

    def unmask(self, lost: Iterable[str] = ()) -> AggregateResult:
        lost = set(lost)
        for name, request in self.round.unmask_requests().items():
            if name not in lost:
                assert self.round.receive_unmask(self.client(name).unmask(request)) == name
        return self.round.result()

    def run(
        self,
        setup_lost: Iterable[str] = (),
        upload_lost: Iterable[str] = (),
        unmask_lost: Iterable[str] = (),
        **changes: Any,
    ) -> AggregateResult:
        """Run one round to its end."""
        self.begin(**changes)
        self.set_up(setup_lost)
        self.upload(upload_lost)
        return self.unmask(unmask_lost)


@pytest.fixture
def plan_for() -> Callable[..., RoundPlan]:
    return make_plan


@pytest.fixture
def lenient() -> SecAggPolicy:
    return LENIENT


@pytest.fixture
def federation() -> Callable[..., Federation]:
    def make(
        size: int, policy: SecAggPolicy = LENIENT, seed: int = 1, *, restart: bool = False
    ) -> Federation:
        return Federation(size, policy, seed, restart=restart)

    return make


@pytest.fixture(scope="module")
def module_federation() -> Callable[[int], Federation]:
    return lambda size: Federation(size, LENIENT, 1, restart=False)


@pytest.fixture
def signer() -> Identity:
    """Return an identity that belongs to nobody."""
    return Identity.generate(TestOnlySource(99, "nobody"))
