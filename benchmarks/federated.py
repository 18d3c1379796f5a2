"""Federated optimisation on real faces: five optimizers, four ways to spread the same persons, one central run.

    python benchmarks/federated.py [--quick] [--json FILE] [--check]

Real faces are needed (MIEN_REAL_FACES or ../shared/data, celeba-faces). Forty attributes of CelebA; a fifth of
the persons is never trained on, and the mean AUC on them is what is compared, with the 95 % interval of a bootstrap
that draws whole persons. Rounds are those of privacy mode ``none``: the same plans, local training, encoding and
decoding as in a run; only the masks are left out, which cancel in the sum to the bit.

Every run sees about as many photos as every other, the central one too. Each optimizer's server learning rate is
the best of three after a fifth of the rounds, on a quarter of the *training* persons, under α = 1; so all have the
same budget of tuning, and the persons of the result choose nothing. One thread, more than an hour of CPU time;
``--quick`` trains a narrower network for fewer rounds with the middle rates, and has no goals.
"""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from _table import Row, at_least, main
from attributes import mean_auc
from numpy.typing import NDArray
from preparation import real_faces

from client.training import LocalTraining
from configs.load import parse_config
from configs.schema import Data, RunConfig
from faces.federation import prepare_table
from faces.partition import partition
from faces.sample import FaceTable
from faces.split import split_by_person
from models.augmentation import augment
from models.inputs import to_inputs
from models.losses import masked_binary_cross_entropy
from models.metrics import auc
from models.network import Network
from models.registry import build
from models.weights import from_vector, layout_of, to_vector
from privacy.contribution import contribute, read_sum
from privacy.randomness import TestOnlySource
from server.cohort import CohortSelector
from server.evaluation import evaluate
from server.optimizer import server_optimizer
from server.planning import Planner
from server.schedule import server_share

MARGIN = 0.25
PIECES = ("flip", "crop", "brightness")
SKEWED = "Male"  # a person's own and near half: what a Dirichlet share of it leaves out, a client never sees
CLIENTS = 70
OPTIMIZERS: dict[str, tuple[dict[str, Any], tuple[float, float, float]]] = {
    "FedAvg": ({"server_optimizer": "sgd"}, (0.5, 1.0, 2.0)),
    "FedProx, µ = 0.1": ({"server_optimizer": "sgd", "proximal": 0.1}, (0.5, 1.0, 2.0)),
    "FedAvgM": ({"server_optimizer": "momentum"}, (0.1, 0.3, 1.0)),
    "FedAdam": ({"server_optimizer": "adam"}, (0.003, 0.01, 0.03)),
    "FedYogi": ({"server_optimizer": "yogi"}, (0.003, 0.01, 0.03)),
}
"""Settings of [training], and the server's learning rates to choose from."""
SPREADS: dict[str, dict[str, Any]] = {
    "α = 0.1": {"partition": "dirichlet", "alpha": 0.1},
    "α = 1": {"partition": "dirichlet", "alpha": 1.0},
    "α = ∞": {"partition": "dirichlet", "alpha": "inf"},
    "a client is a person": {"partition": "person"},
}
TUNED_ON = "α = 1"
FOR_SPREADS = ("FedAvg", "FedAdam")


@dataclass(frozen=True)
class Size:
    """How much is trained; photos seen are rounds × cohort × steps × photos of a client's step."""

    width: int
    rounds: int
    cohort: int = 10
    steps: int = 4
    photos: int = 4
    """Of a person, in one step of a client with several persons."""


FULL, QUICK = Size(width=24, rounds=150), Size(width=8, rounds=24, cohort=8, steps=3)


@dataclass(frozen=True)
class Trained:
    """A model and how many photos its training looked at."""

    model: Network
    photos: int


def config_of(size: Size, spread: str, optimizer: str, rate: float, persons: int) -> RunConfig:
    """Return the config of one run; clients of one person take four times the photos of that person."""
    alone = SPREADS[spread]["partition"] == "person"
    clients = persons if alone else CLIENTS
    expected = persons / clients
    return parse_config(
        {
            "clients": {**SPREADS[spread], "count": clients, "attribute": SKEWED},
            "model": {"name": "multi_attribute", "options": {"width": size.width}},
            "rounds": {"count": size.rounds, "cohort": size.cohort, "min_survivors": 2},
            "training": {
                "local_steps": size.steps,
                "sampling_rate": 1.0 if alone else 0.5,
                "photos_per_person": 4 * size.photos if alone else size.photos,
                "persons_per_client": expected,
                "learning_rate": 1.0,
                "schedule": "cosine",
                "warmup_rounds": max(1, size.rounds // 20),
                "augmentation": list(PIECES),
                "server_learning_rate": rate,
                **OPTIMIZERS[optimizer][0],
            },
            "privacy": {"mode": "none"},
        },
        where="benchmark",
    )


def train(config: RunConfig, table: FaceTable, rows: NDArray[np.int64], rounds: int) -> Trained:
    """Run the first ``rounds`` rounds of ``config`` on the persons of ``rows``, as the coordinator does."""
    parts = partition(
        table, rows, config.clients.partition, config.clients.count, config.seed,
        alpha=float(config.clients.alpha), attribute=config.clients.attribute,
    )  # fmt: skip
    model = build(config.model.name, seed=config.seed, **config.model.options)
    layout = layout_of(model)
    weights, optimizer = to_vector(model, layout), server_optimizer(config.training, layout.length)
    planner = Planner(config, "benchmark", layout.length, model.outputs)
    cohorts, names = CohortSelector(config.seed), [f"client-{index:06d}" for index in range(len(parts))]
    seen = 0
    for number in range(1, rounds + 1):
        cohort = cohorts.choose(number, names, config.rounds.cohort)
        plan = planner.plan(number, cohort, 1.0)
        total = np.zeros(plan.secagg.vector_length, np.int64)
        for name in cohort:
            source = TestOnlySource(config.seed, name, str(number))
            own = table.select(parts[names.index(name)])
            result = LocalTraining(model, layout, own, plan, source, margin=MARGIN).run(weights)
            seen += result.loss_count * min(plan.training.photos_per_record, len(own) // result.persons)
            total += contribute(result, plan, source, source)
        weights = optimizer.step(
            weights, read_sum(total, len(cohort), plan).step, server_share(config, number)
        )
    from_vector(model, layout, weights)
    return Trained(model, seen)


def central(size: Size, table: FaceTable, rows: NDArray[np.int64], photos: int) -> Trained:
    """Train the same network on all photos together with Adam, until it has seen ``photos`` of them."""
    model, generator = build("multi_attribute", seed=1, width=size.width), torch.Generator().manual_seed(1)
    optimizer, batch = torch.optim.Adam(model.parameters(), lr=2e-3), 64
    steps = max(1, photos // batch)
    labels = np.stack([table.label(name) for name in model.outputs], axis=1)
    model.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1.0, (step + 1) / 50) * (1 + math.cos(math.pi * step / steps)) / 2
        chosen = rows[torch.randint(len(rows), (batch,), generator=generator).numpy()]
        inputs = augment(to_inputs({"face": table.face[chosen]}), PIECES, generator, margin=MARGIN)
        loss = masked_binary_cross_entropy(model(inputs), torch.from_numpy(labels[chosen])).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return Trained(model, steps * batch)


def best_rate(size: Size, optimizer: str, table: FaceTable, rows: NDArray[np.int64]) -> float:
    """Return the server learning rate that is best after a fifth of the rounds, on a quarter of the persons."""
    inner = table.select(rows)
    learn, judge = split_by_person(inner, 0.25, 2)
    judged, found = inner.select(judge), {}
    for rate in OPTIMIZERS[optimizer][1]:
        config = config_of(size, TUNED_ON, optimizer, rate, len(np.unique(inner.persons[learn])))
        model = train(config, inner, learn, max(1, size.rounds // 5)).model
        scores = evaluate(model, judged).scores
        areas = [auc(scores[:, k], judged.labels[:, k]) for k in range(scores.shape[1])]
        found[rate] = float(np.mean([area for area in areas if area is not None]))
    say(f"{optimizer}: {', '.join(f'{rate:g} gives {value:.4f}' for rate, value in found.items())}")
    return max(found, key=found.__getitem__)


def row_of(name: str, trained: Trained, test: FaceTable, note: str) -> Row:
    """Return the mean AUC of a model on unseen persons as a row."""
    value, low, high = mean_auc(evaluate(trained.model, test).scores, test)
    row = Row(name, value, "mean AUC", note=f"[{low:.3f}, {high:.3f}] {note}, {trained.photos} photos seen")
    say(f"{time.process_time():.0f} s: {row.name} {row.value:.4f} {row.note}")
    return row


def say(text: str) -> None:
    """Tell whoever waits."""
    print(text, file=sys.stderr, flush=True)


def measure(quick: bool) -> list[Row]:
    """Train every optimizer under α = 1, two of them under every spread, and the central model."""
    torch.set_num_threads(1)
    faces = real_faces()
    if faces is None:
        sys.exit(
            "real faces are not on this machine: set MIEN_REAL_FACES to a folder with celeba-faces/ in it"
        )
    size = QUICK if quick else FULL
    table = prepare_table(Data(source=f"celeba={faces}", face_margin=MARGIN))
    train_rows, test_rows = split_by_person(table, 0.2, 1)
    test, persons = table.select(test_rows), len(np.unique(table.persons[train_rows]))
    rates = {
        name: choices[1] if quick else best_rate(size, name, table, train_rows)
        for name, (_, choices) in OPTIMIZERS.items()
    }
    rows, seen = [], 0
    for spread in SPREADS:
        for name, rate in rates.items():
            if spread != TUNED_ON and name not in FOR_SPREADS:
                continue
            config = config_of(size, spread, name, rate, persons)
            trained = train(config, table, train_rows, size.rounds)
            seen = max(seen, trained.photos)
            rows.append(row_of(f"{name}, {spread}", trained, test, f"server rate {rate:g}"))
    together = row_of("central, Adam", central(size, table, train_rows, seen), test, "batches of 64")
    gap = max(row.value for row in rows) - together.value
    rows += [together, Row("best federated less central", gap, "mean AUC")]
    if not quick:
        rows[-1] = at_least(rows[-1].name, gap, "mean AUC", -0.01)
    return rows


if __name__ == "__main__":
    main("Federated optimisation, 40 attributes, 140 unseen persons", measure)
