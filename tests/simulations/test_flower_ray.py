"""The same app under ``flwr run .``: Flower's own SuperLink and Ray engine, in processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from faces.federation import federate
from privacy.audit.pictures import PixelSearch, embedded_pictures
from privacy.audit.transcript import read_transcript
from server.watching import Silent
from simulations.run import simulate

BIN = Path(sys.executable).parent

# Put at the end of the copied app's mien/wire.py: every message that either end packs, as it goes on the wire.
RECORDER = """
import os as _os
from flwr.common.serde import recorddict_to_proto as _to_proto

_pack = pack


def pack(parts):
    record = _pack(parts)
    with open(f"{folder}/{{_os.getpid()}}", "ab") as file:
        file.write(_to_proto(record).SerializeToString() + bytes(1))
    return record
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def flower(tmp_path: Path, repository: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Return a copy of the app and the environment of a Flower home of its own; stop its daemons afterwards."""
    if shutil.which("flwr", path=str(BIN)) is None or not any(
        BIN.parent.glob("lib/python*/site-packages/ray")
    ):
        pytest.skip("Flower's simulation engine is not installed: pip install 'mien[ray]'")
    app = tmp_path / "app"
    app.mkdir()
    for name in ("mien", "configs", "faces", "models", "privacy", "client", "server"):
        shutil.copytree(repository / name, app / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, app / name)
    environment = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "FLWR_HOME": str(tmp_path / "flower"),
        "FLWR_LOCAL_SUPERLINK_HTTP_API_PORT": str(free_port()),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    yield app, environment
    for process in Path("/proc").glob("[0-9]*"):
        try:
            marked = str(tmp_path / "flower").encode() in (process / "environ").read_bytes()
        except OSError:
            continue
        if marked and int(process.name) != os.getpid():
            os.kill(int(process.name), signal.SIGKILL)


def status(environment: dict[str, str], app: Path) -> str:
    listed = subprocess.run(
        ["flwr", "list", "--format", "json"], cwd=app, env=environment, capture_output=True, text=True
    )
    runs = json.loads(listed.stdout)["runs"]
    return str(runs[0]["status"])


def test_the_unchanged_app_gives_the_same_model_on_ray(
    flower: tuple[Path, dict[str, str]], small_config: Callable[..., Any], small_faces: str, tmp_path: Path
) -> None:
    app, environment = flower
    config = small_config(privacy={"randomness": "test-only"}, clients={"count": 3}, rounds={
        "count": 2, "cohort": 3, "min_survivors": 3,
    })  # fmt: skip
    here = simulate(config, tmp_path / "runs", Silent())
    shutil.copy(here.folder.path / "config.toml", app / "configs" / "small.toml")
    traffic = tmp_path / "traffic"
    traffic.mkdir()
    with (app / "mien" / "wire.py").open("a") as wire:
        wire.write(RECORDER.format(folder=traffic))

    subprocess.run(
        [
            "flwr", "run", ".", "--federation-config", "num-supernodes=3 client-resources-num-cpus=1",
            "-c", f"config='small' home='{tmp_path / 'home'}'",
        ],
        cwd=app, env=environment, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    end = time.monotonic() + 240
    while not status(environment, app).startswith("finished") and time.monotonic() < end:
        time.sleep(2)
    assert status(environment, app) == "finished:completed"

    (there,) = (path for path in (tmp_path / "home" / "runs").iterdir() if path.name != ".mien")
    assert (there / "report.html").exists()
    models = [
        list(read_transcript(path / "transcript.jsonl"))[-1]["model"] for path in (here.folder.path, there)
    ]
    assert models[0] == models[1], "the same seed and updates must give the same bits on both engines"

    table = federate(config.data, config.clients, config.seed).table
    pixels = PixelSearch([table.skin, table.nose, table.face])
    sent = b"\0".join(file.read_bytes() for file in traffic.iterdir())
    assert len(list(traffic.iterdir())) > 1, (
        "both ends are recorded: the coordinator and the clients' processes"
    )
    assert len(sent) > 300_000
    assert [*pixels.search(sent), *embedded_pictures(sent)] == []
    assert pixels.search(sent + table.face[0].tobytes()) != [], "the search finds what is there"
