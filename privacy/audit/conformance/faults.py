"""Planted faults: builds in which one part is wrong in a way that real builds have been wrong.

Each is a mutant that goes through the public seams of :class:`Build`. The self-test must find each of them by
the checks that :data:`FAULTS` names; ``mien audit selftest --plant FAULT`` shows it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mien.errors import ConfigError
from privacy.audit.conformance.build import Build, Part, Trainer, Vector
from privacy.contribution import LocalResult, RoundUpdate, contribute, read_sum
from privacy.dpsgd.clipping import ClippingEngine
from privacy.dpsgd.layers.base import OuterSum
from privacy.dpsgd.noise import GridGaussian
from privacy.dpsgd.optimizer import PrivateTrainer
from privacy.ledger.ledger import Ledger
from privacy.mechanisms.distributed import noise_share
from privacy.plan import RoundPlan
from privacy.randomness import RandomSource, TestOnlySource
from privacy.secagg.client import SecAggClient
from privacy.secagg.masking import FieldVector


@dataclasses.dataclass(frozen=True)
class Fault:
    """One planted fault and the checks that have to find it."""

    plant: Callable[[], Build]
    what: str
    found_by: tuple[str, ...]


def planted(name: str) -> Build:
    """Return the build with the fault ``name``. Raises ConfigError that lists the known faults."""
    if name not in FAULTS:
        raise ConfigError(f"unknown fault {name!r}; the known ones are {', '.join(FAULTS)}")
    return FAULTS[name].plant()


def weaker_noise(factor: float) -> Build:
    """Return a build that charges for the promised noise and adds ``factor`` of it."""

    def trainer(model: nn.Module, *, noise_multiplier: float, **options: Any) -> Trainer:
        return PrivateTrainer(model, noise_multiplier=factor * noise_multiplier, **options)

    def share(result: LocalResult, plan: RoundPlan, rounding: RandomSource, noise: RandomSource) -> Vector:
        return contribute(result, _with_noise(plan, factor * plan.update.noise_multiplier), rounding, noise)

    return Build(trainer=trainer, contribute=share)


def _with_noise(plan: RoundPlan, multiplier: float) -> RoundPlan:
    update = plan.update.model_copy(update={"noise_multiplier": multiplier})
    return plan.model_copy(update={"update": update})


def _wrong_divisor() -> Build:
    """Return a build that divides by the number of records, as Opacus 1.6 does, and by who survived."""

    def trainer(model: nn.Module, *, divisor: float, **options: Any) -> Trainer:
        return PrivateTrainer(model, divisor=divisor - 1, **options)

    def read(total: NDArray[np.int64], survivors: int, plan: RoundPlan) -> RoundUpdate:
        return read_sum(total, survivors + 1, plan)

    return Build(trainer=trainer, read_sum=read)


class _Repeating:
    """A source that looks secure and begins the same stream anew for every client and round."""

    test_only = False

    def __init__(self) -> None:
        self._stream = TestOnlySource(1, "planted")

    def bytes(self, count: int) -> bytes:
        return self._stream.bytes(count)

    def uint32(self, count: int) -> NDArray[np.uint32]:
        return self._stream.uint32(count)

    def uint64(self, count: int) -> NDArray[np.uint64]:
        return self._stream.uint64(count)

    def fill(self, out: NDArray[np.generic]) -> None:
        self._stream.fill(out)


class _Stuck(_Repeating):
    """The same, but the stream begins anew for every draw, so that every step gets the same noise."""

    def fill(self, out: NDArray[np.generic]) -> None:
        TestOnlySource(1, "planted").fill(out)


def _stuck_steps() -> Build:
    def trainer(model: nn.Module, *, source: RandomSource, **options: Any) -> Trainer:
        del source
        return PrivateTrainer(model, source=_Stuck(), **options)

    return Build(trainer=trainer)


class _NoiseFirst:
    """An optimizer that clips the noisy sum: what it releases is short, and so is its noise."""

    def __init__(
        self, model: nn.Module, *, clipping_norm: float, noise_multiplier: float, divisor: float,
        learning_rate: float, source: RandomSource, stack: int = 1,
    ) -> None:  # fmt: skip
        self._engine = ClippingEngine(model, stack=stack)
        self._noise = GridGaussian(noise_multiplier * clipping_norm, source) if noise_multiplier else None
        self._norm, self._unit = clipping_norm, learning_rate / divisor

    def step(self, losses: Callable[[], Tensor], weights: Tensor | None = None) -> None:
        clipped = self._engine.clip(losses, self._norm, weights)
        sums = {p: (g.whole() if isinstance(g, OuterSum) else g).flatten() for p, g in clipped.sums}
        self._apply(sums, bound=len(clipped.norms) * self._norm)

    def step_empty(self) -> None:
        self._apply({}, bound=self._norm)

    @torch.no_grad()
    def _apply(self, sums: Mapping[nn.Parameter, Tensor], bound: float) -> None:
        parameters = self._engine.parameters
        flat = torch.cat([sums.get(p, torch.zeros(p.numel())) for p in parameters])
        if self._noise is not None:
            flat = self._noise.release(flat, bound) * self._noise.grid
        flat = flat * min(1.0, bound / max(bound, float(flat.norm())))
        for parameter, part in zip(
            parameters, torch.split(flat, [p.numel() for p in parameters]), strict=True
        ):
            parameter.sub_(part.view_as(parameter), alpha=self._unit)


def _noise_first() -> Build:
    def share(result: LocalResult, plan: RoundPlan, rounding: RandomSource, noise: RandomSource) -> Vector:
        if plan.update.noise == "none":
            return contribute(result, plan, rounding, noise)
        size = len(result.update)
        drawn = noise_share(size, plan.update, plan.update.honest_survivors, noise)
        noisy = (result.update + drawn / plan.update.scale).astype(np.float32)
        quiet = plan.update.model_copy(update={"noise": "none"})
        return contribute(LocalResult(noisy), plan.model_copy(update={"update": quiet}), rounding, noise)

    return Build(trainer=_NoiseFirst, contribute=share)


def _no_clip() -> Build:
    def trainer(
        model: nn.Module, *, clipping_norm: float, noise_multiplier: float, **options: Any
    ) -> Trainer:
        return PrivateTrainer(
            model, clipping_norm=100 * clipping_norm, noise_multiplier=noise_multiplier / 100, **options
        )

    def share(result: LocalResult, plan: RoundPlan, rounding: RandomSource, noise: RandomSource) -> Vector:
        wide = plan.update.model_copy(
            update={"clipping_norm": 100 * plan.update.clipping_norm,
                    "noise_multiplier": plan.update.noise_multiplier / 100}
        )  # fmt: skip
        training = plan.training.model_copy(update={"clipping_norm": 100.0})
        changed = plan.model_copy(update={"update": wide, "training": training})
        return contribute(result, changed, rounding, noise)

    return Build(trainer=trainer, contribute=share)


def _forgetful_ledger() -> Build:
    """Return a build whose accountant starts from nothing whenever the device starts."""

    def opened(path: Path, **options: Any) -> Ledger:
        for old in path.parent.glob(path.name + "*"):
            old.unlink()
        return Ledger.open(path, **options)

    return Build(ledger=opened)


def _metric_in_clear() -> Build:
    """Return a build whose last element, where a metric rides, is sent without its mask."""

    def upload(client: SecAggClient, request: bytes, vector: Vector) -> tuple[bytes, FieldVector]:
        header, words = client.upload(request, vector)
        words[-1:] = vector[-1:].view(words.dtype)
        return header, words

    return Build(upload=upload)


def _mask_twice() -> Build:
    """Return a build whose clients keep their first mask for all rounds."""
    kept: dict[str, FieldVector] = {}

    def upload(client: SecAggClient, request: bytes, vector: Vector) -> tuple[bytes, FieldVector]:
        header, words = client.upload(request, vector)
        plain = vector.view(words.dtype)
        mask = kept.setdefault(client.name, words - plain)
        return header, plain + mask if len(mask) == len(plain) else words

    return Build(upload=upload)


def _open_gate() -> Build:
    def gate(kind: str, parts: Mapping[str, Part], *, vector_length: int = 0, field_bits: int = 32) -> None:
        """Let everything pass."""

    return Build(egress=gate)


FAULTS: Mapping[str, Fault] = {
    "half-noise": Fault(
        lambda: weaker_noise(0.5), "half of the promised noise, in the optimizer and in the clients' shares",
        ("optimizer: noise level", "cohort, skellam: noise level", "cohort, discrete_gaussian: noise level"),
    ),
    "less-noise": Fault(
        lambda: weaker_noise(0.95), "5 % less noise than promised",
        ("optimizer: noise level", "cohort, skellam: noise level", "cohort, discrete_gaussian: noise level"),
    ),
    "wrong-divisor": Fault(
        _wrong_divisor, "sums divided by what is counted instead of the public number",
        ("optimizer: divisor", "cohort: divisor"),
    ),
    "reused-seed": Fault(
        lambda: Build(source=_Repeating), "every client and round draws the same noise",
        ("source: fresh", "optimizer: repetition", "cohort, skellam: repetition"),
    ),
    "stuck-seed": Fault(
        _stuck_steps, "every step of the optimizer draws the same noise",
        ("optimizer: repetition", "optimizer: noise apart from data"),
    ),
    "noise-before-clipping": Fault(
        _noise_first, "the noisy sum is clipped, and most of the noise with it",
        ("optimizer: order", "cohort, skellam: order", "cohort, discrete_gaussian: order"),
    ),
    "no-clipping": Fault(
        _no_clip, "clipping at a hundred times the norm that the noise is sized for",
        ("optimizer: sensitivity", "cohort: norm of a client"),
    ),
    "accountant-reset": Fault(
        _forgetful_ledger, "the ledger begins anew at each start of the device",
        ("budget: adds up", "budget: refuses"),
    ),
    "metric-in-clear": Fault(
        _metric_in_clear, "one metric of the vector is sent without its mask", ("masks: every element",)
    ),
    "mask-twice": Fault(_mask_twice, "a client's mask serves for several rounds", ("masks: unrelated",)),
    "open-gate": Fault(
        _open_gate, "messages leave with a loss, a count or a plain vector beside them",
        ("leaving: allow-list",),
    ),
    "test-source": Fault(
        lambda: Build(source=lambda: TestOnlySource(1, "planted")), "the tests' repeatable source was left on",
        ("source: secure", "source: fresh"),
    ),
}  # fmt: skip
"""What ``--plant`` knows."""
