"""Shadow models: many small networks, each trained on a random half of the run's persons.

Attacks on membership compare the model that they attack with models that had a person and models that had not
(:mod:`membership` by LiRA, :mod:`rmia`). The models are of the run's columns and about the demo's size, trained by
the optimizer of this build to convergence, without privacy and at the run's ε. They are trained once for all
attacks of an audit.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.inputs import PICTURES, to_inputs
from models.losses import masked_binary_cross_entropy
from models.registry import spec
from privacy.audit.attacks import bounds
from privacy.audit.attacks.registry import NotApplicable
from privacy.audit.attacks.target import Progress, Target, ignore
from privacy.audit.conformance.build import Build, Trainer
from privacy.dpsgd.optimizer import PrivateTrainer
from privacy.randomness import SystemSource

MODELS, PERSONS, PHOTOS, HIDDEN = 64, 160, 4, 64
PLAIN_STEPS, PRIVATE_STEPS = 250, 60
_POOLED = 8  # side to which pictures are averaged


MakeTrainer = Callable[[nn.Module], tuple[Trainer, int]]
"""Takes a shadow model, returns its optimizer and the number of its steps."""


@dataclasses.dataclass(frozen=True)
class People:
    """Persons with as many photos each, as a network's rows."""

    features: Tensor
    """float32 [persons, photos, features]"""
    labels: Tensor
    """int8 [persons, photos, attributes]"""


@dataclasses.dataclass(frozen=True)
class Shadows:
    """What all shadow models say of all persons."""

    members: NDArray[np.bool_]
    """[models, persons]: who trained which."""
    plain: NDArray[np.float64]
    """Signals of the models without privacy, [models, persons, signals]."""
    private: NDArray[np.float64] | None
    """The same at the run's ε; None where the run promises no differential privacy."""


def shadows_of(target: Target, progress: Progress = ignore) -> Shadows:
    """Return the shadow models of a run; asked again, those that are there."""
    return target.once("shadow models", lambda: _train_shadows(target, progress))


def _train_shadows(target: Target, progress: Progress) -> Shadows:
    people = people_of(target)
    members = halves(MODELS, len(people.features))
    open_ = train_all(people, members, plain, lambda done: progress(0.6 * done))
    if not target.private:
        return Shadows(members, open_, None)
    make = private(target.build, target.config.privacy.epsilon, target.config.privacy.delta)
    closed = train_all(people, members, make, lambda done: progress(0.6 + 0.4 * done))
    return Shadows(members, open_, closed)


def people_of(target: Target) -> People:
    """Return the run's persons with ``PHOTOS`` photos each, repeated where they have fewer."""
    table, names = target.federation.table, spec(target.config.model.name)
    if not set(target.config.model.attributes) <= set(table.attributes):
        raise NotApplicable("the run's rows have no attributes of faces to train shadow models on")
    columns = [name for name in names.inputs if getattr(table, name, None) is not None]
    rows = np.stack(
        [np.resize(table.rows_of_person(int(p)), PHOTOS) for p in table.persons_present()[:PERSONS]]
    )
    flat = rows.ravel()
    inputs = to_inputs({name: table.columns([name])[name][flat] for name in columns})
    parts = [
        functional.adaptive_avg_pool2d(values, _POOLED).flatten(1) if name in PICTURES else values
        for name, values in inputs.items()
    ]
    features = torch.cat(parts, dim=1)
    features = (features - features.mean(0)) / (features.std(0) + 1e-3)
    labels = np.stack([table.label(name)[flat] for name in target.config.model.attributes], axis=1)
    return People(
        features.reshape(*rows.shape, -1), torch.from_numpy(labels.astype(np.int8)).reshape(*rows.shape, -1)
    )


def halves(models: int, persons: int) -> NDArray[np.bool_]:
    """Return who trains which model, [models, persons]: each person trains exactly half of the models."""
    generator = np.random.Generator(np.random.PCG64(2))  # the auditor's own experiment; not a secret
    order = generator.random((models, persons)).argsort(axis=0)
    chosen: NDArray[np.bool_] = order < models // 2
    return chosen


def train_all(
    people: People,
    members: NDArray[np.bool_],
    make: MakeTrainer,
    progress: Progress = ignore,
) -> NDArray[np.float64]:
    """Return each person's signals under each model, [models, persons, signals]."""
    signals = []
    for index, own in enumerate(members):
        model = _network(people, index)
        trainer, steps = make(model)
        features, labels = (
            part[torch.from_numpy(own)].flatten(0, 1) for part in (people.features, people.labels)
        )
        for _ in range(steps):
            trainer.step(lambda: masked_binary_cross_entropy(model(features), labels))  # noqa: B023  # used at once
        signals.append(_log_odds(model, people))
        progress((index + 1) / len(members))
    return np.stack(signals)


def _network(people: People, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # first weights of a shadow model; not a secret and not noise
        size, outputs = people.features.shape[-1], people.labels.shape[-1]
        return nn.Sequential(nn.Linear(size, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs))


@torch.no_grad()
def _log_odds(model: nn.Module, people: People) -> NDArray[np.float64]:
    """Return the log-odds of the true label of each photo and attribute, 0 where unknown, [persons, signals]."""
    logits = model(people.features)
    signed = torch.where(people.labels > 0, logits, -logits) * (people.labels >= 0)
    return np.asarray(signed.flatten(1).double().numpy())


def plain(model: nn.Module) -> tuple[Trainer, int]:
    """Return an optimizer without privacy, and its steps."""
    return PrivateTrainer(
        model, clipping_norm=None, noise_multiplier=0.0, divisor=1.0, learning_rate=0.2 / (PERSONS / 2),
        momentum=0.9, source=SystemSource(), stack=PHOTOS,
    ), PLAIN_STEPS  # fmt: skip


def private(build: Build, epsilon: float, delta: float) -> MakeTrainer:
    """Return a maker of private optimizers whose whole training costs ``epsilon``, everybody in every step."""
    sigma = math.sqrt(PRIVATE_STEPS) / bounds.mu_of_epsilon(epsilon, delta)

    def make(model: nn.Module) -> tuple[Trainer, int]:
        trainer = build.trainer(
            model, clipping_norm=1.0, noise_multiplier=sigma, divisor=PERSONS / 2, learning_rate=0.3,
            source=build.source(), stack=PHOTOS,
        )  # fmt: skip
        return trainer, PRIVATE_STEPS

    return make
