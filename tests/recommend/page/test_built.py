"""The built page that is shipped: made from the sources beside it, small, and alone in the world."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
SOURCE = REPOSITORY / "recommend" / "page"
BUILT = REPOSITORY / "recommend" / "serve" / "static"
MADE_OF = (
    "public",
    "source",
    "index.html",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "vite.config.ts",
)
LIMIT = 1_200_000
# Names of XML namespaces and of a project's error pages: text, which no browser ever opens.
NAMES = ("http://www.w3.org/", "https://react.dev/errors/", "https://github.com/", "https://bugs.webkit.org/")


def _built_files() -> list[Path]:
    return sorted(path for path in BUILT.rglob("*") if path.is_file())


def _hash_of_sources() -> str:
    """Compute what vite.config.ts computes, without Node: sha256 over `sha256  name` lines in order of name."""
    if not SOURCE.is_dir():
        pytest.skip("the page's sources are not here: this is an installed package")
    files = [
        path
        for name in MADE_OF
        for path in ([SOURCE / name] if (SOURCE / name).is_file() else (SOURCE / name).rglob("*"))
    ]
    names = {path.relative_to(SOURCE).as_posix(): path for path in files if path.is_file()}
    lines = [f"{hashlib.sha256(names[name].read_bytes()).hexdigest()}  {name}\n" for name in sorted(names)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def test_the_built_page_was_made_from_these_sources() -> None:
    stamp = json.loads((BUILT / "build.json").read_text())
    assert stamp["sources_sha256"] == _hash_of_sources(), (
        "recommend/page has changed since the page was built: cd recommend/page && npm ci && npm run build"
    )


def test_the_built_page_is_small_and_has_no_source_maps() -> None:
    files = _built_files()
    assert {"index.html", "page.js", "style.css"} <= {path.name for path in files}
    assert sum(path.stat().st_size for path in files) < LIMIT
    assert not [path for path in files if path.suffix == ".map"]
    assert not [path for path in files if b"sourceMappingURL" in path.read_bytes()]


def test_the_page_names_no_other_host() -> None:
    for path in _built_files():
        if path.name == "licences.txt":  # text that a person reads: it loads nothing, and quotes addresses
            continue
        addresses = re.findall(r"(?:https?|wss?):?//[^\s\"'`)<>\\]+", path.read_text(encoding="utf-8"))
        foreign = [address for address in addresses if not address.startswith(NAMES)]
        assert not foreign, f"{path.name} names {foreign}"


def test_the_licence_of_every_bundled_package_is_shipped_whole() -> None:
    text = (BUILT / "assets" / "licences.txt").read_text(encoding="utf-8")
    lock = json.loads((SOURCE / "package-lock.json").read_text())["packages"]
    named = dict(re.findall(r"^(@?[\w./-]+) (\d[\w.-]*) \([\w. -]+\)$", text, flags=re.MULTILINE))
    assert {"react", "react-dom", "react-aria-components", "scheduler"} <= named.keys()
    for name, version in named.items():
        assert lock[f"node_modules/{name}"]["version"] == version
    assert "Permission is hereby granted" in text
    assert "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION" in text
    assert "node_modules" not in text


def test_index_has_nothing_inline() -> None:
    page = re.sub(r"<!--.*?-->", "", (BUILT / "index.html").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)
    assert not re.search(r"<script(?![^>]*\ssrc=)", page)


def test_the_lock_file_names_no_registry() -> None:
    lock = (SOURCE / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert "integrity" in lock
