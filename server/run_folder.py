"""The run folder: everything a run leaves behind, in one place, readable after a crash at any instant.

::

    runs/20261122T101500Z-demo/
    ├── config.toml        the resolved config, every default written out
    ├── environment.json   versions, source revision, data and settings needed to repeat the run
    ├── metrics.jsonl      one line a round
    ├── transcript.jsonl   hash chain of plans, messages (hashes and sizes) and results
    ├── checkpoints/       the model after each round (the last two) and the best, as safetensors
    ├── receipts.json      the newest receipt of each device's ledger, handed back with its next round
    ├── ledger/            of simulated devices: each device's own record of what it spent
    ├── audit/             what attacks found, one file each
    ├── report.json        the report's figures, signed; covers every file of the folder by its hash
    └── report.html        the report

Beside the run folders, ``.mien/`` holds the signed chain of all reports and the key that signs later ones.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from configs.load import to_toml
from configs.schema import RunConfig
from mien.errors import RunError
from mien.files import write_atomic

_PACKAGES = ("mien", "flwr", "torch", "numpy", "dp-accounting", "cryptography", "dlib-bin", "opacus")


class RunFolder:
    """One run's folder. Create it with :meth:`create`, or open an existing one by its path."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise RunError(f"{path}: no such run folder; `ls {path.parent}` shows those that exist")
        self.path = path

    @classmethod
    def create(cls, root: Path, config: RunConfig, *, engine: str) -> RunFolder:
        """Make ``root/<utc>-<name>`` with config and environment inside. Raises RunError if it cannot."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        for attempt in range(100):
            suffix = f"-{attempt + 1}" if attempt else ""
            path = root / f"{stamp}-{config.name}{suffix}"
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise RunError(
                    f"{path}: cannot be created: {error}. Give another place with --runs"
                ) from None
            folder = cls(path)
            write_atomic(path / "config.toml", to_toml(config).encode())
            folder.write_json("environment.json", _environment(engine))
            return folder
        raise RunError(f"{root}: could not find a free name for the run")

    @property
    def name(self) -> str:
        """The folder's own name, which is also the run's identifier in every plan."""
        return self.path.name

    @property
    def transcript(self) -> Path:
        """Where the hash-chained transcript is."""
        return self.path / "transcript.jsonl"

    @property
    def earlier(self) -> list[Path]:
        """The folders of runs that began before this one in the same place, oldest first."""
        return sorted(path for path in self.path.parent.iterdir() if path.is_dir() and path.name < self.name)

    @property
    def checkpoints(self) -> Path:
        """Where the weights are."""
        return self.path / "checkpoints"

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file whole or not at all."""
        write_atomic(self.path / name, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())

    def append_metrics(self, line: dict[str, Any]) -> str:
        """Add one round's line to ``metrics.jsonl``, flushed to the disk; return its SHA-256, newline excluded."""
        text = json.dumps(line, ensure_ascii=False).encode()
        with (self.path / "metrics.jsonl").open("ab") as file:
            file.write(text + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return hashlib.sha256(text).hexdigest()

    def metrics(self) -> list[dict[str, Any]]:
        """Return the lines of ``metrics.jsonl``; a line cut short by a crash is left out."""
        file = self.path / "metrics.jsonl"
        lines = file.read_bytes().split(b"\n")[:-1] if file.exists() else []
        return [json.loads(line) for line in lines]


def _environment(engine: str) -> dict[str, Any]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "absent"
    return {
        "engine": engine,
        "python": sys.version.split()[0],
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "packages": versions,
        "revision": _revision(),
    }


def _revision() -> str:
    """Return the source's git commit, with a ``+`` where files differ from it, or ``unknown``."""
    try:
        return _git("rev-parse", "HEAD") + ("+" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    root = Path(__file__).resolve().parent.parent
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
