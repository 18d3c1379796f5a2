"""The command's everyday use, on synthetic faces."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from faces.synthetic.dataset import records


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("look") / "face.png"
    Image.fromarray(records(1, 1, seed=11)[0].render(400)).save(path)
    return path


def test_look_prints_ten_cards_with_reasons_and_saves_the_zones(mien, face: Path, tmp_path: Path) -> None:
    code, text = mien("look", face, "--save", tmp_path / "zones.png")
    assert code == 0, text
    assert text.count("Why") >= 10
    assert text.count("How") >= 10
    with Image.open(tmp_path / "zones.png") as picture:
        assert picture.size[0] >= 400


def test_look_speaks_chinese(mien, face: Path, tmp_path: Path) -> None:
    code, text = mien("look", face, "--language", "zh", "--save", tmp_path / "zones.png")
    assert code == 0
    assert sum("\u4e00" <= letter <= "\u9fff" for letter in text) > 500


def test_look_gives_json_with_a_reason_for_every_card(mien, face: Path, tmp_path: Path) -> None:
    code, text = mien("look", face, "--format", "json", "--save", tmp_path / "zones.png")
    assert code == 0
    cards = json.loads(text)["look"]["cards"]
    assert len(cards) >= 10
    assert all(card["reason"] and card["steps"] for card in cards)


def test_doctor_finds_what_the_tests_run_with(mien) -> None:
    code, text = mien("doctor")
    assert code == 0
    assert "flwr" in text
    assert "landmark" in text


def test_simulate_report_and_ledger(mien, small_faces: str, tmp_path: Path) -> None:
    code, text = mien(
        "simulate", "demo", "--data", small_faces, "--runs", tmp_path,
        "--set", "rounds.count=1", "--set", "clients.count=4", "--set", "rounds.cohort=4",
        "--set", "rounds.min_survivors=3", "--set", "data.face_size=32",
    )  # fmt: skip
    assert code == 0, text
    assert "against the coordinator" in " ".join(text.split())
    assert "against whoever gets the models" in " ".join(text.split())
    (run,) = (path for path in tmp_path.iterdir() if path.name != ".mien")
    (run / "report.html").unlink()
    assert mien("audit", "report", run)[0] == 0
    assert (run / "report.html").exists()
    ledger = run / "ledger" / "client-000001.jsonl"
    code, text = mien("ledger", "show", ledger, "--charges")
    assert code == 0
    assert "attributes" in text
    assert "SkellamSum" in text
    assert "server" in text
    assert "household" in text
    assert mien("ledger", "verify", ledger, "--anchor", run / "anchors" / "client-000001.json")[0] == 0
    assert json.loads(mien("ledger", "export", ledger)[1])


def test_data_commands(mien, small_faces: str, tmp_path: Path) -> None:
    code, text = mien("data", "features", "--data", small_faces, "--out", tmp_path / "rows.csv")
    assert code == 0, text
    rows = (tmp_path / "rows.csv").read_text().splitlines()
    assert len(rows) >= 40
    assert all(len(row.split(",")) == 9 for row in rows)
    code, text = mien("data", "synthesize", tmp_path / "new", "--persons", 1, "--images", 1, "--size", 96)
    assert code == 0
    assert "do not exist" in text
    assert len(list((tmp_path / "new" / "img_align_celeba").iterdir())) == 1
