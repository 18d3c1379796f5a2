"""What privacy costs: the AUC of the attribute models on unseen persons at person-level ε = ∞, 8, 4, 2, 1.

    python benchmarks/utility.py [--quick] [--json FILE] [--check]

Real faces are needed (MIEN_REAL_FACES or ../shared/data, celeba-faces). Each row trains one recipe by DP-SGD over
whole persons, as privacy mode ``distributed`` does when all clients answer and none colludes: a Poisson sample of
persons, one clipped gradient a person, a public divisor, exact noise, the same accounting event. Evaluation is on
the fifth of the persons that ``split_by_person`` keeps, which no choice was made on: the recipes were chosen on a
quarter of the *training* persons, and one recipe serves every ε. Intervals are the 95 % bootstrap
that draws whole persons.
--quick trains the best recipe alone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _table import Row, at_least, main
from numpy.typing import NDArray
from preparation import real_faces
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from client.data import Persons
from configs.schema import Data
from faces.federation import prepare_table
from faces.sample import FaceTable
from faces.split import split_by_person
from models.attributes import ATTRIBUTES
from models.inputs import to_inputs
from models.losses import masked_binary_cross_entropy
from models.metrics import auc
from models.network import Network
from models.public_head import GRID, PublicHead
from models.registry import build
from privacy.accounting.calibration import noise_for
from privacy.dpsgd.optimizer import PrivateTrainer
from privacy.dpsgd.sampling import poisson_batches
from privacy.randomness import RandomSource, SystemSource
from server.evaluation import evaluate

DELTA = 1e-4
EPSILONS = (float("inf"), 8.0, 4.0, 2.0, 1.0)
MORE = (
    "Male", "Young", "Smiling", "Heavy_Makeup", "Wearing_Lipstick", "High_Cheekbones", "Big_Nose", "Oval_Face",
    "Double_Chin", "Bushy_Eyebrows",
)  # fmt: skip
BOOTSTRAPS = 200
PLOT = Path(__file__).resolve().parent.parent / "docs" / "images" / "utility.svg"
MOMENTUM = 0.9


@dataclass(frozen=True)
class Recipe:
    """A model and how it is trained; ``rate`` is a person's chance to join a step."""

    name: str
    model: str
    clipping_norm: float
    learning_rate: float
    rate: float
    steps: int
    photos: int
    repeats: int = 1
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """One point of a curve, with its 95 % interval, and the AUC of each of the paper's attributes."""

    recipe: str
    epsilon: float
    value: float
    low: float
    high: float
    each: dict[str, float]


FROZEN = (
    Recipe("public_head", "public_head", 0.2, 1.0, 1.0, 60, 8, 8),
    Recipe("private_head", "private_head", 0.3, 1.0, 1.0, 40, 8, 8),
    Recipe(
        "public_head, 14 attributes", "public_head", 0.2, 1.0, 1.0, 60, 8, 2,
        {"attributes": (*ATTRIBUTES, *MORE)},
    ),
)  # fmt: skip
SCRATCH = (
    Recipe(
        "scratch", "attributes", 1.0, 0.1, 0.25, 80, 4,
        options={"shape_hidden": 8, "skin_width": 4, "nose_width": 0.02},
    ),
    Recipe("face_cnn", "face_cnn", 1.0, 0.1, 0.25, 80, 4, options={"width": 4}),
)  # fmt: skip


def train(recipe: Recipe, table: FaceTable, epsilon: float, source: RandomSource) -> Network:
    """Return the model after the recipe's steps; at ε = ∞ it clips, and adds no noise."""
    model = build(recipe.model, seed=1, **recipe.options)
    persons, columns = Persons(table, recipe.photos), Columns(model, table)
    noise = noise_for(epsilon, DELTA, rate=recipe.rate, steps=recipe.steps) if np.isfinite(epsilon) else 0.0
    trainer = PrivateTrainer(
        model,
        clipping_norm=recipe.clipping_norm,
        noise_multiplier=noise,
        divisor=recipe.rate
        * len(persons),  # of a benchmark's public data; a federation states a public guess
        learning_rate=recipe.learning_rate,
        momentum=MOMENTUM,
        source=source,
        stack=recipe.photos,
    )
    labels = torch.from_numpy(np.stack([table.label(name) for name in model.outputs], axis=1))
    model.train()
    for chosen in poisson_batches(len(persons), recipe.rate, recipe.steps, source):
        if len(chosen) == 0:
            trainer.step_empty()
            continue
        stack = persons.stack(chosen, source)
        rows = stack.rows.reshape(-1)
        inputs, truth = columns.rows(rows), labels[torch.from_numpy(rows)]
        trainer.step(
            lambda: masked_binary_cross_entropy(model(inputs), truth),  # noqa: B023 - called at once
            torch.from_numpy(stack.weights.reshape(-1)),
        )
    return model


class Columns:
    """A model's inputs by row; what ``public_head`` pools anyway is pooled once, which changes nothing."""

    def __init__(self, model: Network, table: FaceTable) -> None:
        self._columns: dict[str, Any] = {name: getattr(table, name) for name in model.inputs}
        self._ready = isinstance(model, PublicHead)
        if self._ready:
            parts = [self._pooled(slice(start, start + 256)) for start in range(0, len(table), 256)]
            self._columns = {name: torch.cat([part[name] for part in parts]) for name in model.inputs}

    def rows(self, rows: NDArray[np.int64]) -> dict[str, Tensor]:
        """Return the inputs of some rows."""
        if self._ready:
            return {name: column[torch.from_numpy(rows)] for name, column in self._columns.items()}
        return to_inputs({name: column[rows] for name, column in self._columns.items()})

    def _pooled(self, rows: slice) -> dict[str, Tensor]:
        inputs = to_inputs({name: column[rows] for name, column in self._columns.items()})
        return {
            name: adaptive_avg_pool2d(value, GRID) if value.ndim == 4 else value
            for name, value in inputs.items()
        }


def mean_auc(runs: Sequence[NDArray[np.float32]], labels: NDArray[np.int8], rows: NDArray[np.int64]) -> float:
    """Return the mean over runs and attributes of the AUC on some rows (a row may be there twice)."""
    areas = [auc(run[rows, index], labels[rows, index]) for run in runs for index in range(labels.shape[1])]
    return float(np.mean([area for area in areas if area is not None]))


def interval(
    runs: Sequence[NDArray[np.float32]], labels: NDArray[np.int8], persons: NDArray[np.int64]
) -> tuple[float, float]:
    """Return the 95 % interval of ``mean_auc`` when whole persons are drawn anew."""
    generator = np.random.default_rng(0)
    own = [np.flatnonzero(persons == person) for person in np.unique(persons)]
    figures = [
        mean_auc(
            runs, labels, np.concatenate([own[each] for each in generator.integers(0, len(own), len(own))])
        )
        for _ in range(BOOTSTRAPS)
    ]
    low, high = np.quantile(figures, (0.025, 0.975))
    return float(low), float(high)


def curve(recipe: Recipe, train_table: FaceTable, test_table: FaceTable) -> list[Figure]:
    """Return one figure for each ε: the mean over the recipe's repeats, each with noise of its own."""
    figures = []
    for epsilon in EPSILONS:
        models = [train(recipe, train_table, epsilon, SystemSource()) for _ in range(recipe.repeats)]
        outputs, runs = models[0].outputs, [evaluate(model, test_table).scores for model in models]
        labels = np.stack([test_table.label(name) for name in outputs], axis=1)
        everyone = np.arange(len(labels))
        each = {
            name: mean_auc([run[:, [index]] for run in runs], labels[:, [index]], everyone)
            for index, name in enumerate(outputs[: len(ATTRIBUTES)])
        }
        low, high = interval(runs, labels, test_table.persons)
        figure = Figure(recipe.name, epsilon, mean_auc(runs, labels, everyone), low, high, each)
        print(figure, file=sys.stderr, flush=True)
        figures.append(figure)
    return figures


def row_of(figure: Figure) -> Row:
    """Return a figure as a row of the table."""
    name = f"{figure.recipe}, ε = {figure.epsilon:g}"
    note = f"[{figure.low:.3f}, {figure.high:.3f}] " + ", ".join(
        f"{name} {value:.3f}" for name, value in figure.each.items()
    )
    if figure.recipe == "public_head" and figure.epsilon == 8.0:
        return at_least(name, figure.value, "mean AUC", 0.85, note)
    return Row(name, figure.value, "mean AUC", note=note)


def draw(figures: Sequence[Figure], path: Path) -> None:
    """Draw the curves over ε; ∞ stands at the right."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "mien", "font.size": 9})
    from matplotlib import pyplot

    places = {epsilon: place for place, epsilon in enumerate(sorted(EPSILONS))}
    picture, axes = pyplot.subplots(figsize=(6.4, 3.6))
    for recipe in dict.fromkeys(figure.recipe for figure in figures):
        own = sorted((each for each in figures if each.recipe == recipe), key=lambda each: each.epsilon)
        at = [places[each.epsilon] for each in own]
        (line,) = axes.plot(at, [each.value for each in own], marker="o", label=recipe)
        axes.fill_between(
            at,
            [each.low for each in own],
            [each.high for each in own],
            alpha=0.15,
            color=line.get_color(),
            lw=0,
        )
    axes.set_xticks(list(places.values()), ["∞" if np.isinf(each) else f"{each:g}" for each in places])
    axes.set(xlabel="ε of a person, δ = 1e-4", ylabel="mean AUC, unseen persons", ylim=(0.45, 1.0))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", ncols=2, fontsize=8)
    picture.tight_layout()
    picture.savefig(path, metadata={"Date": None})
    pyplot.close(picture)


def measure(quick: bool) -> list[Row]:
    """Train every recipe at every ε; a whole run also draws docs/images/utility.svg."""
    torch.set_num_threads(1)
    faces = real_faces()
    if faces is None:
        sys.exit(
            "real faces are not on this machine: set MIEN_REAL_FACES to a folder with celeba-faces/ in it"
        )
    table = prepare_table(Data(source=f"celeba={faces}", embedding=True))
    train_rows, test_rows = split_by_person(table, 0.2, 1)
    train_table, test_table = table.select(train_rows), table.select(test_rows)
    recipes = FROZEN[:1] if quick else (*FROZEN, *SCRATCH)
    figures = [figure for recipe in recipes for figure in curve(recipe, train_table, test_table)]
    if not quick:
        draw(figures, PLOT)
    return [row_of(figure) for figure in figures]


if __name__ == "__main__":
    main("Utility against person-level privacy, δ = 1e-4, 560 persons", measure)
