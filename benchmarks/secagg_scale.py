"""What does a whole secure sum cost, and how does the cost grow? Every message, every client, one process.

The clients take turns; each is restored from its stored bytes for every message and stored again, as a device
would, and every message is encoded, signed, checked and decoded. Drop-outs finish set-up and never upload: the
dearest kind. The decoded sum is compared with the integer sum of the survivors. CPU seconds are of one thread.
Peers on the same vector: the functions of Flower's SecAgg+, and CKKS by TenSEAL where it is installed.

Run: ``python benchmarks/secagg_scale.py [--quick] [--json FILE] [--check]``; the full run (1,000 clients × 1
million parameters) also draws docs/images/secagg-cost.svg.
"""

from __future__ import annotations

import dataclasses
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _secagg_peers import MILLION, PeerCost, Stopwatch, peer_rows
from _table import Row, at_least, at_most, main

from privacy.plan import LocalTraining, RoundPlan, SecureAggregation, Update
from privacy.randomness import SystemSource
from privacy.secagg.client import SecAggClient
from privacy.secagg.graph import default_threshold, neighbours_for
from privacy.secagg.identity import Identity
from privacy.secagg.layout import VectorLayout
from privacy.secagg.policy import SecAggPolicy
from privacy.secagg.server import SecAggServer

DROPOUT = COLLUSION = 0.1
PLOT = Path(__file__).resolve().parent.parent / "docs" / "images" / "secagg-cost.svg"


@dataclasses.dataclass(frozen=True)
class Cost:
    """What one round cost."""

    clients: int
    parameters: int
    neighbours: int
    dropped: int
    wall: float
    """Seconds, enrolment included."""
    server: float
    """CPU seconds of the server, all phases."""
    opening: float
    """CPU seconds of the server from the first unmask reply to the decoded sum."""
    client: float
    """CPU seconds of one client, median of those that finished; all phases, encoding and storing included."""
    upload: float
    """Bytes a parameter that one client sends, all messages included."""
    download: float
    """Bytes that one client receives, all messages, the model aside; mean."""
    masks: int
    """Masks that the server expanded."""
    exact: bool

    @property
    def most_masks(self) -> int:
        """One mask for each survivor, k + 1 for each drop-out."""
        return self.clients - self.dropped + self.dropped * (self.neighbours + 1)


def plan_of(names: tuple[str, ...], layout: VectorLayout, neighbours: int, threshold: int) -> RoundPlan:
    """Return a plan for a sum of ``layout`` in a field of 32 bits."""
    return RoundPlan(
        run="scale",
        round=1,
        purpose="benchmark",
        mode="none",
        model="none",
        model_hash=None,
        cohort=names,
        training=LocalTraining(
            steps=1, sampling_rate=1.0, divisor=1.0, photos_per_record=1, learning_rate=0.1
        ),
        update=Update(clipping_norm=8.0, scale=1 << 16),
        secagg=SecureAggregation(
            vector_length=layout.length,
            neighbours=neighbours,
            threshold=threshold,
            min_survivors=max(2, len(names) // 2),
        ),
    )


class Fleet:
    """Clients that exist only as their stored bytes between two messages."""

    def __init__(self, names: tuple[str, ...], server_key: bytes) -> None:
        self.source = SystemSource()
        policy = SecAggPolicy(
            min_cohort=2, min_neighbours=2, min_survivors=2, security_bits=0, modes=("none",)
        )
        self.watch = {name: Stopwatch() for name in names}
        self.sent = dict.fromkeys(names, 0)
        self.received = dict.fromkeys(names, 0)
        self._stored = {
            name: SecAggClient.create(
                name, Identity.generate(self.source), server_key, policy, self.source
            ).to_bytes()
            for name in names
        }

    def ask(self, name: str, received: int, call: Callable[[SecAggClient], bytes]) -> bytes:
        """Restore a client, let it answer, and store it."""
        with self.watch[name]:
            client = SecAggClient.from_bytes(self._stored[name], self.source)
            answer = call(client)
            self._stored[name] = client.to_bytes()
        self.sent[name] += len(answer)
        self.received[name] += received
        return answer


def secure_sum(
    clients: int, parameters: int, neighbours: int, threshold: int, dropout: float = DROPOUT
) -> Cost:
    """Run one round to its decoded sum and return what it cost."""
    start, source, server_watch, opening = time.perf_counter(), SystemSource(), Stopwatch(), Stopwatch()
    names = tuple(f"device-{number:05d}" for number in range(clients))
    layout = VectorLayout(parameters)
    plan = plan_of(names, layout, neighbours, threshold)
    server = SecAggServer.create(Identity.generate(source), source)
    fleet = Fleet(names, server.identity.public_key)
    for name in names:
        message = fleet.ask(name, 0, lambda client: client.enrol("scale"))
        with server_watch:
            server.enrol(message)

    with server_watch:
        secure_round = server.begin(plan)
    for name in names:
        with server_watch:
            request = secure_round.setup_request(name)
        answer = fleet.ask(name, len(request), lambda client, request=request: client.setup(request))
        with server_watch:
            secure_round.receive_setup(answer)

    step = round(1 / dropout) if dropout else clients + 1
    dropped = {name for number, name in enumerate(names) if number % step == step - 1}
    base = np.random.default_rng(1).standard_normal(parameters, dtype=np.float32)
    base *= np.float32(6 / np.linalg.norm(base))
    total = np.zeros(layout.length, np.int64)
    with server_watch:
        requests = secure_round.upload_requests("00" * 32)
    for number, name in enumerate(names):
        if name in dropped:
            continue
        update, request = base * np.float32(1 - number / (2 * clients)), requests.pop(name)
        masked: Any = None

        def upload(
            client: SecAggClient, update: Any = update, request: bytes = request, count: int = number % 50
        ) -> bytes:
            nonlocal masked, total
            own = client.plan_of(request)
            vector = layout.encode(update, 1.0, count, {}, own, fleet.source).vector
            pause = time.thread_time()
            total += vector
            fleet.watch[client.name].seconds -= time.thread_time() - pause  # the check is no client's work
            header, masked = client.upload(request, vector, out=vector.view(np.uint32))
            return header

        header = fleet.ask(name, len(request), upload)
        fleet.sent[name] += masked.nbytes
        with server_watch:
            secure_round.receive_upload(header, masked)
    del requests

    with server_watch:
        requests = secure_round.unmask_requests()
    for name in list(requests):
        request = requests.pop(name)
        answer = fleet.ask(name, len(request), lambda client, request=request: client.unmask(request))
        with server_watch, opening:
            secure_round.receive_unmask(answer)
    with server_watch, opening:
        result = secure_round.result()
    exact = bool(np.array_equal(result.sum, total)) and len(result.survivors) == clients - len(dropped)
    finished = [name for name in names if name not in dropped]
    return Cost(
        clients=clients,
        parameters=parameters,
        neighbours=neighbours,
        dropped=len(dropped),
        wall=time.perf_counter() - start,
        server=server_watch.seconds,
        opening=opening.seconds,
        client=statistics.median(fleet.watch[name].seconds for name in finished),
        upload=statistics.mean(fleet.sent[name] for name in finished) / parameters,
        download=statistics.mean(fleet.received[name] for name in finished),
        masks=result.masks_expanded,
        exact=exact,
    )


def standard(clients: int, parameters: int) -> Cost:
    """Return the cost with the neighbours that stand 10 % drop-outs and 10 % colluders."""
    chosen = neighbours_for(clients, DROPOUT, COLLUSION)
    return secure_sum(clients, parameters, chosen.neighbours, chosen.threshold)


def rows_of(title: str, cost: Cost) -> list[Row]:
    """Return the rows of one round."""
    note = f"k = {cost.neighbours}, {cost.dropped} dropped"
    return [
        Row(f"{title}: one client", cost.client * 1e3, "ms CPU", note=note),
        Row(f"{title}: server, all phases", cost.server, "s CPU"),
        Row(f"{title}: sent by one client", cost.upload, "B/parameter"),
        Row(f"{title}: received by one client", cost.download / 1e3, "kB", note="the model aside"),
        at_most(
            f"{title}: masks the server expanded",
            cost.masks,
            "masks",
            cost.most_masks,
            "1, and k+1 a drop-out",
        ),
        at_least(f"{title}: sum is exact", float(cost.exact), "", 1),
    ]


def growth_rows(axis: str, cost: Cost) -> list[Row]:
    """Return the rows of one point of a curve."""
    title, note = {
        "cohort": (f"{cost.clients} clients × 10,000", f"k = {cost.neighbours}, {cost.dropped} dropped"),
        "parameters": (f"50 clients × {cost.parameters:,}", f"k = {cost.neighbours}, 5 dropped"),
        "neighbours": (f"100 clients × 100,000, k = {cost.neighbours}", "10 dropped"),
        "drop-outs": (f"100 clients × 100,000, {cost.dropped} dropped", f"k = {cost.neighbours}"),
    }[axis]
    sent = f"{note}; sent {cost.upload:.3f} B/parameter"
    return [
        Row(f"by {axis}: {title}: client", cost.client * 1e3, "ms CPU", note=sent),
        Row(f"by {axis}: {title}: server", cost.server * 1e3, "ms CPU", note=f"{cost.masks} masks"),
    ]


def sweeps(quick: bool) -> dict[str, list[Cost]]:
    """Return the costs along each axis; the other axes stay where they are."""
    small = 10_000
    cohorts = (20, 50, 100, 200) if quick else (20, 50, 100, 200, 500, 1000)
    lengths = (10_000, 100_000, MILLION)
    degrees = (16, 32, 64) if quick else (16, 32, 48, 64, 80, 99)
    shares = (0.0, 0.1, 0.2) if quick else (0.0, 0.05, 0.1, 0.2, 0.25)
    return {
        "cohort": [standard(clients, small) for clients in cohorts],
        "parameters": [standard(50, length) for length in lengths],
        "neighbours": [secure_sum(100, 100_000, k, default_threshold(k)) for k in degrees],
        "drop-outs": [secure_sum(100, 100_000, 64, default_threshold(64), share) for share in shares],
    }


def measure(quick: bool) -> list[Row]:
    """Return every row; the full run adds the round of 1,000 clients and the plot."""
    rows: list[Row] = []
    clients = 100 if quick else 1000
    largest = standard(clients, MILLION)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    title = f"{clients} clients × 1 M parameters"
    rows.append(at_most(f"{title}: wall", largest.wall / 60, "min", 5))
    rows.append(at_most(f"{title}: peak memory of the process", peak, "GiB", 2))
    rows += rows_of(title, largest)
    rows.append(Row(f"{title}: opening the sum", largest.opening, "s CPU"))
    peers, costs = peer_rows(largest.neighbours)
    rows += peers
    measured = sweeps(quick)
    for axis, points in measured.items():
        rows += [row for cost in points for row in growth_rows(axis, cost)]
    everything = [cost for points in measured.values() for cost in points]
    worst = max(cost.masks / cost.most_masks for cost in everything)
    rows.append(
        at_least("all of the above: exact sums", statistics.mean(cost.exact for cost in everything), "", 1)
    )
    rows.append(at_most("all of the above: masks, of one a survivor and k+1 a drop-out", worst, "", 1))
    if not quick:
        plot(measured, largest, costs)
    return rows


def plot(measured: dict[str, list[Cost]], largest: Cost, peers: list[PeerCost]) -> None:
    """Draw the costs to docs/images."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "mien", "font.size": 9})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(9, 6.4), layout="constrained")
    panels: dict[str, tuple[str, Callable[[Cost], float]]] = {
        "cohort": ("clients (10,000 parameters)", lambda cost: cost.clients),
        "parameters": ("parameters (50 clients)", lambda cost: cost.parameters),
        "neighbours": ("neighbours (100 clients, 100,000 parameters)", lambda cost: cost.neighbours),
        "drop-outs": (
            "drop-outs (100 clients, 64 neighbours, 100,000 parameters)",
            lambda cost: cost.dropped,
        ),
    }
    for axis, (name, (label, x_of)) in zip(axes.flat, panels.items(), strict=True):
        points = measured[name]
        x = [x_of(cost) for cost in points]
        axis.plot(x, [cost.client * 1e3 for cost in points], "o-", label="one client")
        axis.plot(x, [cost.server * 1e3 for cost in points], "s-", label="server, whole round")
        axis.set_xlabel(label)
        axis.set_ylabel("ms of CPU")
        axis.set_yscale("log")
        axis.set_ylim(1, 20_000)
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axis.grid(alpha=0.3)
    lengths = [cost.parameters for cost in measured["parameters"]]
    masks = measured["parameters"][0].neighbours + 1
    for peer, style in zip(peers, ("^--", "v--"), strict=False):
        seconds = peer.fixed + masks * peer.mask
        axes.flat[1].plot(
            lengths, [seconds * 1e3 * length / MILLION for length in lengths], style, label=peer.name
        )
    axes.flat[1].set_xscale("log")
    axes.flat[0].set_xscale("log")
    axes.flat[1].legend(fontsize=7)
    axes.flat[0].legend(fontsize=7)
    figure.suptitle(
        f"Secure sum: {largest.clients:,} clients × {largest.parameters:,} parameters, {largest.dropped} dropped: "
        f"{largest.wall / 60:.1f} min on one core",
        fontsize=10,
    )
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PLOT, metadata={"Date": None})


if __name__ == "__main__":
    main("Secure aggregation at scale", measure)
