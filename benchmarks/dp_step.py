"""How much longer does a private step take than a plain one, and how much more memory?

One run measures, for each network, whole training steps: plain SGD (torch.optim), ours, and Opacus' default
hooks, taking turns in one process on one thread. A figure is the median over rounds of the ratio of
processor times within a round, so that other work on the machine disturbs all of them alike. Peak memory is
measured in a process of its own for each: the high-water mark above what the process held before its
first step.
"""

from __future__ import annotations

import ctypes
import dataclasses
import gc
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

# benchmarks/models.py is called like the package `models`: the source tree comes first.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from _table import Row, at_least, at_most, main

from models import registry
from privacy.dpsgd.losses import LogisticLosses
from privacy.dpsgd.optimizer import PrivateTrainer
from privacy.randomness import SystemSource

LEARNING_RATE = 0.01


class Convolutional(nn.Sequential):
    """Three convolutions with GroupNorm and two fully connected layers on 64×64 pictures: 0.55 M weights."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        for channels_in, channels in ((3, 16), (16, 32), (32, 64)):
            layers += [nn.Conv2d(channels_in, channels, 3, padding=1), nn.GroupNorm(8, channels), nn.ReLU()]
            layers += [nn.MaxPool2d(2)]
        layers += [nn.Flatten(), nn.Linear(4096, 128), nn.ReLU(), nn.Linear(128, 10)]
        super().__init__(*layers)


class AlexNet(nn.Sequential):
    """torchvision's AlexNet for 64×64 pictures without dropout: 20.3 M weights, most of them in two layers."""

    def __init__(self) -> None:
        super().__init__(
            *(nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            *(nn.Linear(256, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 10)),
        )


class OnFaces(nn.Module):
    """A registered network, called on a tensor instead of a mapping."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.network = registry.build(name)
        self.column = registry.spec(name).inputs[0]

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        result: Tensor = self.network({self.column: x})
        return result


@dataclasses.dataclass(frozen=True)
class Workload:
    """A network on a batch, and the goals."""

    title: str
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    batch: int
    classes: int
    slower_than_plain: float
    faster_than_opacus: float
    rounds: int

    def data(self) -> tuple[Tensor, Tensor]:
        """Return inputs and labels."""
        generator = torch.Generator().manual_seed(1)
        x = torch.randn(self.batch, *self.shape, generator=generator)
        return x, torch.randint(0, self.classes, (self.batch,), generator=generator)

    def losses(self, output: Tensor, labels: Tensor) -> Tensor:
        """Return one loss a row."""
        if output.shape[1] == 1:
            return functional.binary_cross_entropy_with_logits(
                output[:, 0], labels.to(output.dtype), reduction="none"
            )
        return functional.cross_entropy(output, labels, reduction="none")


WORKLOADS = {
    "mlp": Workload(
        "8-16-1, B=256",
        lambda: nn.Sequential(nn.Linear(8, 16), nn.Sigmoid(), nn.Linear(16, 1)),
        (8,),
        256,
        2,
        0.7,
        5,
        60,
    ),
    "cnn": Workload("small CNN, 64×64, B=64", Convolutional, (3, 64, 64), 64, 10, 1.10, 2.7, 9),
    "resnet": Workload(
        "ResNet-50 GroupNorm, 112×112, B=8",
        lambda: OnFaces("resnet50_private"),
        (3, 112, 112),
        8,
        26,
        1.22,
        2.3,
        7,
    ),
    "hsanet": Workload(
        "HSANet(3×3) GroupNorm, 112×112, B=8",
        lambda: OnFaces("hsanet_3x3_private"),
        (3, 112, 112),
        8,
        26,
        1.22,
        2.3,
        7,
    ),
    "alexnet": Workload("AlexNet, 64×64, B=32", AlexNet, (3, 64, 64), 32, 10, 1.42, 15, 7),
}


def plain_step(work: Workload) -> Callable[[], object]:
    """Return a plain step, as one writes it with torch.optim."""
    torch.manual_seed(0)
    model, (x, labels) = work.build(), work.data()
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)

    def step() -> None:
        optimizer.zero_grad()
        work.losses(model(x), labels).mean().backward()
        optimizer.step()

    return step


def private_step(work: Workload, noise_multiplier: float = 1.0) -> Callable[[], object]:
    """Return our step."""
    torch.manual_seed(0)
    model, (x, labels) = work.build(), work.data()
    trainer = PrivateTrainer(
        model,
        clipping_norm=1.0,
        noise_multiplier=noise_multiplier,
        divisor=work.batch,
        learning_rate=LEARNING_RATE,
        source=SystemSource(),
    )
    losses: Callable[[], Tensor] = lambda: work.losses(model(x), labels)  # noqa: E731
    if work.classes == 2:
        losses = LogisticLosses(model, x, labels.float())
    return lambda: trainer.step(losses)


def opacus_step(work: Workload) -> Callable[[], object]:
    """Return Opacus' step with its default hooks."""
    from opacus import GradSampleModule
    from opacus.optimizers import DPOptimizer

    torch.manual_seed(0)
    model, (x, labels) = GradSampleModule(work.build()), work.data()
    optimizer = DPOptimizer(
        torch.optim.SGD(model.parameters(), lr=LEARNING_RATE),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        expected_batch_size=work.batch,
    )

    def step() -> None:
        optimizer.zero_grad()
        work.losses(model(x), labels).mean().backward()
        optimizer.step()

    return step


STEPS = {"plain": plain_step, "ours": private_step, "opacus": opacus_step}


def processor_times(
    steps: dict[str, Callable[[], object]], rounds: int, repeat: int
) -> dict[str, list[float]]:
    """Return each step's processor seconds, one entry a round; within a round the steps take turns."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()
    order = list(steps)
    for _ in range(rounds):
        for name in order:
            start = time.thread_time()
            for _ in range(repeat):
                steps[name]()
            times[name].append((time.thread_time() - start) / repeat)
        order = order[1:] + order[:1]
    return times


def ratio(times: dict[str, list[float]], name: str, other: str) -> float:
    """Return the median over rounds of one step's time divided by another's."""
    return statistics.median(a / b for a, b in zip(times[name], times[other], strict=True))


def peak_megabytes(key: str, variant: str) -> float:
    """Return a step's peak memory above the process's own, measured in a new process."""
    command = [sys.executable, "-W", "ignore", __file__, "--peak", key, variant]
    # Tensors above 1 MB go back to the system when freed; else the heap's gaps would be counted as need.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "1000000"}
    result = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(result.stdout)


def _status(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return float(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {field}; peak memory can be measured on Linux only")


def print_peak(key: str, variant: str) -> None:
    """Print the high-water mark of three steps above the memory held before them, in MB.

    Another trainer takes a step first and is let go: else the pages of the libraries' code, which are loaded when
    they are first run, would be counted too, and they come and go with the rest of the machine.
    """
    STEPS[variant](WORKLOADS[key])()
    step = STEPS[variant](WORKLOADS[key])
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    for _ in range(3):
        step()
    print(_status("VmHWM") - before)


def measure(quick: bool) -> list[Row]:
    rows = []
    for key, work in WORKLOADS.items():
        rounds = max(3, work.rounds // 2) if quick else work.rounds
        repeat = 20 if key == "mlp" else 1
        steps = {name: make(work) for name, make in STEPS.items()}
        times = processor_times(steps, rounds, repeat)
        del steps
        gc.collect()
        plain = statistics.median(times["plain"]) * 1e3
        rows.append(Row(f"{work.title}: plain", plain, "ms"))
        rows.append(
            at_most(f"{work.title}: ours / plain", ratio(times, "ours", "plain"), "×", work.slower_than_plain)
        )
        rows.append(
            at_least(
                f"{work.title}: Opacus / ours", ratio(times, "opacus", "ours"), "×", work.faster_than_opacus
            )
        )
        if key != "mlp":
            peaks = {variant: peak_megabytes(key, variant) for variant in ("plain", "ours")}
            note = f"{peaks['ours']:.0f} MB against {peaks['plain']:.0f}"
            rows.append(
                at_most(f"{work.title}: peak memory", peaks["ours"] / peaks["plain"], "×", 1.35, note)
            )
    return rows


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="opacus|torch")
    if sys.argv[1:2] == ["--peak"]:
        print_peak(sys.argv[2], sys.argv[3])
    else:
        main("private training steps", measure)
