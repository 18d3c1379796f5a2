"""What a device computes for a round: one vector, from its own photos and the global model.

``distributed``: the clipped gradient sum of a Poisson sample of its persons. ``silo``: the change after some
steps of DP-SGD. ``device`` and ``none``: the change after some plain steps. Whatever the way, the result is a
vector whose norm the caller bounds, and no figure about the training leaves beside it.

A1. Augmentation leaves a person one record. Each row's changes are drawn independently of all other rows and of
    all data, from a generator that the device's own source seeds; for any fixed draws a person's gradient depends
    on that person's photos alone and is clipped as ever, and the bound for fixed draws holds for their mixture
    (joint convexity). Photos of a person that look different are still one stack, clipped once.
A2. Label smoothing and class weights are constants of the plan: they change the loss before it is clipped.
A3. The proximal term is part of the local loss, but of no record's: its gradient µ (w − w_global) reads the weights
    alone, which each private step has already made safe to release. So it is added beside the clipped and noised
    gradient (post-processing), takes no room within the clipping norm, and costs nothing.
A4. Parameters that are not in ``layout`` are trained as the others are. In mode ``silo`` they are clipped and
    noised together with them, so the accounting covers them as if they left; in mode ``device`` whatever is
    computed from the one person is clipped as a whole. Mode ``distributed`` refuses them: its noise
    comes only with the sum.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from client.data import Persons, Stack
from client.losses import losses_of_rows
from client.proximal import Proximal
from faces.sample import FaceTable
from mien.errors import ProtocolError
from models.augmentation import augment
from models.inputs import to_inputs
from models.network import Network
from models.weights import ParameterLayout, from_vector, to_vector
from privacy.contribution import LocalResult
from privacy.dpsgd.clipping import ClippingEngine
from privacy.dpsgd.optimizer import PrivateTrainer
from privacy.dpsgd.sampling import poisson_batches
from privacy.plan import RoundPlan
from privacy.randomness import RandomSource

Vector = NDArray[np.float32]


class LocalTraining:
    """A model, a device's rows, and the settings of one plan.

    ``layout`` names the parameters that are shared; others are trained too, and stay in ``model``. ``margin`` is
    that of the aligned faces. Raises ProtocolError where the plan weighs other outputs than the model has.
    """

    def __init__(
        self,
        model: Network,
        layout: ParameterLayout,
        table: FaceTable,
        plan: RoundPlan,
        source: RandomSource,
        *,
        margin: float = 0.0,
    ) -> None:
        self._model, self._layout, self._margin = model, layout, margin
        self._settings, self._mode, self._source = plan.training, plan.mode, source
        self._unit = plan.update.unit
        self._columns = table.columns(model.inputs)
        self._persons = Persons(table, plan.training.photos_per_record)
        self._labels = torch.from_numpy(np.stack([table.label(name) for name in model.outputs], axis=1))
        self._positive_weights = _positive_weights(plan, model)
        self._draws = torch.Generator()
        if plan.training.augmentation:
            self._draws.manual_seed(int(source.uint64(1)[0] >> np.uint64(1)))

    def run(self, weights: Vector) -> LocalResult:
        """Train from the global ``weights`` (float32 [P]) and return what this device contributes."""
        from_vector(self._model, self._layout, weights)
        self._model.train()
        if self._mode == "distributed":
            return self._clipped_sum()
        loss_sum, loss_count = self._steps()
        update = to_vector(self._model, self._layout)
        update -= weights
        if self._mode != "none":
            return LocalResult(update)
        return LocalResult(update, len(self._persons), loss_sum, loss_count)

    def _clipped_sum(self) -> LocalResult:
        """Return −Σ clipped gradients over one Poisson sample, and how many were clipped; it may be empty."""
        settings, result = self._settings, np.zeros(self._layout.length, np.float32)
        if settings.clipping_norm is None:
            raise ValueError("a distributed plan without a clipping norm")
        (chosen,) = poisson_batches(len(self._persons), settings.sampling_rate, 1, self._source)
        if len(chosen) == 0:
            return LocalResult(result)
        stack = self._persons.stack(chosen, self._source)
        engine = ClippingEngine(self._model, stack=settings.photos_per_record)
        bound = settings.clipping_norm * self._unit
        clipped = engine.clip(self._losses(stack), bound, weights=_flat(stack))
        names = {parameter: name for name, parameter in self._model.named_parameters()}
        views = self._layout.views(result)
        for parameter, gradient in clipped.sums:
            whole = gradient if isinstance(gradient, Tensor) else gradient.whole()
            np.negative(whole.detach().numpy().reshape(parameter.shape), out=views[names[parameter]])
        within = int(np.count_nonzero(clipped.norms <= bound))  # what is not finite counts as beyond
        return LocalResult(result, within=within, beyond=len(chosen) - within)

    def _steps(self) -> tuple[float, int]:
        """Take the plan's local steps; return the sum of the records' losses and how many there were.

        Where nothing is promised a step's sum is divided by this client's own expected number of persons, as FedAvg
        has it; else by the plan's public number, which tells nothing of the client.
        """
        settings = self._settings
        own = max(1, len(self._persons)) * settings.sampling_rate
        trainer = PrivateTrainer(
            self._model,
            clipping_norm=settings.clipping_norm,
            noise_multiplier=settings.noise_multiplier,
            divisor=own if self._mode == "none" else settings.divisor,
            learning_rate=settings.learning_rate,
            momentum=settings.momentum,
            source=self._source,
            stack=settings.photos_per_record,
        )
        shared = dict(self._model.named_parameters())
        proximal = Proximal(
            [shared[name] for name in self._layout.names], settings.learning_rate, settings.proximal
        )
        total, count = 0.0, 0
        for chosen in poisson_batches(
            len(self._persons), settings.sampling_rate, settings.steps, self._source
        ):
            if len(chosen) == 0:
                with proximal.around_step():
                    trainer.step_empty()
                continue
            stack = self._persons.stack(chosen, self._source)
            with proximal.around_step():
                report = trainer.step(self._losses(stack), weights=_flat(stack))
            finite = report.records - report.non_finite
            total, count = total + (report.mean_loss * finite if finite else math.nan), count + len(chosen)
        return total, count

    def _losses(self, stack: Stack) -> Callable[[], Tensor]:
        """Return a function that runs the model on the rows of a stack and gives one loss for each."""
        rows = stack.rows.reshape(-1)
        inputs = to_inputs({name: column[rows] for name, column in self._columns.items()})
        inputs = augment(inputs, self._settings.augmentation, self._draws, margin=self._margin)
        return losses_of_rows(
            self._model,
            inputs,
            self._labels[torch.from_numpy(rows)],
            self._positive_weights,
            self._settings.label_smoothing,
        )


def _positive_weights(plan: RoundPlan, model: Network) -> Tensor | None:
    weights = plan.training.positive_weights
    if not weights:
        return None
    if len(weights) != len(model.outputs):
        raise ProtocolError(
            f"plan of round {plan.round}: it weighs {len(weights)} outputs, the model {plan.model} has "
            f"{len(model.outputs)}"
        )
    return torch.tensor(weights)


def _flat(stack: Stack) -> Tensor:
    return torch.from_numpy(stack.weights.reshape(-1))
