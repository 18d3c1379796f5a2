"""What adaptive clipping is worth: the AUC on unseen persons where the clipping norm was guessed right, and wrong.

    python benchmarks/adaptive_clipping.py [--quick] [--json FILE] [--check]

Real faces are needed (MIEN_REAL_FACES or ../shared/data, celeba-faces). The recipe is ``configs/private.toml`` with
five clients: the real plans, local training, votes, shares of noise, opened sums and server optimizer, without the
masks, which change no number. Each row trains it from one clipping norm, fixed or adaptive; nothing else differs,
and all spend ε = 8. --quick trains from three norms, once each; else from five, three times.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from _table import Row, at_least, main
from preparation import real_faces

from client.training import LocalTraining
from configs.load import load_config
from configs.schema import RunConfig
from faces.federation import Federation, federate
from models.registry import build
from models.weights import from_vector, layout_of, to_vector
from privacy.contribution import contribute, read_sum
from privacy.randomness import SystemSource
from server.clipping_norm import ClippingNorm
from server.evaluation import evaluate
from server.optimizer import server_optimizer
from server.planning import Planner

STARTS = (0.002, 0.02, 0.2, 2.0, 20.0)
TUNED = 0.2
CLIENTS = 5


@dataclass(frozen=True)
class Outcome:
    """One training: the mean AUC over the attributes, and where the clipping norm ended."""

    auc: float
    norm: float


def config_for(start: float, adaptive: bool, faces: str) -> RunConfig:
    """Return the private recipe with five clients and one clipping norm to begin with."""
    return load_config(
        "private",
        [
            f'data.source="celeba={faces}"',
            f"clients.count={CLIENTS}",
            f"rounds.cohort={CLIENTS}",
            f"rounds.min_survivors={CLIENTS}",
            "training.persons_per_client=112.0",
            "privacy.collusion=0.0",
            f"privacy.clipping_norm={start}",
            f"privacy.update_clipping_norm={130 * start}",
            f"privacy.adaptive.enabled={str(adaptive).lower()}",
        ],
    )


def train(config: RunConfig, federation: Federation) -> Outcome:
    """Run the rounds of ``config`` on its five clients, as the coordinator does, norms a round late included."""
    model = build(config.model.name, seed=config.seed, **config.model.options)
    layout, source = layout_of(model), SystemSource()
    weights = to_vector(model, layout)
    optimizer = server_optimizer(config.training, layout.length)
    planner, norm = Planner(config, "benchmark", layout.length), ClippingNorm(config.privacy)
    names = tuple(f"c{number}" for number in range(CLIENTS))
    tables = [federation.client(number) for number in range(CLIENTS)]
    plan = planner.plan(1, names, norm.value)
    for number in range(1, config.rounds.count + 1):
        following = planner.plan(number + 1, names, norm.value)  # drawn up before this round is opened
        total = np.zeros(plan.secagg.vector_length, np.int64)
        for table in tables:
            result = LocalTraining(model, layout, table, plan, source).run(weights)
            total += contribute(result, plan, source, source)
        read = read_sum(total, CLIENTS, plan)
        weights = optimizer.step(weights, read.step)
        norm.take(read.share_within)
        plan = following
    from_vector(model, layout, weights)
    areas = [area for area in evaluate(model, federation.evaluation()).auc.values() if area is not None]
    return Outcome(float(np.mean(areas)), norm.value)


def row_of(start: float, adaptive: bool, outcomes: Sequence[Outcome]) -> Row:
    """Return the mean of some trainings as a row; adaptive ones have a goal wherever they start."""
    value = float(np.mean([each.auc for each in outcomes]))
    if not adaptive:
        return Row(f"norm {start:g}, fixed", value, "mean AUC", note="tuned" if start == TUNED else "")
    note = "ends at " + ", ".join(f"{each.norm:.2g}" for each in outcomes)
    return at_least(f"norm from {start:g}, adaptive", value, "mean AUC", 0.75, note)


def measure(quick: bool) -> list[Row]:
    """Train from every norm, fixed and adaptive."""
    torch.set_num_threads(1)
    faces = real_faces()
    if faces is None:
        sys.exit(
            "real faces are not on this machine: set MIEN_REAL_FACES to a folder with celeba-faces/ in it"
        )
    rows = []
    for adaptive in (False, True):
        for start in STARTS[::2] if quick else STARTS:
            config = config_for(start, adaptive, str(faces))
            federation = federate(config.data, config.clients, config.seed)
            outcomes = [train(config, federation) for _ in range(1 if quick else 3)]
            rows.append(row_of(start, adaptive, outcomes))
            print(rows[-1], file=sys.stderr, flush=True)
    return rows


if __name__ == "__main__":
    main("Adaptive clipping: mean AUC at ε = 8, δ = 1e-4, 560 persons", measure)
