"""Membership inference by the likelihood-ratio attack (LiRA; Carlini et al. 2022), person by person.

Many models are trained, each on a random half of the run's persons, without privacy and at the run's ε. Each is
attacked in turn with the others as shadows: was this person's stack of photos in its training? The log-odds of the
true labels of all photos together are compared with two Gaussians, of the shadows that had her and of those that
had not.

What counts is how many are found at few false alarms, not accuracy. The models are small networks of the run's
columns and about the demo's size, trained by the optimizer of this build to convergence: the attack needs dozens
of trainings, and overfitting is what membership shows by. The run's own model, trained briefly, leaks less.
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
from privacy.accounting.epsilon import tpr_at_fpr
from privacy.accounting.events import GaussianSum
from privacy.audit.attacks import bounds
from privacy.audit.attacks.curves import area, roc, tpr_at
from privacy.audit.attacks.registry import NotApplicable, attack
from privacy.audit.attacks.target import Progress, Target, ignore
from privacy.audit.conformance.build import Build, Trainer
from privacy.audit.evidence import AttackResult, Figures
from privacy.dpsgd.optimizer import PrivateTrainer
from privacy.randomness import SystemSource

MODELS, PERSONS, PHOTOS, HIDDEN = 64, 160, 4, 64
PLAIN_STEPS, PRIVATE_STEPS = 250, 60
_POOLED = 8  # side to which pictures are averaged
_BOOTSTRAPS = 200


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
class Membership:
    """Scores of an attack on many models, [models, persons], and the truth."""

    scores: NDArray[np.float64]
    members: NDArray[np.bool_]

    def tpr(self, fpr: float) -> float:
        """Return the true-positive rate at a false-positive rate, over all models."""
        return tpr_at(self.scores.ravel(), self.members.ravel(), fpr)

    def interval(self, fpr: float) -> tuple[float, float]:
        """Return a 95 % interval of :meth:`tpr` by bootstrap over persons: one person's scores hang together."""
        generator = np.random.Generator(np.random.PCG64(1))  # resampling; not a secret and not noise
        persons = self.scores.shape[1]
        found = []
        for _ in range(_BOOTSTRAPS):
            drawn = generator.integers(0, persons, persons)
            found.append(tpr_at(self.scores[:, drawn].ravel(), self.members[:, drawn].ravel(), fpr))
        return float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975))


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


def lira(signals: NDArray[np.float64], members: NDArray[np.bool_]) -> Membership:
    """Attack each model with all others as shadows; ``signals`` [models, persons, signals].

    Means are each person's own, with and without her; covariances are pooled over persons, since shadows are few.
    """
    inverses = [_inverse_covariance(signals, members), _inverse_covariance(signals, ~members)]
    scores = np.empty(members.shape)
    for index in range(len(signals)):
        others = np.arange(len(signals)) != index
        distances = []
        for chosen, inverse in zip((members[others], ~members[others]), inverses, strict=True):
            away = signals[index] - _mean(signals[others], chosen)
            distances.append(np.einsum("ps,st,pt->p", away, inverse, away))
        scores[index] = distances[1] - distances[0]
    return Membership(scores, members)


def _mean(signals: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean over the chosen models, [persons, signals]."""
    found: NDArray[np.float64] = np.einsum("mps,mp->ps", signals, chosen) / chosen.sum(axis=0)[:, None]
    return found


def _inverse_covariance(signals: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    residuals = (signals - _mean(signals, chosen))[chosen]
    covariance = residuals.T @ residuals / len(residuals)
    ridge = (
        1e-3 * np.trace(covariance) / len(covariance)
    )  # a signal that never changes must not divide by zero
    return np.asarray(np.linalg.inv(covariance + ridge * np.eye(len(covariance))))


@attack("membership", summary="who took part in the training, by LiRA, with and without privacy", seconds=40)
def membership(target: Target, progress: Progress) -> AttackResult:
    """Attack shadow models of the run's persons."""
    people = people_of(target)
    members = halves(MODELS, len(people.features))
    open_ = lira(train_all(people, members, plain, lambda done: progress(0.6 * done)), members)
    section = target.config.privacy
    closed = None
    if target.private:
        make = private(target.build, section.epsilon, section.delta)
        scores = train_all(people, members, make, lambda done: progress(0.6 + 0.4 * done))
        closed = lira(scores, members)
    return judge(target, open_, closed)


def judge(target: Target, open_: Membership, closed: Membership | None) -> AttackResult:
    """Return the result: the run's arm, beside the same attack without privacy."""
    mine = closed or open_
    section = target.config.privacy
    most = None
    if closed is not None:
        mu = bounds.mu_of_epsilon(section.epsilon, section.delta)
        most = tpr_at_fpr([GaussianSum(1 / mu)], 0.01)
    interval = mine.interval(0.01)
    passed = None if most is None else interval[0] <= most
    result: dict[str, float | tuple[float, ...] | None] = {
        "tpr_at_fpr_0.1_percent": mine.tpr(0.001),
        "tpr_at_fpr_1_percent": mine.tpr(0.01),
        "tpr_at_fpr_1_percent_interval": interval,
        "auc": area(mine.scores.ravel(), mine.members.ravel()),
        "tpr_at_fpr_1_percent_at_most": most,
        "without_privacy_tpr_at_fpr_0.1_percent": open_.tpr(0.001),
        "without_privacy_tpr_at_fpr_1_percent": open_.tpr(0.01),
        "without_privacy_auc": area(open_.scores.ravel(), open_.members.ravel()),
        "models": float(len(mine.scores)),
        "persons": float(mine.scores.shape[1]),
    }
    curves = {"without privacy": roc(open_.scores.ravel(), open_.members.ravel())}
    return AttackResult(
        attack="membership",
        title={"en": "Who took part: membership inference", "zh": "成员推断：谁参与了训练"},
        threat_model="Has the final model and the photos of a person; trains its own models on others like her.",
        question="Can the model tell whether a person's photos were in its training?",
        claim=target.claim,
        kind="estimate",
        method="LiRA (Carlini et al. 2022) by person, each model attacked with all others as shadows",
        result=result,
        confidence=0.95,
        power=f"without privacy the same attack finds {open_.tpr(0.01):.0%} at 1 % false alarms",
        passed=passed,
        figures=Figures(roc=roc(mine.scores.ravel(), mine.members.ravel()), rocs=curves),
        headline=f"{mine.tpr(0.01):.1%} found at 1 % false alarms ({open_.tpr(0.01):.0%} without privacy)"
        if closed
        else f"{open_.tpr(0.01):.0%} found at 1 % false alarms: nothing protects members",
        notes=(
            "Shadow models are small networks on the run's columns, trained to convergence.",
            "An attack finds less than the best attack would: that it finds nothing proves nothing alone.",
        ),
    )
