"""The report: every figure from the run folder, sealed, on a page that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mien.errors import RunError
from privacy.accounting.curve import PrivacyCurve
from privacy.audit.evidence import AttackResult, Claim, Figures, Picture, read_results, write_result
from privacy.audit.page import render
from privacy.audit.page_style import STYLE
from privacy.audit.registry import registry_entry
from privacy.audit.report import build_report, write_report
from privacy.audit.report_schema import SCHEMA, Report
from privacy.audit.seal import unsealed
from privacy.audit.standards import standards
from privacy.audit.tables import tables
from privacy.audit.verification.run import verify
from server.watching import Silent
from simulations.run import simulate

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture(scope="module")
def run(small_config: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(small_config(), tmp_path_factory.mktemp("runs"), Silent()).folder.path


@pytest.fixture
def report(run: Path) -> dict[str, Any]:
    """Return the sealed report as plain data that a test may change."""
    sealed: dict[str, Any] = json.loads((run / "report.json").read_bytes())
    return sealed


def attack(**changes: Any) -> AttackResult:
    facts = {
        "attack": "lira", "threat_model": "black box", "question": "Was she in it?", "kind": "lower bound",
        "claim": Claim(epsilon=8.0, delta=1e-2), "result": {"epsilon_lower": 1.25, "interval": (0.5, 2.0)},
        "confidence": 0.95, "passed": True, "headline": "at least ε = 1.25", "method": "Carlini et al., 2022",
        "figures": Figures(
            roc=((0.001, 0.002), (1.0, 1.0)),
            gallery=(Picture(label="original", png_base64=PIXEL, score=40.0, unit="dB"),),
        ),
        "title": {"en": "Likelihood ratio", "zh": "似然比"},
    }  # fmt: skip
    return AttackResult(**{**facts, **changes})


def test_it_says_what_the_run_folder_says(run: Path) -> None:
    report = build_report(run)
    assert report["schema"] == SCHEMA
    assert report["data"]["synthetic"] is False, "an exported dataset is not known to be synthetic"
    assert report["data"]["train_persons"] + report["data"]["test_persons"] == 14
    assert report["privacy"]["epsilon_spent"] <= report["privacy"]["epsilon_promised"] == 8.0
    assert 0.01 < report["privacy"]["tpr_at_fpr_1_percent"] < 1
    assert report["privacy"]["households"]["2"] > report["privacy"]["epsilon_spent"]
    vectors = next(row for row in report["left_the_devices"] if row["part"] == "vector")
    assert vectors["count"] == 10
    assert vectors["smallest"] == vectors["largest"]
    assert report["transcript"]["head"] in (run / "transcript.jsonl").read_text()


def test_writing_it_twice_gives_the_same_bytes_and_the_coordinators_seal_stays(run: Path) -> None:
    first = (run / "report.html").read_bytes(), (run / "report.json").read_bytes()
    assert write_report(run)["seal"]["role"] == "coordinator"
    assert ((run / "report.html").read_bytes(), (run / "report.json").read_bytes()) == first


def test_the_shipped_schema_is_the_models(repository: Path, report: dict[str, Any]) -> None:
    """To write it anew: see docs/audit.md."""
    shipped = json.loads((repository / "privacy" / "audit" / "report.schema.json").read_text())
    assert shipped == Report.model_json_schema()
    assert Report.model_validate(report).seal.role == "coordinator"


def test_the_page_needs_no_network_and_runs_no_script(run: Path, report: dict[str, Any]) -> None:
    page = render(unsealed(report), [attack()])
    assert "<script" not in page
    assert not re.search(r"\son[a-z]+=", page)
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:image/png;base64,)""", page)
    assert " style=" not in page
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page).group(1))
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; ")
    assert f"style-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert len(page.encode()) < 5_000_000


def test_every_word_is_there_in_both_languages(report: dict[str, Any]) -> None:
    page = render(unsealed(report), [attack()])
    shown = page[page.index("<body>") :]
    assert shown.count('lang="en"') == shown.count('lang="zh"')
    chinese = " ".join(re.findall(r'lang="zh">([^<]*)<', page))
    assert sum("\u4e00" <= letter <= "\u9fff" for letter in chinese) > 1500
    assert not re.search(r"Words\(", page)
    assert 'id="zh" checked' in render(unsealed(report), language="zh")


def test_the_label_says_what_an_attacker_can_do(report: dict[str, Any]) -> None:
    report["privacy"].update(epsilon_spent=2.0, tpr_at_fpr_1_percent=0.071, advantage=0.3)
    page = render(unsealed(report))
    assert "ε = 2.00" in page
    assert "at most 8 in 100" in page, "rounded against the promise"
    assert "65 %" in page
    assert page.count('class="found"') == 7
    assert page.count('class="guessed"') == 1


def test_a_run_without_privacy_is_shown_in_red(report: dict[str, Any]) -> None:
    report["privacy"].update(
        mode="none", epsilon_spent=None, epsilon_promised=None, randomness="test-only", mu_gdp=None,
        tpr_at_fpr_1_percent=None, advantage=None,
    )  # fmt: skip
    page = render(unsealed(report))
    assert "No differential privacy" in page
    assert "This run protects nothing" in page
    assert "ε = ∞" in page


def test_names_in_the_data_cannot_break_the_page(report: dict[str, Any]) -> None:
    report["config"]["name"] = report["deployment"]["curator"] = "<img onerror=alert(1)>`<b>`"
    page = render(
        unsealed(report), [attack(headline="<script>", title={"en": "<i>", "zh": "<i>"}, attack="x")]
    )
    assert "<img onerror" not in page
    assert "<script>" not in page
    assert "<b>`" not in page


def test_without_attacks_the_page_says_so_and_with_them_it_shows_them(
    run: Path, report: dict[str, Any]
) -> None:
    assert "Not attacked yet" in render(unsealed(report))
    page = render(unsealed(report), [attack()])
    assert "Not attacked yet" not in page
    assert "at least ε = 1.25" in page
    assert f"data:image/png;base64,{PIXEL}" in html.unescape(page)
    assert "what the promise allows at most" in page
    refuted = render(unsealed(report), [attack(passed=False)])
    assert "did better than the promise allows" in refuted


def test_results_of_attacks_become_part_of_the_sealed_report(run: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "runs" / run.name
    shutil.copytree(run, copy)
    write_result(copy, attack())
    sealed = write_report(copy)
    assert sealed["evidence"][0]["attack"] == "lira"
    assert "figures" not in sealed["evidence"][0], (
        "pictures are in the result's own file, which the seal covers"
    )
    assert "audit/lira.json" in sealed["seal"]["files"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda value: value.update(kind="proof"), "kind"),
        (lambda value: value.update(surprise=1), "surprise"),
        (lambda value: value.update(confidence=1.5), "confidence"),
        (lambda value: value["figures"]["gallery"][0].update(png_base64="AAAA"), "png_base64"),
        (lambda value: value.update(attack="other"), "named after it"),
    ],
)
def test_half_a_result_is_refused_with_its_place(
    tmp_path: Path, change: Callable[[Any], None], words: str
) -> None:
    path = write_result(tmp_path, attack())
    value = json.loads(path.read_bytes())
    change(value)
    path.write_text(json.dumps(value))
    with pytest.raises(RunError, match=words):
        read_results(tmp_path)


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


def test_tables_have_every_letter_and_no_empty_cell(report: dict[str, Any]) -> None:
    made = tables(report)
    assert [table.letter for table in made] == list("ABCDEFGHKL"), "I and J are drawn by the page"
    for table in made:
        for name, value in table.rows:
            assert name.en
            assert name.zh
            assert value.en not in ("", "None")
            assert value.zh not in ("", "None")


def test_a_framework_is_open_where_nothing_was_measured_or_stated(report: dict[str, Any]) -> None:
    def answers() -> dict[str, str]:
        return {row.name: row.answer for standard in standards(report) for row in standard.requirements}

    assert answers()["12.3.2"] == answers()["8.2.3"] == answers()["9"] == "open"
    assert answers()["12.3.1"] == "answered"
    report["evidence"] = [attack().model_dump(mode="json")]
    report["deployment"].update(sign_off="a name", review_date="2027-01-01")
    assert answers()["12.3.2"] == answers()["8.2.3"] == "answered"
    assert answers()["9"] == "stated"


def test_a_loss_without_bound_is_shown_as_infinite(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with ε = 1000, where no Gaussian profile lies above the run's: the report must still be written."""
    monkeypatch.setattr(PrivacyCurve, "mu_gdp", lambda curve: math.inf)
    copy = tmp_path / "runs" / run.name
    shutil.copytree(run, copy)
    written = write_report(copy)
    assert written["privacy"]["mu_gdp"] is None
    (row,) = (value for name, value in tables(written)[3].rows if name.en.startswith("Gaussian"))
    assert row.en == row.zh == "∞"
    assert "mu-GDP unbounded" in registry_entry(written)
    assert "figures of the report" in [check.name for check in verify(copy).checks]


def test_a_run_of_opinions_says_nothing_of_photos(report: dict[str, Any]) -> None:
    """The rows of the prior of advice (configs/rule_prior.toml) are people's likes: no photo was ever there."""
    assert "photos" in render(unsealed(report))
    report["data"].update(source="simulated-feedback", synthetic=True)
    report["config"]["data"]["source"] = "simulated-feedback"
    shown = render(unsealed(report)) + registry_entry(report)
    shown = re.sub(r"<style>.*?</style>", "", shown, flags=re.DOTALL)
    found = re.findall(r".{40}(?:[Pp]hoto|[Ff]aces?\b|照片|人脸).{20}", shown)
    assert [text for text in found if "no photo" not in text and "没有照片" not in text] == []
    assert "0 opinions" in shown
    assert "made up by a program" in shown


def test_statements_of_the_operator_are_read_strictly(run: Path, tmp_path: Path) -> None:
    from privacy.audit.deployment import read_deployment

    assert set(read_deployment(tmp_path).values()) == {None}
    (tmp_path / "deployment.toml").write_text('curator = "A hospital"\n')
    assert read_deployment(tmp_path)["curator"] == "A hospital"
    (tmp_path / "deployment.toml").write_text('purpose = "x"\n')
    with pytest.raises(RunError, match=r"purpose.*known keys"):
        read_deployment(tmp_path)


def test_the_registry_entry_is_yaml_with_the_reports_figures(report: dict[str, Any]) -> None:
    entry = yaml.safe_load(registry_entry(report))
    assert entry["tier"] == 3
    loss = entry["deployment"]["privacy_loss"]
    assert loss["privacy_unit"] == "Person"
    assert loss["privacy_parameters"]["epsilon"] == report["privacy"]["epsilon_spent"]
    assert entry["deployment"]["product"]["data_curators"] is None
