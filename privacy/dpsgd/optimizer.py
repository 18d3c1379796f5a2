"""DP-SGD over persons: clip, add exact noise, divide by a public number, step.

Guarantees, for one call of :meth:`PrivateTrainer.step` on a Poisson batch (or of ``step_empty`` on an empty
one), given C1 to C3 (:mod:`privacy.dpsgd.clipping`) and N1 (:mod:`privacy.dpsgd.noise`):

T1. The new weights are a function of the old weights and of ``sum_r c_r g_r + N(0, (sigma C)^2 I)``: a
    Gaussian mechanism with noise multiplier sigma for adding or removing one record. The standard
    deviation is :data:`MARGIN` larger than sigma C; that pays for the rounding of the clipped sum in
    floating point.
T2. The divisor, the number of steps and the noise do not depend on the number of records, in the dataset or in
    the batch. An empty batch takes the same noise.
T3. Every trained parameter gets noise in every step, used or not.
T4. :class:`StepReport` is outside of the guarantee: its figures are exact and private, and must not leave the
    device.

Momentum and weight decay read only what is already released (post-processing).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from mien.errors import ConfigError
from privacy.dpsgd.clipping import ClippingEngine, row_weights
from privacy.dpsgd.noise import GridGaussian
from privacy.dpsgd.update import NoisyUpdate
from privacy.randomness import RandomSource

MARGIN = 2.0**-11
"""Relative surplus of the noise: clipped float32 sums of up to 4096 records err by less than C / 4096."""


@dataclasses.dataclass(frozen=True)
class StepReport:
    """Diagnostics of one step. NOT private: computed from the batch without noise; keep it on the device."""

    records: int
    """Size of the batch."""
    clipped_fraction: float
    """Share of the records whose gradient was longer than the clipping norm; 0 for an empty batch."""
    non_finite: int
    """Records that were replaced by zero because a loss or a gradient was not finite."""
    mean_loss: float
    """Mean over the finite records; NaN where there is none."""


class PrivateTrainer:
    """SGD on ``model`` by record-level private steps; ``clipping_norm=None`` gives plain SGD instead.

    ``clipping_norm``: C, the L2 bound of one record's gradient. ``noise_multiplier``: sigma. ``divisor``: the
    public number that the noisy sum is divided by, usually rate * expected records. ``stack``: rows a record
    has. ``source``: where the noise comes from. Parameters must be contiguous float tensors on the CPU.

    Raises ConfigError for numbers out of range and for noise without a clipping norm, PrivacyError for a model
    that cannot be clipped by record.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        clipping_norm: float | None,
        noise_multiplier: float,
        divisor: float,
        learning_rate: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        source: RandomSource,
        stack: int = 1,
        autotune: bool = False,
    ) -> None:
        _check("divisor", divisor, divisor > 0)
        _check("learning_rate", learning_rate, learning_rate > 0)
        _check("momentum", momentum, 0 <= momentum < 1)
        _check("weight_decay", weight_decay, weight_decay >= 0)
        _check("noise_multiplier", noise_multiplier, noise_multiplier >= 0)
        _check("stack", stack, stack >= 1)
        noise = None
        if clipping_norm is not None:
            _check("clipping_norm", clipping_norm, clipping_norm > 0)
            if noise_multiplier > 0:
                noise = GridGaussian(noise_multiplier * clipping_norm * (1 + MARGIN), source)
        elif noise_multiplier > 0:
            raise ConfigError(
                "private step: noise without a clipping norm protects nothing; set clipping_norm"
            )
        self.model = model
        self.clipping_norm = clipping_norm
        self._stack = stack
        self._engine = (
            None if clipping_norm is None else ClippingEngine(model, stack=stack, autotune=autotune)
        )
        self._update = NoisyUpdate(
            [p for p in model.parameters() if p.requires_grad],
            noise,
            divisor=divisor,
            learning_rate=learning_rate,
            momentum=momentum,
            weight_decay=weight_decay,
        )

    def step(self, losses: Callable[[], Tensor], weights: Tensor | None = None) -> StepReport:
        """Take one step on a batch of at least one record.

        ``losses()`` runs the model on [records * stack, ...] rows, record after record, and returns the loss of
        each row, [records * stack]. ``weights`` (the same shape) is 0 for padding rows; a record's loss is the
        weighted mean over its rows. Raises PrivacyError where per-record gradients cannot be had.
        """
        if self._engine is None or self.clipping_norm is None:
            return self._plain_step(losses, weights)
        clipped = self._engine.clip(losses, self.clipping_norm, weights)
        records, dropped = len(clipped.norms), clipped.non_finite
        largest = records * self.clipping_norm
        if clipped.joint is not None:
            self._update.apply_jointly(clipped.joint, largest)
        else:
            self._update.apply(clipped.sums, largest)
        kept = clipped.mean_losses[np.isfinite(clipped.norms)] if dropped else clipped.mean_losses
        return StepReport(
            records=records,
            clipped_fraction=int(np.count_nonzero(clipped.norms > self.clipping_norm)) / records,
            non_finite=dropped,
            mean_loss=float(kept.sum()) / len(kept) if len(kept) else math.nan,
        )

    def step_empty(self) -> StepReport:
        """Take the step of an empty batch: noise alone, as T2 demands."""
        self._update.apply((), largest=0.0)
        return StepReport(records=0, clipped_fraction=0.0, non_finite=0, mean_loss=math.nan)

    def _plain_step(self, losses: Callable[[], Tensor], weights: Tensor | None) -> StepReport:
        """Step without privacy; a batch with a gradient that is not finite is skipped."""
        parameters = self._update.parameters
        for parameter in parameters:
            parameter.grad = None
        rows = losses()
        share = row_weights(rows, weights, self._stack)
        torch.autograd.backward([rows], [share])
        grads = [(p, p.grad) for p in parameters if p.grad is not None]
        records = len(rows) // self._stack
        means = (rows.detach() * share).view(records, -1).sum(1)
        bad = int((~torch.isfinite(means)).sum())
        if all(bool(torch.isfinite(grad).all()) for _, grad in grads):
            self._update.apply(grads, largest=0.0)
        else:
            bad = max(bad, 1)
        for parameter in parameters:
            parameter.grad = None
        return StepReport(records, 0.0, bad, float(means[torch.isfinite(means)].mean()))


def _check(name: str, value: float, valid: bool) -> None:
    if not (valid and math.isfinite(value)):
        raise ConfigError(f"private training: {name} is out of range: {value!r}")
