"""Plans are canonical: one meaning, one encoding, one hash; and what makes no sense is refused."""

import json

import pytest
from pydantic import ValidationError

from mien.errors import ProtocolError
from privacy.plan import LocalTraining, RoundPlan, SecureAggregation, Update


def plan(**changes: object) -> RoundPlan:
    values: dict[str, object] = {
        "run": "run-1",
        "round": 1,
        "purpose": "attributes",
        "mode": "silo",
        "model": "attributes",
        "model_hash": "0" * 64,
        "cohort": ("a", "b", "c", "d"),
        "training": LocalTraining(
            steps=1, sampling_rate=0.5, divisor=2.0, photos_per_record=2, learning_rate=0.1
        ),
        "update": Update(clipping_norm=1.0),
        "secagg": SecureAggregation(vector_length=10, neighbours=3, threshold=3, min_survivors=3),
    }
    return RoundPlan(**{**values, **changes})  # type: ignore[arg-type]


def test_round_trip_and_hash() -> None:
    one = plan()
    assert RoundPlan.from_bytes(one.to_bytes()) == one
    assert plan().hash == one.hash
    assert plan(round=2).hash != one.hash


def test_only_the_canonical_form_is_read() -> None:
    text = plan().to_bytes()
    for other in (
        text + b" ",
        json.dumps(json.loads(text)).encode(),
        text.replace(b'"round":1', b'"round":1.0'),
    ):
        with pytest.raises(ProtocolError):
            RoundPlan.from_bytes(other)


@pytest.mark.parametrize(
    "changes",
    [
        {"cohort": ("b", "a")},
        {"cohort": ("a", "a")},
        {"secagg": SecureAggregation(vector_length=1, neighbours=4, threshold=3, min_survivors=3)},
        {"secagg": SecureAggregation(vector_length=1, neighbours=2, threshold=3, min_survivors=3)},
        {"secagg": SecureAggregation(vector_length=1, neighbours=3, threshold=3, min_survivors=5)},
        {"run": "../escape"},
        {"model_hash": "x"},
    ],
)
def test_plans_that_make_no_sense_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        plan(**changes)


def test_unknown_fields_are_refused() -> None:
    content = json.loads(plan().to_bytes())
    content["extra"] = 1
    with pytest.raises(ProtocolError, match="extra"):
        RoundPlan.from_bytes(json.dumps(content).encode())
