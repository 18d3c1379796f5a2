"""One run with many canaries: real DP-SGD training of the run's own model, audited while it trains.

Beside the persons, each step sees up to 2,000 canaries: records whose gradient is C in a parameter of their own.
A coin for each decides whether it takes part in the training. Afterwards the attacker guesses the coins of those
parameters that moved most and least, as many as was decided before from the claim alone.

Two lower bounds come of one run, without retraining and without assuming that the guesses are independent:
Steinke, Nasr and Jagielski, 2023, for (ε, δ), and Mahloujifar, Melis and Chaudhuri, 2024, for the whole
trade-off curve. Both are far below the truth by construction: they show that leakage is below the claim. A third
test takes the guesses for independent, which they are under the claimed noise, and finds faults.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.inputs import to_inputs
from models.losses import masked_binary_cross_entropy
from models.network import Network
from models.registry import build as build_model
from privacy.audit.attacks import bounds
from privacy.audit.attacks.curves import roc
from privacy.audit.attacks.registry import NotApplicable, attack
from privacy.audit.attacks.target import Progress, Target, ignore
from privacy.audit.conformance.build import Build
from privacy.audit.evidence import AttackResult, Claim, Figures
from privacy.randomness import SystemSource

CANARIES, STEPS, PERSONS = 2000, 10, 96
CONFIDENCE = 0.95
DELTA = 1e-5
"""Where Steinke's bound is stated: at larger δ it says nothing for so many canaries."""
_NORM, _HUGE = 1.0, 1e3


@dataclasses.dataclass(frozen=True)
class Trained:
    """What a training with canaries left."""

    scores: NDArray[np.float64]
    """How far each canary's parameter moved its way, over C·steps, [canaries]."""
    members: NDArray[np.bool_]
    loss: float
    """Mean loss of the persons after training; NaN without persons."""


class WithCanaries(nn.Module):
    """A network with a table of one parameter for each canary beside it."""

    def __init__(self, network: Network, canaries: int) -> None:
        super().__init__()
        self.network = network
        self.canaries = nn.Embedding(canaries + 1, 1)  # row 0 is for persons, whose loss does not touch it
        nn.init.zeros_(self.canaries.weight)

    def forward(self, inputs: Mapping[str, Tensor], numbers: Tensor, labels: Tensor) -> Tensor:
        """Return one loss a row: a person's own, or the canary's pull at its parameter."""
        persons = masked_binary_cross_entropy(self.network(inputs), labels)
        pull = _HUGE * self.canaries(numbers).view(-1)
        return torch.where(numbers == 0, persons, pull)


def train(
    build: Build,
    network: Network,
    columns: Mapping[str, NDArray[np.generic]],
    labels: NDArray[np.int8],
    mu: float,
    *,
    canaries: int,
    steps: int,
    progress: Progress = ignore,
) -> Trained:
    """Train ``network`` by DP-SGD on the persons (one row each) and the canaries whose coin says so.

    Everybody takes part in every step, so that the whole training is μ-Gaussian for ``mu`` =
    √steps / noise multiplier.
    """
    coins = (np.frombuffer(SystemSource().bytes(canaries), np.uint8) & 1) == 1
    chosen = np.flatnonzero(coins) + 1
    persons = len(labels)
    numbers = torch.from_numpy(np.concatenate((np.zeros(persons, np.int64), chosen)))
    inputs = {name: _padded(column, len(chosen)) for name, column in to_inputs(columns).items()}
    all_labels = _padded(torch.from_numpy(labels), len(chosen))
    model = WithCanaries(network, canaries).train()
    trainer = build.trainer(
        model, clipping_norm=_NORM, noise_multiplier=math.sqrt(steps) / mu, divisor=float(persons + canaries),
        learning_rate=1.0, source=build.source(),
    )  # fmt: skip
    for step in range(steps):
        trainer.step(lambda: model(inputs, numbers, all_labels))
        progress(step / steps)
    moved = model.canaries.weight.detach()[1:, 0].double().numpy()
    with torch.no_grad():
        loss = float(model(inputs, numbers, all_labels)[:persons].mean())
    return Trained(-moved * (persons + canaries) / (_NORM * steps), coins, loss)


def _padded(column: Tensor, rows: int) -> Tensor:
    return torch.cat((column, torch.zeros(rows, *column.shape[1:], dtype=column.dtype)))


@functools.lru_cache(maxsize=16)
def guesses_for(mu: float, canaries: int, alpha: float, trials: int = 12) -> tuple[int, int]:
    """Return how many guesses are best for Steinke's and for the curve's bound, by simulation of the claim."""
    generator = np.random.Generator(np.random.PCG64(7))  # plans an attack; not a secret and not noise
    choices = [max(10, int(canaries * part)) for part in (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)]
    found = np.zeros((2, len(choices)))
    for _ in range(trials):
        coins = generator.random(canaries) < 0.5
        scores = mu * coins + generator.standard_normal(canaries)
        for place, guesses in enumerate(choices):
            right = count_right(scores, coins, guesses)
            found[0, place] += bounds.steinke_epsilon(canaries, guesses, right, DELTA, alpha)
            found[1, place] += bounds.gaussian_one_run_mu(canaries, guesses, right, alpha)
    return choices[int(found[0].argmax())], choices[int(found[1].argmax())]


def count_right(scores: NDArray[np.float64], members: NDArray[np.bool_], guesses: int) -> int:
    """Return how many of ``guesses`` are right: the highest half is called in, the lowest half out."""
    order = np.argsort(scores)
    low, high = guesses // 2, guesses - guesses // 2
    return int(members[order[len(order) - high :]].sum() + (~members[order[:low]]).sum())


def judge(trained: Trained, mu: float) -> AttackResult:
    """Return the bounds of three tests; each has a third of the error probability.

    The third guesses at every canary and takes the guesses for independent, as they are under the claimed noise.
    It is what refutes the claim of a build with far too little noise; as a bound of ε it needs that assumption.
    """
    alpha = (1 - CONFIDENCE) / 3
    canaries = len(trained.scores)
    few, many = guesses_for(round(mu, 6), canaries, alpha)
    right = {n: count_right(trained.scores, trained.members, n) for n in (few, many)}
    steinke = bounds.steinke_epsilon(canaries, few, right[few], DELTA, alpha)
    curve = bounds.epsilon_of_mu(bounds.gaussian_one_run_mu(canaries, many, right[many], alpha), DELTA)
    correct = int(((trained.scores > 0.5) == trained.members).sum())
    independent = bounds.epsilon_of_mu(bounds.mu_from_accuracy(correct, canaries, alpha), DELTA)
    claimed, best = bounds.epsilon_of_mu(mu, DELTA), max(steinke, curve)
    passed = max(best, independent) <= claimed
    outcome = "the claim stands" if passed else "THE CLAIM IS REFUTED"
    return AttackResult(
        attack="canaries",
        title={"en": "Canaries in one training", "zh": "单次训练中的金丝雀"},
        threat_model="Sees every released model; chose the canaries' gradients; knows everything but their coins.",
        question="How well can someone who planted worst-case records tell which of them were trained on?",
        claim=Claim(epsilon=claimed, delta=DELTA),
        kind="lower bound",
        method="one training run; Steinke et al. 2023, and the trade-off curve of Mahloujifar et al. 2024",
        result={
            "epsilon_lower": best,
            "epsilon_lower_steinke": steinke,
            "epsilon_lower_curve": curve,
            "ratio_to_claim": best / claimed,
            "epsilon_lower_if_independent": independent,
            "mu_claimed": mu,
            "canaries": canaries,
            "guesses_steinke": few,
            "guesses_curve": many,
            "loss_of_persons": trained.loss if math.isfinite(trained.loss) else None,
        },
        confidence=CONFIDENCE,
        tests=3,
        power="shows that leakage is below the claim; finds 20 % less noise at ε = 8 with 99 %",
        passed=passed,
        figures=Figures(roc=roc(trained.scores, trained.members)),
        headline=f"ε ≥ {best:.2f} shown in one run, {claimed:.2f} claimed at δ = {DELTA:g}: {outcome}",
    )


@attack("canaries", summary="worst-case records planted in one real private training", seconds=25)
def canaries(target: Target, progress: Progress) -> AttackResult:
    """Train the run's model on the run's persons, with canaries, at the run's ε."""
    if not target.private:
        raise NotApplicable("the run promises no differential privacy, so there is no claim to refute")
    section, options = target.config.privacy, target.config.model
    mu = bounds.mu_of_epsilon(section.epsilon, section.delta)
    network = build_model(options.name, seed=target.config.seed, **options.options)
    rows = one_photo_each(target)[:PERSONS]
    table = target.federation.table
    columns = {name: column[rows] for name, column in table.columns(network.inputs).items()}
    labels = np.stack([table.label(name)[rows] for name in network.outputs], axis=1)
    trained = train(
        target.build, network, columns, labels, mu, canaries=CANARIES, steps=STEPS, progress=progress
    )
    return judge(trained, mu)


def one_photo_each(target: Target) -> NDArray[np.int64]:
    """Return the first row of every person that the clients have."""
    table = target.federation.table
    mine = np.concatenate(target.federation.clients)
    own = {int(person): int(row) for row, person in zip(mine[::-1], table.persons[mine[::-1]], strict=True)}
    return np.array(sorted(own.values()), np.int64)
