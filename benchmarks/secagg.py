"""What does secure aggregation cost one client and the server, for one vector?

Everything is measured on one thread in one process, in turns; a figure is the median over turns of the ratio
of processor times within a turn, so that other work on the machine disturbs both sides alike. The unit is a
copy of the same vector (memcpy). The peer is Flower 1.41: its own functions for quantisation and masking, as
its SecAgg+ client calls them, on the same vector.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
from _table import Row, at_least, at_most, main
from flwr.common.secure_aggregation.ndarrays_arithmetic import parameters_addition, parameters_mod
from flwr.common.secure_aggregation.quantization import quantize
from flwr.common.secure_aggregation.secaggplus_utils import pseudo_rand_gen

from privacy.plan import LocalTraining, RoundPlan, SecureAggregation, Update
from privacy.randomness import SystemSource
from privacy.secagg import masking
from privacy.secagg.client import SecAggClient
from privacy.secagg.encoding import element_bound, round_update
from privacy.secagg.graph import default_threshold
from privacy.secagg.identity import Identity
from privacy.secagg.memory import aligned_empty
from privacy.secagg.policy import SecAggPolicy
from privacy.secagg.round import SecAggRound
from privacy.secagg.server import SecAggServer

NEIGHBOURS = 14
MASKS = NEIGHBOURS + 1
SOURCE = SystemSource()
NAMES = tuple(f"device-{index:02d}" for index in range(NEIGHBOURS + 1))


def make_plan(length: int, number: int) -> RoundPlan:
    return RoundPlan(
        run="benchmark",
        round=number,
        purpose="benchmark",
        mode="none",
        model="vector",
        model_hash="00" * 32,
        cohort=NAMES,
        training=LocalTraining(
            steps=1, sampling_rate=1.0, divisor=1.0, photos_per_record=1, learning_rate=1.0
        ),
        update=Update(clipping_norm=1.0, scale=1 << 16),
        secagg=SecureAggregation(
            vector_length=length,
            neighbours=NEIGHBOURS,
            threshold=default_threshold(NEIGHBOURS),
            min_survivors=10,
        ),
    )


class Cohort:
    """Fifteen clients and a server, all real."""

    def __init__(self) -> None:
        self.server = SecAggServer.create(Identity.generate(SOURCE), SOURCE)
        key = self.server.identity.public_key
        policy = SecAggPolicy(modes=("none",))
        self.clients = {
            name: SecAggClient.create(name, Identity.generate(SOURCE), key, policy, SOURCE) for name in NAMES
        }
        for client in self.clients.values():
            self.server.enrol(client.enrol("benchmark"))

    def uploading(self, plan: RoundPlan) -> tuple[SecAggRound, dict[str, bytes]]:
        """Return a round that waits for its uploads, and the requests."""
        current = self.server.begin(plan)
        for name, request in current.setup_requests().items():
            current.receive_setup(self.clients[name].setup(request))
        return current, current.upload_requests()


def seconds(work: Callable[[], object]) -> float:
    start = time.thread_time()
    work()
    return time.thread_time() - start


def in_turns(works: dict[str, Callable[[], object]], turns: int) -> dict[str, list[float]]:
    """Return the processor seconds of every work in every turn; the first turn is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(turns + 1):
        for name, work in works.items():
            spent = seconds(work)
            if turn:
                taken[name].append(spent)
    return taken


def flower_pass(update: np.ndarray) -> float:
    """Return the seconds of Flower's own quantisation and masking of ``update``, as its client does it."""

    def work() -> None:
        total = quantize([update], 3.0, 1 << 22)
        for _ in range(MASKS):
            total = parameters_addition(total, pseudo_rand_gen(SOURCE.bytes(32), 1 << 32, [update.shape]))
        parameters_mod(total, 1 << 32)

    return seconds(work)


def measure(quick: bool) -> list[Row]:
    length, turns = (5_000_000, 5) if quick else (25_000_000, 7)
    update = (np.random.default_rng(1).normal(size=length) / np.sqrt(length)).astype(np.float32)
    plan = make_plan(length, 1)
    encoded, copy = aligned_empty(length, np.dtype(np.int32)), np.empty_like(update)
    words = encoded.view(np.uint32)
    masks = [(SOURCE.bytes(32), index % 2 == 0) for index in range(MASKS)]
    tag_key = SOURCE.bytes(32)
    total = aligned_empty(length, np.dtype(np.uint32))
    total[:] = 0
    received = words.copy()
    tag = masking.mask_vector(np.zeros(length, np.int32), masks, tag_key, 0, received)
    bound = element_bound(plan)

    def encode() -> None:
        round_update(update, 1.0, plan, SOURCE, encoded)

    taken = in_turns(
        {
            "copy": lambda: np.copyto(copy, update),
            "encode": encode,
            "masks": lambda: masking.add_masks(words, masks),
            "encode again": encode,
            "upload": lambda: masking.mask_vector(encoded, masks, tag_key, bound, words),
            "sum": lambda: np.add(total, received, out=total),
            "sum and tag": lambda: masking.add_checked(total, received, tag_key, tag),
        },
        turns,
    )

    def over_copy(*names: str) -> float:
        spent = [sum(parts) for parts in zip(*(taken[name] for name in names), strict=True)]
        return statistics.median(one / copied for one, copied in zip(spent, taken["copy"], strict=True))

    ours = statistics.median(a + b for a, b in zip(taken["encode"], taken["masks"], strict=True))
    size = f"{length / 1e6:g} M parameters, {NEIGHBOURS} neighbours"
    rows = [
        Row("copy of the vector", statistics.median(taken["copy"]) * 1e3, "ms", note=size),
        at_most("client: round and all masks, per mask", over_copy("encode", "masks") / MASKS, "copies", 1.0,
                "clipping norm, rounding, norm re-checked, 15 masks"),
        Row("client: of that, encoding", over_copy("encode"), "copies", note="all of it, not per mask"),
        Row("client: and element check and tag, per mask", over_copy("encode again", "upload") / MASKS, "copies",
            note="what upload() does with a vector"),
        at_most("server: sum and tag of a vector", over_copy("sum and tag"), "copies", 1.5),
        Row("server: of that, the sum alone", over_copy("sum"), "copies"),
        at_least("Flower's client pass, over ours", flower_pass(update) / ours, "×", 45.0,
                 "flwr 1.41: quantize, 15 × (pseudo_rand_gen, addition), mod; once"),
    ]  # fmt: skip
    return rows + protocol_rows(length)


def protocol_rows(length: int) -> list[Row]:
    """Return what is counted rather than timed: bytes of an upload, masks of a drop-out."""
    cohort = Cohort()
    _, requests = cohort.uploading(make_plan(length, 1))
    vector = np.zeros(length, np.int32)
    header, masked = cohort.clients[NAMES[0]].upload(requests[NAMES[0]], vector, out=vector.view(np.uint32))
    current, requests = cohort.uploading(make_plan(1000, 2))
    for name in NAMES[1:]:
        current.receive_upload(*cohort.clients[name].upload(requests[name], np.zeros(1000, np.int32)))
    for name, request in current.unmask_requests().items():
        current.receive_unmask(cohort.clients[name].unmask(request))
    result = current.result()
    dropped = result.masks_expanded - len(result.survivors)
    if result.sum.any():
        raise SystemExit("the sum of zeros is not zero: the protocol is broken")
    return [
        at_most("upload", (len(header) + masked.nbytes) / length, "bytes/parameter", 4.05),
        at_most("recovery of a drop-out", dropped, "masks", MASKS, "neighbours + 1 allowed"),
    ]


if __name__ == "__main__":
    main("Secure aggregation: one vector", measure)
