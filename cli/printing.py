"""From a look's page to a PDF: a browser that is already on this machine prints it, offline."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from mien.errors import ConfigError, RunError
from mien.files import write_atomic

BROWSER_VARIABLE = "MIEN_BROWSER"
"""Environment variable: the Chromium or Chrome that prints, instead of the first one found."""

BROWSERS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)  # fmt: skip
SECONDS = 60
_QUIET = (
    "--headless", "--disable-gpu", "--no-first-run", "--disable-extensions", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic", "--no-pdf-header-footer",
    # The page needs nothing from anywhere; any name it could ask for leads nowhere.
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
_PAGE = re.compile(rb"/Type\s*/Page\b(?!s)")


def find_browser() -> str:
    """Return the browser that prints; raise ConfigError where there is none."""
    chosen = os.environ.get(BROWSER_VARIABLE)
    for name in (chosen,) if chosen else BROWSERS:
        if found := shutil.which(name):
            return found
    looked = f"{BROWSER_VARIABLE}={chosen}" if chosen else "chromium, google-chrome and microsoft-edge"
    raise ConfigError(
        f"A PDF needs Chromium, Chrome or Edge, and none was found (looked for {looked}). Install one, set "
        f"{BROWSER_VARIABLE} to it, or write an .html file and print that from any browser."
    )


def print_page(html: str, path: Path) -> int:
    """Print one HTML document to ``path`` as PDF and return how many pages it has.

    The page lies in a private temporary folder while it is printed. Raises ConfigError where no browser is
    found and RunError where it does not print.
    """
    browser = find_browser()
    with tempfile.TemporaryDirectory(prefix="mien-print-") as folder:
        page, printed = Path(folder) / "page.html", Path(folder) / "page.pdf"
        page.write_text(html, encoding="utf-8")
        # Root has no sandbox to enter; the page has no scripts and a policy that forbids them.
        alone = ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
        profile = f"--user-data-dir={Path(folder) / 'profile'}"
        command = (browser, *_QUIET, *alone, profile, f"--print-to-pdf={printed}", page.as_uri())
        try:
            done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RunError(
                f"{browser} did not print within {SECONDS} s: {error}. Write an .html file."
            ) from error
        if done.returncode or not printed.is_file():
            said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["nothing"]
            raise RunError(
                f"{browser} ended with {done.returncode} and printed no PDF; it said: {said[0]}. "
                "Write an .html file and print that from any browser."
            )
        content = printed.read_bytes()
    write_atomic(path, content)
    return len(_PAGE.findall(content))
