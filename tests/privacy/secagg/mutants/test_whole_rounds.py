"""Whole rounds with mutants on the way: the sum is exact, or there is none."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mien.errors import MienError, RoundAbortedError
from privacy.secagg.identity import Identity


def whole_round(mutants: Any, federation: Any, seed: int) -> str:
    """Run a round in which some messages are mutated on their way; return what became of it."""
    rng = random.Random(seed)
    devices = federation(6, seed=seed)
    devices.begin(min_survivors=3, vector_length=5)
    seen = [devices.round.setup_request(name) for name in devices.names]
    vectors: dict[str, Any] = {}

    def travels(raw: bytes, sender: Identity, receive: Callable[[bytes], Any]) -> Any:
        """Deliver ``raw``, sometimes a mutant first; the true one follows where the mutant was refused."""
        seen.append(raw)
        if rng.random() < 0.15:
            mutant = mutants.field_spliced(raw, seen, sender, rng)
            if rng.random() < 0.5:
                mutant = mutants.mutated(raw[:-64], seen, rng)
                mutant += sender.sign("mien secagg v1 message", mutant)
            try:
                return mutants.timed(receive, mutant)
            except MienError:
                pass
        return receive(raw)

    def exchange(requests: dict[str, bytes], answer: Callable[..., Any], take: Callable[..., Any]) -> None:
        for name, request in requests.items():
            try:
                got = travels(request, devices.server.identity, lambda data, n=name: answer(n, data))
                rest = got[1:] if isinstance(got, tuple) else ()
                raw = got[0] if isinstance(got, tuple) else got
                travels(raw, devices.identities[name], lambda data, r=rest: take(data, *r))
            except MienError:
                continue  # refused for good: lost like any drop-out

    def upload(name: str, data: bytes) -> Any:
        vectors[name] = devices.vector(name)
        return devices.client(name).upload(data, vectors[name].copy())

    current = devices.round
    try:
        exchange(current.setup_requests(), lambda n, d: devices.client(n).setup(d), current.receive_setup)
        exchange(current.upload_requests("ab" * 32), upload, current.receive_upload)
        exchange(current.unmask_requests(), lambda n, d: devices.client(n).unmask(d), current.receive_unmask)
        result = current.result()
    except RoundAbortedError:
        return "aborted"
    expected = sum((vectors[name].astype(np.int64) for name in result.survivors), np.zeros(5, np.int64))
    np.testing.assert_array_equal(result.sum, expected)
    return "exact"


def test_mutants_in_whole_rounds_never_give_a_wrong_sum(mutants, federation):
    fared = Counter(whole_round(mutants, federation, seed) for seed in range(40))
    assert fared["exact"] > 5
    assert fared["aborted"] > 0


@pytest.mark.slow
def test_mutants_in_many_whole_rounds_never_give_a_wrong_sum(mutants, federation):
    fared = Counter(whole_round(mutants, federation, seed) for seed in range(1000, 1800))
    assert fared["exact"] > 100
