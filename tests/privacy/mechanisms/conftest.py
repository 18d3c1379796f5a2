"""A round plan whose update is what a test says."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest

from privacy.plan import LocalTraining, RoundPlan, SecureAggregation, Update
from privacy.randomness import TestOnlySource
from privacy.secagg.encoding import round_update


@pytest.fixture
def encode() -> Callable[..., np.ndarray]:
    """Return a function that encodes a vector as a client of ``clients`` would: (vector, update, clients, seed)."""

    @functools.lru_cache(maxsize=4)
    def plan_for(length: int, update: Update, clients: int) -> RoundPlan:
        return RoundPlan(
            run="run",
            round=1,
            purpose="training",
            mode="device",
            model="m",
            model_hash="0" * 64,
            cohort=tuple(f"c{n:03d}" for n in range(clients)),
            training=LocalTraining(
                steps=1, sampling_rate=1.0, divisor=1.0, photos_per_record=1, learning_rate=1.0
            ),
            update=update,
            secagg=SecureAggregation(
                vector_length=length, field_bits=64, neighbours=1, threshold=1, min_survivors=1
            ),
        )

    def encode_(vector: np.ndarray, update: Update, clients: int, *labels: str) -> np.ndarray:
        plan = plan_for(len(vector), update, clients)
        out = np.empty(len(vector), dtype=np.int64)
        round_update(vector, 1.0, plan, TestOnlySource(99, *labels), out)
        return out

    return encode_
