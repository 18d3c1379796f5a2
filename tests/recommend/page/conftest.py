"""The page as its users have it: `mien serve` in a process of its own, and Chromium in front of it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from faces.synthetic.dataset import records

START = "from cli.main import run; run()"
LINK = re.compile(r"http://127\.0\.0\.1:\d+/#token=\w+")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
LOCALES = {"en": "en-GB", "zh": "zh-CN"}
CARD = "[data-card]"


def _browser_path() -> str | None:
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    return os.environ.get("MIEN_CHROMIUM") or next((path for path in found if path), None)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    path = _browser_path()
    if path is None:
        pytest.skip(
            "no Chromium was found: install it (apt-get install chromium) or name it in MIEN_CHROMIUM"
        )
    return path


@pytest.fixture(scope="session")
def playwright_driver() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="the page's tests need playwright")
    with api.sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def launch(chromium_path: str, playwright_driver: Any) -> Iterator[Callable[..., Any]]:
    """Return a function that starts Chromium, with more arguments if wanted."""
    with contextlib.ExitStack() as stack:

        def start(*more: str) -> Any:
            browser = playwright_driver.chromium.launch(
                executable_path=chromium_path, args=[*ARGUMENTS, *more]
            )
            stack.callback(browser.close)
            return browser

        yield start


@pytest.fixture(scope="session")
def browser(launch: Callable[..., Any]) -> Any:
    return launch()


@dataclasses.dataclass
class Served:
    """A running `mien serve`: its process and the link that it printed."""

    process: subprocess.Popen[str]
    link: str

    @property
    def origin(self) -> str:
        return self.link.split("/#")[0]

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        if self.process.stdout:
            self.process.stdout.close()


def _start(opener: Path | None = None) -> Served:
    """Start the command on a free port and wait for its link; ``opener`` is what it takes for the browser."""
    browser = ("--no-browser",) if opener is None else ()
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        **({} if opener is None else {"BROWSER": f"{opener} %s"}),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", START, "serve", "--port", "0", *browser],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
    )  # fmt: skip
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        # Read on after the link, or the pipe fills; ValueError: closed at the end of the test.
        with contextlib.suppress(ValueError):
            for line in process.stdout or ():
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    said = ""
    while (line := lines.get(timeout=60)) is not None:
        said += line
        if found := LINK.search(said):
            return Served(process, found.group())
    process.wait(10)
    raise AssertionError(f"mien serve ended with {process.returncode} before it printed a link:\n{said}")


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Served]]:
    """Return a function that starts another server, with a home folder of its own."""
    with contextlib.ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("HOME", str(home))
        patch.setenv("MIEN_HOME", str(home / "mien"))

        def start(opener: Path | None = None) -> Served:
            served = _start(opener)
            stack.callback(served.end)
            return served

        yield start


@pytest.fixture(scope="session")
def served(start_server: Callable[[], Served], chromium_path: str) -> Served:
    return start_server()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files to give to the page: a synthetic face, a dark one, two faces, no face, and what is no photo."""
    folder = tmp_path_factory.mktemp("pictures")
    # The person and the seed of `mien look` without a photo: found and read without a notice.
    face = records(4, 1, seed=7)[-1].render(512)
    noise = np.random.default_rng(5).integers(90, 130, (400, 400, 3), dtype=np.uint8)
    made = {
        "face": face,
        "dark": (face * 0.09).astype(np.uint8),
        "two": np.hstack([face, face[:, ::-1]]),
        "nobody": noise,
        "huge": np.zeros((9000, 9000), dtype=np.uint8),
    }
    paths = {name: folder / f"{name}.png" for name in made}
    for name, pixels in made.items():
        Image.fromarray(pixels).save(paths[name], compress_level=1)
    paths["text"] = folder / "notes.txt"
    paths["text"].write_text("no photo")
    paths["broken"] = folder / "broken.jpg"
    paths["broken"].write_bytes(b"\xff\xd8\xff\xe0" + b"nothing" * 40)
    return paths


class Visitor:
    """Somebody at the page; remembers every request, every console message and every refusal by the policy."""

    def __init__(self, page: Any, served: Served, pictures: dict[str, Path]) -> None:
        self.page, self.served, self.pictures = page, served, pictures
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.context.on("request", lambda request: self.requests.append(request.url))
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.add_init_script(
            "addEventListener('securitypolicyviolation', e => "
            "console.error(`refused ${e.effectiveDirective} ${e.blockedURI}`))"
        )

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def arrive(self) -> Visitor:
        self.page.goto(self.served.link)
        self.page.wait_for_selector(".drop")
        return self

    def give(self, *names: str) -> Visitor:
        """Choose photos with the file picker of the page that is shown."""
        files = [str(self.pictures[name]) for name in names]
        self.page.set_input_files("input[type=file] >> nth=0", files)
        return self

    def read(self) -> Visitor:
        self.page.wait_for_selector(".photo-read img")
        return self

    def show(self) -> Visitor:
        self.page.click(".questions .button.primary")
        self.page.wait_for_selector(CARD)
        return self

    def at_look(self) -> Visitor:
        return self.arrive().give("face").read().show()

    def tab(self, index: int) -> None:
        """Open one of: cards, steps, measures, answers."""
        self.page.locator(".tab").nth(index).click()

    def view(self, index: int) -> None:
        """Show one of: zones, preview, points."""
        self.page.locator(".stage .segment").nth(index).click()

    def rules(self) -> list[str]:
        return self.page.eval_on_selector_all(CARD, "cards => cards.map(card => card.dataset.rule)")

    def settle(self) -> None:
        """Wait until no cards are being worked out any more; one answer may be followed by one more request."""
        for _ in range(2):
            self.page.wait_for_timeout(120)
            self.page.wait_for_selector(".result:not(.busy)")

    def strangers(self) -> list[str]:
        """Return the requests that went anywhere but to this server."""
        own = (self.served.origin + "/", "blob:", "data:")
        return [url for url in self.requests if not url.startswith(own)]


@pytest.fixture
def visit(browser: Any, served: Served, pictures: dict[str, Path]) -> Iterator[Callable[..., Visitor]]:
    """Return a function that makes a new visitor; options are those of a browser context."""
    with contextlib.ExitStack() as stack:

        def come(language: str = "en", **options: Any) -> Visitor:
            chosen = {"viewport": {"width": 1180, "height": 820}, "reduced_motion": "reduce", **options}
            host, server = chosen.pop("browser", browser), chosen.pop("served", served)
            context = host.new_context(locale=LOCALES[language], **chosen)
            context.set_default_timeout(20_000)
            stack.callback(context.close)
            return Visitor(context.new_page(), server, pictures)

        yield come
