"""What `mien export` and `mien card` do: a run's model as one ONNX file, and the card that says what it is."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from rich.console import Console

from cli.datasets import progress_bar
from cli.table import size_text
from configs.load import load_config
from configs.schema import RunConfig
from faces.federation import federate
from mien.errors import DataError, ModelError, RunError
from mien.files import sha256_file
from models.card import build_card, write_card
from models.export import export_onnx
from models.inference import OnnxNetwork
from models.network import Network
from models.weights import WeightsFile, load_model
from privacy.audit.report import build_report
from recommend.learnt import weights_of
from server.evaluation import evaluate, evaluate_groups


@dataclasses.dataclass(frozen=True)
class RunModel:
    """The model of a run folder: its best round where the run kept that, else its last."""

    run: Path
    config: RunConfig
    model: Network
    about: WeightsFile
    best: bool


def read_model(run: Path) -> RunModel:
    """Read a run's config and weights. Raises ModelError, RunError or ConfigError where that "
    "is not possible."""
    if not (run / "config.toml").is_file():
        raise RunError(
            f"{run}: no run folder here: expected one with a config.toml, as `mien simulate` leaves it"
        )
    config = load_config(str(run / "config.toml"))
    path = weights_of(run)
    model, about = load_model(path)
    if config.training.local:
        raise ModelError(
            f"{run}: the parameters {', '.join(config.training.local)} never left the devices, "
            f"so the run folder holds "
            "only their first, untrained values: there is no whole model to export. Export it on a device."
        )
    return RunModel(run, config, model, about, path.stem == "best")


def export(console: Console, run: Path, out: Path, *, int8: bool, card: bool, data: str | None) -> None:
    """Write the run's model to ``out`` and its card beside it."""
    loaded = read_model(run)
    shapes = loaded.config.data
    about = export_onnx(
        out,
        loaded.model,
        loaded.about.model,
        loaded.about.options,
        {"face": shapes.face_size, "skin": shapes.skin_size, "nose": shapes.nose_size},
        int8=int8,
        run=run.resolve().name,
        margins={"face": shapes.face_margin, "skin": 0.0},
    )
    console.print(
        f"{out}: {size_text(out.stat().st_size)}, {about.precision}, opset {about.opset}; reads "
        f"{', '.join(about.columns)}, gives {', '.join(about.outputs)}",
        soft_wrap=True, highlight=False,
    )  # fmt: skip
    if card:
        file = {
            "name": out.name, "precision": about.precision, "bytes": out.stat().st_size, "sha256": sha256_file(out),
        }  # fmt: skip
        tell_card(console, loaded, out.parent, data, (out, file))


def card(console: Console, run: Path, out: Path, data: str | None) -> None:
    """Write the card of a run's model into ``out``."""
    tell_card(console, read_model(run), out, data)


def tell_card(
    console: Console,
    loaded: RunModel,
    folder: Path,
    data: str | None,
    exported: tuple[Path, dict[str, Any]] | None = None,
) -> None:
    """Measure the model by group where the run's data set is here, write the card, and say where.

    Where a file was ``exported`` (its path and the card's row about it), that file is what is measured.
    """
    network = OnnxNetwork(exported[0]) if exported else None
    results, why = _results(console, loaded, data, network)
    report = build_report(loaded.run)
    limits = []
    if why:
        limits.append(f"The results could not be measured when this card was written: {why}")
    if loaded.best:
        limits.append(
            "The weights are those of the round with the lowest loss on the same test persons, "
            "so the figures are "
            "slightly too good."
        )
    if report["state"] != "finished":
        limits.append("The run was interrupted before its last round.")
    facts = {
        "name": loaded.about.model,
        "run": report["run"],
        "round": int(loaded.about.notes["round"]),
        "revision": report["environment"]["revision"],
        "inputs": list(loaded.model.inputs),
        "outputs": list(loaded.model.outputs),
        "options": dict(loaded.about.options),
        "parameters": sum(parameter.numel() for parameter in loaded.model.parameters()),
        "weights": loaded.about.weights,
    }
    files = [exported[1]] if exported else []
    written = write_card(
        folder,
        build_card(
            model=facts,
            data=report["data"],
            privacy=report["privacy"],
            results=results,
            files=files,
            limits=limits,
        ),
    )
    if why:
        console.print(f"[yellow]Not measured[/yellow]: {why}", soft_wrap=True, highlight=False)
    console.print(f"Card: {written[0]} and {written[1].name}", soft_wrap=True, highlight=False)


def _results(
    console: Console, loaded: RunModel, data: str | None, network: OnnxNetwork | None
) -> tuple[list[dict[str, Any]], str | None]:
    """Return a row for each attribute and group, or none and the reason why not."""
    section = loaded.config.data if data is None else loaded.config.data.model_copy(update={"source": data})
    try:
        federation = federate(section, loaded.config.clients, loaded.config.seed)
    except DataError as error:
        return [], str(error)
    table = federation.evaluation()
    scores = (
        network.results(table.columns(network.inputs)) if network else evaluate(loaded.model, table).scores
    )
    with progress_bar(console, "measuring by group") as progress:
        rows = evaluate_groups(scores, table, loaded.model.outputs, progress=progress)
    return [dataclasses.asdict(row) for row in rows], None
