"""What other ways to a secret sum cost for one million parameters: Flower's SecAgg+ functions, and CKKS."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
from _table import Row

MILLION = 1_000_000


class Stopwatch:
    """CPU seconds of one party."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._start = time.thread_time()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.thread_time() - self._start


@dataclasses.dataclass(frozen=True)
class PeerCost:
    """Seconds and bytes of a peer for a vector of one million parameters."""

    name: str
    fixed: float
    """CPU seconds of a client whatever its neighbours."""
    mask: float
    """CPU seconds of each mask."""
    upload: float
    """Bytes a parameter."""


def flower() -> PeerCost:
    """Measure the functions that Flower's own SecAgg+ client calls: quantise, expand, add."""
    from flwr.common.secure_aggregation.ndarrays_arithmetic import parameters_addition, parameters_mod
    from flwr.common.secure_aggregation.quantization import quantize
    from flwr.common.secure_aggregation.secaggplus_utils import pseudo_rand_gen

    vector = np.random.default_rng(2).standard_normal(MILLION, dtype=np.float32)
    fixed, mask = Stopwatch(), Stopwatch()
    with fixed:
        quantised = quantize([vector], 8.0, 1 << 22)
    repeats = 5
    with mask:
        for number in range(repeats):
            stream = pseudo_rand_gen(number.to_bytes(32, "big"), 1 << 32, [(MILLION,)])
            quantised = parameters_addition(quantised, stream)
    with fixed:
        quantised = parameters_mod(quantised, 1 << 32)
    per_parameter = quantised[0].nbytes / MILLION
    return PeerCost(
        "Flower 1.41, one client: quantise and mask only",
        fixed.seconds,
        mask.seconds / repeats,
        per_parameter,
    )


def ckks() -> tuple[PeerCost, float, float] | None:
    """Measure TenSEAL's CKKS (8192 slots' ring); return also seconds to add one and to decrypt the sum."""
    try:
        import tenseal
    except ImportError:
        return None
    context = tenseal.context(tenseal.SCHEME_TYPE.CKKS, 8192, -1, [60, 40, 40, 60])
    context.global_scale = 2**40
    vector = np.random.default_rng(3).standard_normal(MILLION)
    encrypt, add, decrypt = Stopwatch(), Stopwatch(), Stopwatch()
    with encrypt:
        chunks = [tenseal.ckks_vector(context, vector[at : at + 4096]) for at in range(0, MILLION, 4096)]
    with add:
        chunks = [chunk + chunk for chunk in chunks]
    size = sum(len(chunk.serialize()) for chunk in chunks) / MILLION
    with decrypt:
        for chunk in chunks:
            chunk.decrypt()
    return (
        PeerCost("CKKS (TenSEAL), one client: encrypt only", encrypt.seconds, 0.0, size),
        add.seconds,
        decrypt.seconds,
    )


def peer_rows(neighbours: int) -> tuple[list[Row], list[PeerCost]]:
    """Return the rows of the peers at one million parameters."""
    peer, title = flower(), "1 M parameters"
    rows = [
        Row(f"{title}, Flower: quantise", peer.fixed * 1e3, "ms CPU"),
        Row(f"{title}, Flower: each mask", peer.mask * 1e3, "ms CPU"),
        Row(
            f"{title}, Flower: one client's vector",
            (peer.fixed + (neighbours + 1) * peer.mask) * 1e3,
            "ms CPU",
            note=f"computed: quantise + {neighbours + 1} masks",
        ),
        Row(f"{title}, Flower: vector of one client", peer.upload, "B/parameter"),
        Row(f"{title}, Flower: recovery of a drop-out", neighbours * peer.mask, "s CPU", note="computed"),
    ]
    measured = ckks()
    if measured is None:
        note = "not measured: TenSEAL is not installed"
        return [*rows, Row(f"{title}, CKKS", float("nan"), "", note=note)], [peer]
    other, add, decrypt = measured
    rows += [
        Row(f"{title}, CKKS: encrypt", other.fixed * 1e3, "ms CPU", note="all clients share one secret key"),
        Row(f"{title}, CKKS: vector of one client", other.upload, "B/parameter"),
        Row(f"{title}, CKKS: server adds one client", add * 1e3, "ms CPU"),
        Row(f"{title}, CKKS: decrypt the sum", decrypt * 1e3, "ms CPU"),
    ]
    return rows, [peer, other]
