"""Mutants at every door of client and server."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from mien.errors import MienError
from privacy.secagg.messages import (
    decode,
    encode,
)


def mutate_entries(mutants: Any, targets: list[Any], count: int, seed: int) -> Counter[str]:
    """Send ``count`` mutants to each receiver; return how they fared."""
    rng, fared = random.Random(seed), Counter()
    others = [target.raw for target in targets]
    for target in targets:
        before = target.state()
        for number in range(count):
            resigned = number % 2 == 0
            if rng.random() < 0.3:
                mutant = mutants.field_spliced(target.raw, others, target.sender, rng)
            else:
                mutant = mutants.mutated(target.raw[:-64] if resigned else target.raw, others, rng)
                if resigned:
                    mutant += target.sender.sign("mien secagg v1 message", mutant)
            if mutant == target.raw:
                fared["unchanged"] += 1
                continue
            try:
                mutants.timed(target.call, mutant)
            except MienError:
                fared["refused"] += 1
                if number % 50 == 0:
                    assert target.state() == before, f"{target.kind.__name__}: an error changed the state"
                continue
            message = decode(mutant, target.kind).message
            assert encode(message, target.sender) == mutant, "accepted, but not canonical"
            fared[f"accepted {target.kind.__name__}"] += 1
            assert resigned or mutant[-64:] != target.raw[-64:], "accepted without the sender's signature"
            target.restore()
            assert target.state() == before
        assert target.state() == before, f"{target.kind.__name__}: an error changed the state"
        mutants.timed(target.call, target.raw)  # the true message is still welcome
        target.restore()
    return fared


def test_mutants_at_every_door_are_refused_or_mean_what_they_say(mutants, targets):
    fared = mutate_entries(mutants, targets, 550, seed=1)
    assert fared["refused"] > 3500
    assert not {"accepted SetupRequest", "accepted UploadHeader"} & set(fared), fared


@pytest.mark.slow
def test_many_mutants_at_every_door_are_refused_or_mean_what_they_say(mutants, targets):
    fared = mutate_entries(mutants, targets, 6000, seed=2)
    assert sum(fared.values()) == 54_000
    assert not {"accepted SetupRequest", "accepted UploadHeader"} & set(fared), fared
