"""What a model of its own is worth to each client: measured on photos that each client kept out of training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client.local_head import LocalHead
from client.personalise import FineTuning, Measured, fine_tune, measure
from configs.load import load_config
from configs.schema import RunConfig
from faces.federation import Progress, federate
from mien.errors import ConfigError, ModelError
from models.network import Network
from models.weights import layout_of, load_model
from privacy.randomness import RandomSource, SystemSource, TestOnlySource

_BOOTSTRAPS = 1000


@dataclass(frozen=True)
class ClientResult:
    """One client: the global model, then its own, on the same held-out photos."""

    client: int
    photos: int
    before: Measured
    """The global model; with the client's own head where it has one."""
    after: Measured
    """The same after fine-tuning on the client's training photos."""


@dataclass(frozen=True)
class Gain:
    """The mean over clients of a figure, and its 95 % interval when whole clients are drawn anew."""

    before: float
    after: float
    gain: float
    low: float
    high: float


@dataclass(frozen=True)
class Personalisation:
    """All clients of a run that held out a photo."""

    clients: tuple[ClientResult, ...]
    own_heads: bool

    def gain(self, figure: str) -> Gain:
        """Return what fine-tuning does to ``loss`` or ``accuracy``."""
        before, after = (
            np.array([getattr(getattr(client, when), figure) for client in self.clients])
            for when in ("before", "after")
        )
        low, high = _interval(after - before)
        return Gain(float(before.mean()), float(after.mean()), float((after - before).mean()), low, high)


def personalise(
    run: Path, tuning: FineTuning, *, data: str | None = None, progress: Progress | None = None
) -> Personalisation:
    """Fine-tune the model of a run folder for each of its simulated clients.

    ``data`` replaces the run's source (it may have moved). The best checkpoint is taken, or the last one.

    Raises ConfigError for a run whose clients held nothing out, ModelError for one without a model.
    """
    config = load_config(run / "config.toml", [f"data.source={data}"] if data else [])
    if not config.clients.holdout:
        raise ConfigError(
            f"{run}: clients.holdout is 0, so there is no photo that was not trained on to measure with; run it "
            "again with --set clients.holdout=0.2"
        )
    federation = federate(config.data, config.clients, config.seed)
    results = []
    for number in range(config.clients.count):
        held = federation.client_holdout(number)
        if len(held):
            model = _model_of(run, config, number)
            before = measure(model, held)
            margin = config.data.face_margin
            fine_tune(
                model, federation.client(number), tuning, config.training, _source(config, number), margin
            )
            results.append(ClientResult(number, len(held), before, measure(model, held)))
        if progress is not None:
            progress(number + 1, config.clients.count)
    if not results:
        raise ConfigError(
            f"{run}: no client has a person with enough photos to hold one out; raise clients.holdout"
        )
    return Personalisation(tuple(results), bool(config.training.local))


def _model_of(run: Path, config: RunConfig, number: int) -> Network:
    """Return the run's model, with one client's own head where it kept one."""
    folder = run / "checkpoints"
    found = [*folder.glob("best.safetensors"), *sorted(folder.glob("round-*.safetensors"), reverse=True)]
    if not found:
        raise ModelError(f"{run}: no trained model in {folder}; name a run folder")
    if config.training.local:  # a device's head is that of its last round, and goes with the last trunk
        found = sorted(folder.glob("round-*.safetensors"), reverse=True) or found
    model, _ = load_model(found[0])
    if config.training.local:
        layout = layout_of(model, without=config.training.local)
        LocalHead(run / "local" / f"client-{number:06d}.safetensors", layout).load(model)
    return model


def _source(config: RunConfig, number: int) -> RandomSource:
    if config.privacy.randomness == "test-only":
        return TestOnlySource(config.seed, f"client-{number:06d}", "personalise")
    return SystemSource()


def _interval(differences: NDArray[np.float64]) -> tuple[float, float]:
    generator = np.random.default_rng(0)  # a statistic of the report, no secret
    drawn = generator.integers(0, len(differences), (_BOOTSTRAPS, len(differences)))
    low, high = np.quantile(differences[drawn].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)
