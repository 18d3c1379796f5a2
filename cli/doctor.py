"""What `mien doctor` looks at: everything that a first run needs, and how to get what is missing."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from faces.dlib_models import landmarks_path
from mien.errors import MissingModelError

_MODULES = {
    "flwr": "1.41",
    "torch": "2.9",
    "torchvision": "0.24",
    "opacus": "1.6",
    "dp-accounting": "0.6",
    "cryptography": "47",
    "dlib-bin": "20.0",
}
_GIB = 1 << 30


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    found: str
    state: Literal["good", "note", "missing"]
    advice: str = ""


def examine() -> Iterator[Finding]:
    """Yield a finding for each thing that a run needs."""
    good = sys.version_info >= (3, 11)
    version = sys.version.split()[0]
    yield Finding(
        "Python", version, "good" if good else "missing", "" if good else "install Python 3.11 or later"
    )
    for package, least in _MODULES.items():
        yield _package(package, least)
    yield _optional("ray", "to run `flwr run .` on Flower's Ray engine: pip install 'mien[ray]'")
    yield _landmarks()
    yield from _machine()


def _package(package: str, least: str) -> Finding:
    try:
        version = metadata.version(package)
    except metadata.PackageNotFoundError:
        return Finding(package, "absent", "missing", f"pip install '{package}>={least}'")
    if _numbers(version) < _numbers(least):
        return Finding(package, version, "missing", f"too old: pip install '{package}>={least}'")
    return Finding(package, version, "good")


def _optional(package: str, advice: str) -> Finding:
    try:
        return Finding(package, metadata.version(package), "good")
    except metadata.PackageNotFoundError:
        return Finding(package, "absent", "note", advice)


def _landmarks() -> Finding:
    try:
        path = landmarks_path()
    except MissingModelError as error:
        return Finding("68-point landmark model", "absent", "missing", str(error))
    return Finding("68-point landmark model", f"{path.name} (for research use)", "good")


def _machine() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding(
        "processor cores",
        str(cores),
        "good" if cores > 1 else "note",
        "" if cores > 1 else "runs will be slow",
    )
    device = (
        torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none; everything runs on the CPU"
    )
    yield Finding("graphics processor", device, "good")
    free = shutil.disk_usage(Path.cwd()).free / _GIB
    yield Finding(
        "free disk here",
        f"{free:.1f} GiB",
        "good" if free > 2 else "missing",
        "" if free > 2 else "free 2 GiB or more",
    )


def _numbers(version: str) -> tuple[int, ...]:
    digits = (part for part in version.split("+")[0].split("."))
    return tuple(int(part) for part in digits if part.isdigit())


def show_findings(console: Console) -> int:
    """Print the findings; return 0 where nothing is missing, else 30 (the code of a missing model or package)."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    findings = list(examine())
    marks = {"good": "[green]✓[/green]", "note": "[yellow]•[/yellow]", "missing": "[red]✗[/red]"}
    for finding in findings:
        table.add_row(marks[finding.state], finding.what, finding.found)
        if finding.advice:
            table.add_row("", "", f"[dim]{escape(finding.advice)}[/dim]")
    console.print(table)
    missing = [finding.what for finding in findings if finding.state == "missing"]
    if missing:
        console.print(f"\nMissing: {', '.join(missing)}. The lines above say how to get them.")
        return MissingModelError.exit_code
    console.print("\nEverything that a run needs is here. Next: [bold]mien demo[/bold]")
    return 0
