"""What a coordinator sees of one client's gradient: plain, clipped, in the opened sum, and masked.

Each view is made by the real part of this build and read as the attacker would read it: as a gradient. In the
opened sum the attacker even knows what every other client sent and takes it off, so only the victim's clipped
gradient and the noise of the cohort are left.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from privacy.audit.attacks import bounds
from privacy.audit.attacks.target import Target
from privacy.audit.conformance.build import Build, round_plan
from privacy.audit.conformance.masks import Cohort
from privacy.contribution import LocalResult
from privacy.dpsgd.clipping import ClippingEngine
from privacy.dpsgd.layers.base import OuterSum
from privacy.plan import RoundPlan

Gradient = NDArray[np.float64]
"""A sum of gradients over all parameters of a model, flat."""
_UNBOUNDED = 1e12


@dataclasses.dataclass(frozen=True)
class Noise:
    """How one release of the run is noised."""

    plan: RoundPlan
    silo: bool
    """Whether the client's optimizer adds the noise, instead of the cohort."""

    @property
    def clipping_norm(self) -> float:
        """C of one person."""
        return self.plan.training.clipping_norm or self.plan.update.clipping_norm

    @property
    def multiplier(self) -> float:
        """Standard deviation of the noise in the opened sum over C."""
        if self.silo:
            return self.plan.training.noise_multiplier
        return self.plan.update.noise_multiplier * self.plan.update.clipping_norm / self.clipping_norm


def noise_of(target: Target) -> Noise | None:
    """Return the noise of the run's first round; None where the run promises no differential privacy.

    A config that was not run gets the noise of its ε over its rounds without amplification by sampling.
    """
    section, config = target.config.privacy, target.config
    if not target.private:
        return None
    if target.plans:
        return Noise(target.plans[0], section.mode == "silo")
    survivors, sigma = config.rounds.min_survivors, math.sqrt(config.rounds.count)
    sigma /= bounds.mu_of_epsilon(section.epsilon, section.delta)
    plan = round_plan(max(2, config.rounds.cohort), 1, mode=section.mode, honest_survivors=survivors)
    update = plan.update.model_copy(update={"noise_multiplier": sigma / plan.update.clipping_norm})
    training = plan.training.model_copy(update={"noise_multiplier": sigma if section.mode == "silo" else 0.0})
    return Noise(plan.model_copy(update={"update": update, "training": training}), section.mode == "silo")


def views(
    build: Build, model: nn.Module, losses: Callable[[], Tensor], noise: Noise | None
) -> Mapping[str, Gradient]:
    """Return the gradient sum of the rows that ``losses`` is about, as seen under each protection, by name."""
    norm = noise.clipping_norm if noise else 1.0
    seen = {"plain": clipped_sum(model, losses, _UNBOUNDED), "clipped": clipped_sum(model, losses, norm)}
    if noise is not None:
        seen["noised"] = _noised(build, model, losses, seen["clipped"], noise)
    seen["masked"] = masked_upload(build, seen["clipped"], norm)
    return seen


def clipped_sum(model: nn.Module, losses: Callable[[], Tensor], norm: float) -> Gradient:
    """Return the sum of the rows' gradients, each clipped to ``norm``."""
    engine = ClippingEngine(model)
    found = {
        parameter: (part.whole() if isinstance(part, OuterSum) else part).flatten()
        for parameter, part in engine.clip(losses, norm).sums
    }
    flat = [found.get(p, torch.zeros(p.numel(), dtype=p.dtype)) for p in engine.parameters]
    return torch.cat(flat).double().detach().numpy()


def _noised(
    build: Build, model: nn.Module, losses: Callable[[], Tensor], clipped: Gradient, noise: Noise
) -> Gradient:
    """Return what is left of an opened sum once all that others sent is taken off."""
    if noise.silo:
        return _after_a_step(build, model, losses, noise)
    secagg = noise.plan.secagg.model_copy(update={"vector_length": len(clipped) + 2})
    plan = noise.plan.model_copy(update={"secagg": secagg})
    nothing = LocalResult(np.zeros(len(clipped), np.float32))
    total = np.zeros(len(clipped))
    for client in range(plan.update.honest_survivors):
        result = LocalResult(clipped.astype(np.float32)) if client == 0 else nothing
        total += build.contribute(result, plan, build.source(), build.source())[: len(clipped)]
    return total / plan.update.scale


def _after_a_step(build: Build, model: nn.Module, losses: Callable[[], Tensor], noise: Noise) -> Gradient:
    parameters = [p for p in model.parameters() if p.requires_grad]
    before = [p.detach().clone() for p in parameters]
    divisor = 1.0
    build.trainer(
        model, clipping_norm=noise.clipping_norm, noise_multiplier=noise.multiplier, divisor=divisor,
        learning_rate=1.0, source=build.source(),
    ).step(losses)  # fmt: skip
    moved = torch.cat([(old - p.detach()).flatten() for old, p in zip(before, parameters, strict=True)])
    with torch.no_grad():
        for parameter, old in zip(parameters, before, strict=True):
            parameter.copy_(old)
    return moved.double().numpy() * divisor


def masked_upload(build: Build, clipped: Gradient, norm: float) -> Gradient:
    """Return the victim's upload as it arrives, read as if no mask were on it."""
    scale = 1 << 16
    vector = np.rint(clipped * (scale / max(norm, float(np.abs(clipped).max())))).astype(np.int32)
    words = Cohort(build, len(vector)).session(lost=1, first=vector).masked[0]
    return np.asarray(words.view(np.int32), np.float64) / scale
