"""Bad input: one clear message (what, where, what to do) and an exit code of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faces.synthetic.dataset import records
from faces.synthetic.export import export


@pytest.fixture(scope="module")
def two_faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture with two synthetic faces side by side."""
    path = tmp_path_factory.mktemp("pictures") / "two.png"
    faces = [record.render(256) for record in records(2, 1, seed=3)]
    Image.fromarray(np.concatenate(faces, axis=1)).save(path)
    return path


def expect(outcome: tuple[int, str], code: int, *words: str) -> None:
    text = " ".join(outcome[1].split())
    assert outcome[0] == code, text
    for word in words:
        assert word in text
    assert "Traceback" not in text


def test_no_face(mien, tmp_path: Path) -> None:
    picture = tmp_path / "wall.png"
    Image.new("RGB", (300, 300), (120, 130, 140)).save(picture)
    expect(mien("look", picture), 23, "face")


def test_several_faces(mien, two_faces: Path) -> None:
    expect(mien("look", two_faces), 24, "2")


def test_a_corrupt_picture(mien, tmp_path: Path) -> None:
    picture = tmp_path / "broken.jpg"
    picture.write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    expect(mien("look", picture), 21, "broken.jpg")


def test_a_huge_picture(mien, tmp_path: Path) -> None:
    picture = tmp_path / "huge.png"
    Image.new("1", (12_000, 12_000)).save(picture)
    expect(mien("look", picture), 22, "huge.png")


def test_a_picture_that_does_not_exist(mien, tmp_path: Path) -> None:
    code, text = mien("look", tmp_path / "nowhere.jpg")
    assert code != 0
    assert "nowhere.jpg" in text.replace("\n", "")


def test_a_missing_landmark_model(
    mien, two_faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIEN_LANDMARKS", str(tmp_path / "absent.dat"))
    picture = tmp_path / "one.png"
    Image.fromarray(records(1, 1, seed=3)[0].render(256)).save(picture)
    expect(mien("look", picture), 30, "absent.dat")


def test_an_unknown_config_key(mien) -> None:
    expect(mien("simulate", "demo", "--set", "rounds.cuont=3"), 2, "rounds.cuont", "did you mean count?")


def test_an_unknown_config(mien) -> None:
    expect(mien("simulate", "no-such-config"), 2, "no-such-config", "demo")


def test_a_dataset_that_does_not_exist(mien, tmp_path: Path) -> None:
    expect(mien("simulate", "demo", "--data", f"celeba={tmp_path}/none"), 11, f"{tmp_path}/none")


def test_an_unknown_kind_of_dataset(mien) -> None:
    code, text = mien("simulate", "demo", "--data", "webcam=/dev/video0")
    assert code in (2, 10, 11)
    assert "webcam" in text


def test_labels_that_do_not_match_the_images(mien, tmp_path: Path) -> None:
    path = tmp_path / "faces"
    export(path, persons=2, images=2, size=96)
    (path / "img_align_celeba" / "999999.jpg").write_bytes(
        next((path / "img_align_celeba").glob("*.jpg")).read_bytes()
    )
    expect(mien("simulate", "demo", "--data", f"celeba={path}"), 12, "999999.jpg")


def test_a_client_without_data(mien, small_faces: str, tmp_path: Path) -> None:
    outcome = mien("simulate", "demo", "--data", small_faces, "--runs", tmp_path, "--set", "clients.count=90")
    expect(outcome, 13, "90")


def test_a_run_folder_that_is_none(mien, tmp_path: Path) -> None:
    expect(mien("audit", "report", tmp_path), 60, "config.toml")


def test_a_damaged_ledger(mien, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_text('{"seq": 0}\n{"seq": 1}\n')
    expect(mien("ledger", "show", ledger), 42)
