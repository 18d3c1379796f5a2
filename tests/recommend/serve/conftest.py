"""A face as a file, the server in this process, and the server as the command starts it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import io
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
import uvicorn
from PIL import Image

from faces.synthetic.dataset import records
from recommend.serve.app import create_app
from recommend.serve.connections import PatientProtocol
from recommend.serve.keys import Keys
from recommend.serve.limits import Limits
from recommend.serve.opinions import Opinions
from recommend.serve.server import listen
from recommend.serve.workers import Workers

TOKEN = "f" * 64
START = "from cli.main import run; run()"


def _encode(picture: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    return _encode


@pytest.fixture(scope="session")
def picture() -> np.ndarray:
    """A synthetic face, uint8 [360, 360, 3], that is found and read without a notice in the way."""
    return records(4, 1, seed=7)[-1].render(360)


@pytest.fixture(scope="session")
def photo(picture: np.ndarray) -> bytes:
    return _encode(picture)


@pytest.fixture(scope="session")
def limits() -> Limits:
    return Limits(workers=1)


@pytest.fixture(scope="session")
def workers(limits: Limits) -> Iterator[Workers]:
    """One real worker process for all tests of this process."""
    started = Workers(limits)
    yield started
    started.close()


@contextlib.contextmanager
def _served(protocol: type = PatientProtocol, **options: object) -> Iterator[httpx.Client]:
    """Serve the application from a thread of this process, and talk to it as the page does."""
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    app = create_app(port=port, **{"keys": Keys(TOKEN), **options})
    server = uvicorn.Server(uvicorn.Config(app, http=protocol, log_config=None, ws="none", lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"X-Mien-Token": TOKEN}, timeout=60, trust_env=False
        ) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@pytest.fixture(scope="session")
def make_client(limits: Limits, workers: Workers, tmp_path_factory) -> Iterator[Callable[..., httpx.Client]]:
    """Return a function that serves the application from this process, with other options if wanted."""
    home = tmp_path_factory.mktemp("opinions") / "feedback"
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(
            _served(**{"limits": limits, "workers": workers, "opinions": Opinions(home), **options})
        )


@pytest.fixture(scope="session")
def client(make_client: Callable[..., httpx.Client]) -> httpx.Client:
    return make_client()


@pytest.fixture
def reading(client: httpx.Client, photo: bytes) -> dict:
    """The data of a fresh reading of the synthetic face."""
    answer = client.post("/reading", files={"photo": ("face.png", photo)})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


@dataclasses.dataclass(frozen=True)
class Running:
    """A server started as the command starts it, in a folder of its own."""

    address: str
    token: str
    process: subprocess.Popen
    folder: Path

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def client(self) -> httpx.Client:
        return httpx.Client(
            base_url=self.address, headers={"X-Mien-Token": self.token}, timeout=60, trust_env=False
        )

    def processes(self) -> list[int]:
        """Return the server's process number and those of all its descendants."""
        found, parents = [self.process.pid], {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
        for number in found:
            found += parents.get(number, [])
        return found


def _environment(folder: Path, repository: Path) -> dict[str, str]:
    for name in ("home", "tmp", "work"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "home"),
        "XDG_CACHE_HOME": str(folder / "home" / ".cache"),
        "MIEN_CACHE": str(folder / "home" / "mien"),
        "TMPDIR": str(folder / "tmp"),
        "PYTHONPATH": str(repository),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
        "LANG": "C.UTF-8",
    }


@pytest.fixture(scope="session")
def environment(repository: Path) -> Callable[[Path], dict[str, str]]:
    """Return a function that makes an environment whose home and temporary folder are below a folder."""
    return lambda folder: _environment(folder, repository)


@contextlib.contextmanager
def _running(folder: Path, repository: Path, before: tuple[str, ...] = ()) -> Iterator[Running]:
    process = subprocess.Popen(
        [*before, sys.executable, "-c", START, "serve", "--port", "0", "--no-browser"],
        cwd=folder / "work" if (folder / "work").is_dir() else _made(folder, repository),
        env=_environment(folder, repository),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        address, token = _link(process)
        yield Running(address, token, process, folder)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()
        process.stdout.close()


def _made(folder: Path, repository: Path) -> Path:
    _environment(folder, repository)
    return folder / "work"


def _link(process: subprocess.Popen) -> tuple[str, str]:
    """Return address and token from the link that the server prints; fail after half a minute."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        with contextlib.suppress(ValueError):
            for line in process.stdout:
                lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    seen = []
    while True:
        line = lines.get(timeout=60)
        seen.append(line)
        assert line, f"the server ended: {''.join(seen)}"
        if "#token=" in line:
            address, _, token = line.strip().partition("/#token=")
            return address, token


@pytest.fixture(scope="session")
def start(repository: Path) -> Callable[..., contextlib.AbstractContextManager[Running]]:
    """Return a context manager that runs ``mien serve`` below a folder, perhaps under another command."""
    return lambda folder, before=(): _running(folder, repository, before)


@pytest.fixture(scope="session")
def running(
    start: Callable[..., contextlib.AbstractContextManager[Running]], tmp_path_factory
) -> Iterator[Running]:
    """``mien serve`` as a process, shared by the tests that only talk to it."""
    with start(tmp_path_factory.mktemp("serve")) as server:
        yield server


@pytest.fixture
def finish() -> Callable[[Coroutine[object, object, object]], object]:
    """Return what runs a coroutine to its end, in a thread: a browser's driver may own this thread's loop."""

    def run(work: Coroutine[object, object, object]) -> object:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, work).result()

    return run
