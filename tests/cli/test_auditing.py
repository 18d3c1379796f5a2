"""`mien audit verify|report|export` as an auditor would use them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.watching import Silent
from simulations.run import simulate


@pytest.fixture(scope="module")
def clean(small_config: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = small_config(rounds={"count": 1, "cohort": 5, "min_survivors": 4})
    return simulate(config, tmp_path_factory.mktemp("runs"), Silent()).folder.path


@pytest.fixture
def run(clean: Path, tmp_path: Path) -> Path:
    shutil.copytree(clean.parent, tmp_path / "runs")
    return tmp_path / "runs" / clean.name


def key_of(run: Path) -> str:
    return str(json.loads((run / "transcript.jsonl").read_text().splitlines()[0])["key"])


def test_a_sound_run_exits_with_0_and_says_what_was_checked(mien, run: Path) -> None:
    code, text = mien("audit", "verify", run, "--key", key_of(run))
    assert code == 0, text
    assert "Sound" in text
    assert "transcript signatures" in text


@pytest.mark.parametrize(
    ("file", "change", "code", "kind"),
    [
        ("metrics.jsonl", lambda data: data.replace(b'"round"', b'"rouNd"', 1), 71, "altered"),
        ("report.json", lambda data: data.replace(b'"delta":0.01', b'"delta":0.02', 1), 72, "signature"),
        ("anchors/client-000001.json", None, 77, "missing"),
    ],
)
def test_each_kind_of_fault_has_its_code_and_its_place(
    mien, run: Path, file: str, change: Any, code: int, kind: str
) -> None:
    path = run / file
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change(path.read_bytes()))
    found, text = mien("audit", "verify", run)
    assert found == code, text
    assert kind in text
    assert file in text
    found, text = mien("audit", "verify", run, "--format", "json")
    faults = json.loads(text)["faults"]
    assert found == code
    assert {fault["kind"] for fault in faults} == {kind}
    assert file in {fault["file"] for fault in faults}


def test_another_key_than_the_one_you_know(mien, run: Path) -> None:
    code, text = mien("audit", "verify", run, "--key", "ab" * 32)
    assert code == 72
    assert "another key signed" in text
    assert mien("audit", "verify", run, "--key", "AB")[0] == 2


def test_a_folder_that_is_no_run(mien, tmp_path: Path) -> None:
    assert mien("audit", "verify", tmp_path / "nowhere")[0] == 60
    assert mien("audit", "verify", tmp_path)[0] == 77


def test_export_is_a_registry_entry(mien, run: Path) -> None:
    code, text = mien("audit", "export", run)
    assert code == 0
    assert yaml.safe_load(text)["deployment"]["privacy_loss"]["privacy_unit"] == "Person"


def test_the_paper_is_printed_and_signed(mien, run: Path) -> None:
    if not any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")):
        pytest.skip("no Chromium on this machine")
    code, text = mien("audit", "report", run, "--pdf", "--language", "zh")
    assert code == 0, text
    paper = run / "report.pdf"
    assert paper.read_bytes().startswith(b"%PDF")
    assert mien("audit", "verify", run)[0] == 0
    content = bytearray(paper.read_bytes())
    content[len(content) // 2] ^= 1
    paper.write_bytes(content)
    code, text = mien("audit", "verify", run)
    assert code == 71
    assert "report.pdf" in text
