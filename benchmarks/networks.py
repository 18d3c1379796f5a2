"""How large and how fast are the models? Parameters, multiply-adds, forward and training step on one core.

Times are milliseconds of CPU time of one thread, medians over rounds in which the models take turns, so that a
busy machine slows all of them alike. A forward pass is one picture; a step is forward, backward and SGD on a
batch. Run: ``python benchmarks/networks.py [--quick] [--json FILE] [--check]``.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torchvision
from _table import Row, at_least, at_most, main
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from models import registry
from models.metrics import auc_interval
from models.network import Network
from models.weights import from_vector, layout_of, to_vector, weights_hash

BATCH = 8
SIDES = {"skin": 32, "nose": 32, "face": 64}
IDENTITY_SIDE = 112
MIB = 2**20


@dataclass
class Subject:
    """One model under measurement."""

    name: str
    model: Network
    one: dict[str, Tensor]
    batch: dict[str, Tensor]
    side: int


def inputs_of(model: Network, records: int, face_side: int) -> dict[str, Tensor]:
    """Return random inputs of the sizes that the app uses."""
    columns = {"jaw": torch.randn(records, 8), "embedding": torch.randn(records, 128)}
    sides = SIDES | {"face": face_side}
    return {
        name: columns[name] if name in columns else torch.rand(records, 3, sides[name], sides[name]) * 2 - 1
        for name in model.inputs
    }


def subject(name: str) -> Subject:
    """Build a model and its inputs."""
    identity = registry.spec(name).outputs in {("logits",), ("embedding",)}
    side = IDENTITY_SIDE if identity else SIDES["face"]
    model = registry.build(name)
    return Subject(name, model, inputs_of(model, 1, side), inputs_of(model, BATCH, side), side)


def forward(model: nn.Module, inputs: object) -> Callable[[], None]:
    """Return one forward pass without gradients."""

    def run() -> None:
        model.eval()
        with torch.inference_mode():
            model(inputs)

    return run


def step(model: nn.Module, inputs: object) -> Callable[[], None]:
    """Return one plain training step."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)

    def run() -> None:
        model.train()
        optimizer.zero_grad()
        model(inputs).square().mean().backward()
        optimizer.step()

    return run


def interleaved(tasks: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return CPU milliseconds of each task, in ``rounds`` rounds after one to warm up."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(rounds + 1):
        for name, task in tasks.items():
            start = time.thread_time()
            task()
            if number:
                times[name].append((time.thread_time() - start) * 1e3)
    return times


def multiply_adds(model: nn.Module, inputs: object) -> float:
    """Return the multiply-adds of matrix products and convolutions in one forward pass."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(inputs)
    return counter.get_total_flops() / 2


def model_rows(quick: bool) -> list[Row]:
    """Measure every registered model, beside torchvision's ResNet-50 in the same rounds."""
    names = [name for name in registry.names() if not (quick and name == "nose_paper")]
    subjects = [subject(name) for name in names]
    rounds = 5 if quick else 15
    peer = torchvision.models.resnet50(num_classes=26)
    picture = torch.rand(1, 3, IDENTITY_SIDE, IDENTITY_SIDE)
    tasks: dict[str, Callable[[], object]] = {}
    for entry in subjects:
        tasks[f"{entry.name} forward"] = forward(entry.model, entry.one)
        tasks[f"{entry.name} step"] = step(entry.model, entry.batch)
    tasks["torchvision resnet50 forward"] = forward(peer, picture)
    tasks["torchvision resnet50 step"] = step(peer, picture.expand(BATCH, -1, -1, -1).contiguous())
    times = interleaved(tasks, rounds)
    medians = {name: statistics.median(values) for name, values in times.items()}

    rows = []
    for entry in subjects:
        count = sum(parameter.numel() for parameter in entry.model.parameters())
        where = f"inputs {'+'.join(entry.model.inputs)}" + (
            f" at {entry.side} px" if "face" in entry.model.inputs else ""
        )
        rows += [
            Row(f"{entry.name}: parameters", count, "", note=f"{count * 4 / MIB:.2f} MiB as float32"),
            Row(
                f"{entry.name}: multiply-adds",
                multiply_adds(entry.model, entry.one) / 1e6,
                "million",
                note=where,
            ),
            forward_row(entry, medians[f"{entry.name} forward"]),
            Row(f"{entry.name}: training step, {BATCH} records", medians[f"{entry.name} step"], "ms"),
        ]
    for kind in ("forward", "step"):
        pairs = zip(times[f"resnet50 {kind}"], times[f"torchvision resnet50 {kind}"], strict=True)
        ratio = statistics.median(ours / theirs for ours, theirs in pairs)
        rows.append(at_most(f"resnet50 {kind}: ratio to torchvision's", ratio, "", 1.2, "paired rounds"))
    return rows


def forward_row(entry: Subject, milliseconds: float) -> Row:
    """Return a forward time with its goal, where there is one."""
    label = f"{entry.name}: forward, 1 record"
    goals = {"face_cnn": 10.0, "hsanet_embedder": 100.0}
    if entry.name in goals:
        return at_most(label, milliseconds, "ms", goals[entry.name])
    return Row(label, milliseconds, "ms")


def vector_rows(quick: bool) -> list[Row]:
    """Measure the flat vector of HSANet(3×3), 24.5 million numbers, against copying as many bytes."""
    model = registry.build("hsanet_3x3_private")
    layout = layout_of(model)
    vector = to_vector(model, layout)
    other = vector.copy()
    times = interleaved(
        {
            "copy": lambda: np.copyto(other, vector),
            "to_vector": lambda: to_vector(model, layout, vector),
            "from_vector": lambda: from_vector(model, layout, vector),
            "weights_hash": lambda: weights_hash(layout, vector),
        },
        5 if quick else 15,
    )
    note = f"{layout.length:,} numbers"
    rows = [Row("memory copy", statistics.median(times["copy"]), "ms", note=note)]
    for name in ("to_vector", "from_vector"):
        ratio = statistics.median(a / b for a, b in zip(times[name], times["copy"], strict=True))
        rows.append(at_most(f"{name}: ratio to a memory copy", ratio, "", 2.0, note))
    rows.append(Row("weights_hash (SHA-256)", statistics.median(times["weights_hash"]), "ms", note=note))
    return rows


def metric_rows() -> list[Row]:
    """Measure the vectorised bootstrap against one draw at a time."""
    generator = np.random.default_rng(0)
    labels = (generator.random(12_000) < 0.05).astype(int)
    scores, persons = generator.normal(size=12_000) + labels, generator.integers(0, 700, 12_000)

    def one_by_one() -> None:
        for seed in range(20):
            auc_interval(scores, labels, persons, replicates=1, seed=seed)

    times = interleaved(
        {"all": lambda: auc_interval(scores, labels, persons, replicates=1000), "one": one_by_one}, 3
    )
    together = statistics.median(times["all"])
    ratio = statistics.median(times["one"]) * 50 / together
    return [
        at_most("AUC interval, 12,000 records, 1,000 draws of persons", together, "ms", 1000),
        at_least("... times faster than draw by draw", ratio, "x", 2.0),
    ]


def measure(quick: bool) -> list[Row]:
    """Return every row."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return model_rows(quick) + vector_rows(quick) + metric_rows()


if __name__ == "__main__":
    main("Models: size and speed on one core", measure)
