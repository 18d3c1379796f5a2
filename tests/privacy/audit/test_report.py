"""The report: every figure from the run folder, and a page that needs nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mien.errors import RunError
from privacy.audit.charts import line_chart
from privacy.audit.page import render
from privacy.audit.report import SCHEMA, build_report, write_report
from server.watching import Silent
from simulations.run import simulate


@pytest.fixture(scope="module")
def run(small_config: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(small_config(), tmp_path_factory.mktemp("runs"), Silent()).folder.path


def test_it_says_what_the_run_folder_says(run: Path) -> None:
    report = build_report(run)
    assert report["schema"] == SCHEMA
    assert report["data"]["synthetic"] is False, "an exported dataset is not known to be synthetic"
    assert report["data"]["train_persons"] + report["data"]["test_persons"] == 14
    assert report["privacy"]["epsilon_spent"] <= report["privacy"]["epsilon_promised"] == 8.0
    assert 0.01 < report["privacy"]["tpr_at_fpr_1_percent"] < 1
    vectors = next(row for row in report["left_the_devices"] if row["part"] == "vector")
    assert vectors["count"] == 10
    assert report["transcript"]["head"] in (run / "transcript.jsonl").read_text()


def test_writing_it_twice_gives_the_same_bytes(run: Path) -> None:
    write_report(run)
    first = (run / "report.html").read_bytes(), (run / "report.json").read_bytes()
    write_report(run)
    assert ((run / "report.html").read_bytes(), (run / "report.json").read_bytes()) == first


def test_the_page_needs_no_network_and_runs_no_script(run: Path) -> None:
    page = render(build_report(run))
    assert "<script" not in page
    assert not re.search(r"""(src|href)\s*=\s*["']""", page)
    assert "default-src 'none'" in page
    assert page.count("<svg") == 4


def test_a_run_without_privacy_is_shown_in_red(run: Path) -> None:
    report = build_report(run)
    report["privacy"].update(mode="none", epsilon_spent=None, epsilon_promised=None, randomness="test-only")
    page = render(report)
    assert "No differential privacy" in page
    assert "This run protects nothing" in page
    assert "ε = ∞" in page


def test_names_in_the_data_cannot_break_the_page(run: Path) -> None:
    report = json.loads(json.dumps(build_report(run)))
    report["config"]["name"] = "<img onerror=alert(1)>"
    assert "<img" not in render(report)


def test_an_altered_transcript_gives_no_report(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    copy.mkdir()
    for name in ("config.toml", "metrics.jsonl", "environment.json", "transcript.jsonl"):
        (copy / name).write_bytes((run / name).read_bytes())
    assert build_report(copy)["state"] == "finished"
    text = (copy / "transcript.jsonl").read_text()
    (copy / "transcript.jsonl").write_text(
        text.replace('"survivors":["client-000000"', '"survivors":["client-0000x0"')
    )
    with pytest.raises(RunError, match="hash chain"):
        build_report(copy)


def test_a_chart_without_points_says_so() -> None:
    assert "nothing was measured" in line_chart({"a": []}, title="T", x_label="x", y_label="y")
    assert "<path" in line_chart({"a": [(1, 2.0)]}, title="T", x_label="x", y_label="y", limit=(3.0, "limit"))
