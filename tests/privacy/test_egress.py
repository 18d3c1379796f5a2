"""What may leave a device, and that nothing else does."""

import numpy as np
import pytest

from mien.errors import PolicyError
from privacy.egress import ALLOWED, TRAIN, UNMASK, check_egress

VECTOR = np.zeros(10, np.uint32)


def test_the_protocol_s_own_parts_may_leave() -> None:
    check_egress(TRAIN, {"header": b"h", "vector": VECTOR}, vector_length=10)
    check_egress(UNMASK, {"unmask": b"u", "setup": b"s"})
    check_egress(TRAIN, {"header": b"h", "vector": VECTOR.astype(np.uint64)}, vector_length=10, field_bits=64)


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        (TRAIN, {"header": b"h", "vector": VECTOR, "loss": b"0.5"}),
        (TRAIN, {"vector": np.zeros(10, np.float32)}),
        (TRAIN, {"vector": np.zeros(11, np.uint32)}),
        (TRAIN, {"vector": np.zeros((2, 5), np.uint32)}),
        (TRAIN, {"vector": VECTOR.astype(np.uint64)}),
        (TRAIN, {"header": VECTOR}),
        (TRAIN, {"header": bytes(1 << 20)}),
        (TRAIN, {"receipt": bytes(65)}),
        (UNMASK, {"vector": VECTOR}),
        ("evaluate", {"header": b"h"}),
        ("query.photo", {}),
    ],
)
def test_anything_else_is_stopped(kind: str, parts: dict[str, bytes | np.ndarray]) -> None:
    with pytest.raises(PolicyError):
        check_egress(kind, parts, vector_length=10)


def test_no_metric_is_on_the_list() -> None:
    names = {name for parts in ALLOWED.values() for name in parts}
    assert names == {"enrolment", "setup", "header", "vector", "receipt", "unmask", "refusal"}
