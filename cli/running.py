"""What `mien simulate` and `mien demo` show."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from rich.console import Console

from cli.datasets import progress_bar
from cli.table import RunTable, duration_text, size_text
from configs.load import load_config
from configs.schema import RunConfig
from simulations.run import SimulationResult, prepare_data, simulate


def simulate_and_show(
    console: Console, name: str, overrides: list[str], data: str | None, runs: Path
) -> SimulationResult:
    """Run a config on the in-process engine with a live table, and say where the results are."""
    config = load_config(name, [*overrides, *([f"data.source={data}"] if data else [])])
    torch.set_num_threads(config.threads)
    with progress_bar(console, "preparing faces") as progress:
        prepare_data(config, progress)
    with RunTable(console) as table:
        result = simulate(config, runs, table)
    _say_results(console, config, result)
    return result


def show_demo(console: Console, runs: Path) -> None:
    """Train on the synthetic faces, then advise one of them."""
    from cli.looking import look_at_synthetic_face

    console.print("[bold]Mien demo[/bold]: every face in it is synthetic, drawn by a program.\n")
    result = simulate_and_show(console, "demo", [], None, runs)
    console.print("\n[bold]And on the device[/bold]: advice for one synthetic face it has never seen.\n")
    look_at_synthetic_face(console, result.folder.path)


def _say_results(console: Console, config: RunConfig, result: SimulationResult) -> None:
    last = result.last
    if last is not None:
        if config.rounds.patience and last.round < config.rounds.count:
            console.print(
                f"\nEnded after round {last.round} of {config.rounds.count}: no lower loss for "
                f"{config.rounds.patience} evaluations. checkpoints/best.safetensors is the best model."
            )
        figures = ", ".join(
            f"{name} {'–' if value is None else f'{value:.3f}'}" for name, value in last.auc.items()
        )
        spent = _spent(config, result)
        console.print(f"\nAUC on persons that no client has: {figures}")
        console.print(
            f"Spent for each person: {spent}. Training took {duration_text(result.seconds)}; the devices sent "
            f"{size_text(result.bytes_up)}, all of it masked."
        )
    console.print(f"Report: {result.folder.path / 'report.html'}", soft_wrap=True)


def _spent(config: RunConfig, result: SimulationResult) -> str:
    """Return both ε of a run, as its report states them."""
    privacy = json.loads((result.folder.path / "report.json").read_text(encoding="utf-8"))["privacy"]
    if privacy["epsilon_spent"] is None:
        return "no differential privacy"
    return (
        f"ε = {privacy['epsilon_spent']:.2f} of {config.privacy.epsilon:g} at δ = {config.privacy.delta:g} against "
        f"the coordinator, {privacy['epsilon_against_recipient']:.2f} against whoever gets the models and colludes "
        "with nobody"
    )
