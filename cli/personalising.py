"""What `mien personalise` shows."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from cli.datasets import progress_bar
from client.personalise import FineTuning
from simulations.personalise import personalise


def personalise_and_show(console: Console, run: Path, tuning: FineTuning, data: str | None) -> None:
    """Fine-tune a run's model for each of its simulated clients, and print what that is worth."""
    torch.set_num_threads(1)
    with progress_bar(console, "fine-tuning") as progress:
        result = personalise(run, tuning, data=data, progress=progress)
    start = "global trunk, own head" if result.own_heads else "global model"
    table = Table("on held-out photos, mean over clients", start, "fine-tuned", "gain", "95 % interval")
    for figure, better in (("accuracy", "higher is better"), ("loss", "lower is better")):
        gain = result.gain(figure)
        table.add_row(
            f"{figure} ({better})", f"{gain.before:.3f}", f"{gain.after:.3f}", f"{gain.gain:+.3f}",
            f"{gain.low:+.3f} to {gain.high:+.3f}",
        )  # fmt: skip
    console.print(table)
    better_off = sum(client.after.loss < client.before.loss for client in result.clients)
    console.print(
        f"{len(result.clients)} clients held photos out; the loss fell for {better_off} of them. The tuned models "
        "belong to the devices: none was kept here."
    )
