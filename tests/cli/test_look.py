"""`mien look` and `mien kb` as a person would run them: what is printed, what is written, the exit codes."""

from __future__ import annotations

import json
import re
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli import printing
from cli.looking import language_of_locale, parse_confirmed, parse_paper
from faces.synthetic.dataset import records
from mien.errors import ConfigError

BROWSER = next((name for name in printing.BROWSERS if shutil.which(name)), None)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "me.png"
    Image.fromarray(records(4, 1, seed=7)[-1].render(320)).save(path)
    return path


def look(mien, photo: Path, *options: object) -> tuple[int, str]:
    return mien("look", photo, "--no-picture", "--language", "en", *options)


def test_the_picture_stands_beside_the_photo_unless_unwanted(mien, photo: Path, tmp_path: Path) -> None:
    mine = tmp_path / "me.png"
    mine.write_bytes(photo.read_bytes())
    code, text = mien("look", mine, "--language", "en")
    assert code == 0
    assert "me-look.png" in text
    with Image.open(tmp_path / "me-look.png") as picture:
        assert picture.size[0] > 320
    (tmp_path / "me-look.png").unlink()
    assert look(mien, mine)[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["me.png"]


def test_an_answer_changes_the_look_and_is_no_longer_asked(mien, photo: Path) -> None:
    _, before = look(mien, photo)
    assert "--confirm lid_type=" in before
    code, after = look(mien, photo, "--confirm", "lid_type=monolid", "--confirm", "skin_depth=depth_5")
    assert code == 0
    assert "--confirm lid_type=" not in after
    assert "You told us" in after
    assert before != after


def test_every_question_printed_can_be_answered_as_printed(mien, photo: Path) -> None:
    _, text = look(mien, photo)
    asked = re.findall(r"--confirm\s+(\w+)=([\w|\s]+?)\n", text)
    assert len(asked) >= 3
    for key, answers in asked:
        value = answers.split("|")[0].strip()
        assert look(mien, photo, "--confirm", f"{key}={value}")[0] == 0


def test_details_add_measures_reasons_and_sources(mien, photo: Path) -> None:
    _, short = look(mien, photo)
    _, long = look(mien, photo, "--details")
    for words in ("Of 100 faces", "Sources", "Why not these"):
        assert words not in short
        assert words in long


def test_json_is_nothing_but_json(mien, photo: Path) -> None:
    code, text = look(mien, photo, "--format", "json", "--confirm", "glasses=yes")
    data = json.loads(text)
    assert code == 0
    assert data["look"]["preferences"]["confirmed"] == {"glasses": "yes"}


def test_paper_makes_the_depth_interval_narrower(mien, photo: Path, tmp_path: Path) -> None:
    with Image.open(photo) as stored:
        picture = stored.convert("RGB")
    picture.paste((235, 235, 235), (0, 0, 40, 40))
    picture.save(tmp_path / "paper.png")
    widths = []
    for options in ((), ("--paper", "0.01,0.01,0.1,0.1")):
        skin = json.loads(look(mien, tmp_path / "paper.png", "--format", "json", *options)[1])["reading"][
            "skin"
        ]
        widths.append(skin["interval_90"][1] - skin["interval_90"][0])
    assert widths[1] < widths[0] / 2


def test_the_language_follows_the_locale(mien, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert language_of_locale() == "zh"
    assert "你的妆容" in mien("look", photo, "--no-picture")[1]
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert language_of_locale() == "en"


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--confirm", "lid_type"), 2, "KEY=VALUE"),
        (("--confirm", "lidtype=monolid"), 2, "lid_type"),
        (("--confirm", "lid_type=thin"), 2, "monolid"),
        (("--confirm", "glasses=yes", "--confirm", "glasses=no"), 2, "twice"),
        (("--paper", "1,2"), 2, "LEFT,TOP,RIGHT,BOTTOM"),
        (("--paper", "0.5,0,0.2,1"), 2, "fractions from 0 to 1"),
        (("--occasion", "ball"), 2, "wedding"),
        (("--minutes", "0"), 2, "minutes"),
        (("--sheet", "sheet.docx"), 2, ".pdf"),
        (("--sheet", "nowhere/sheet.html"), 2, "nowhere"),
        (("--save", "look.txt"), 2, ".png"),
        (("--knowledge", "nowhere"), 2, "mien kb copy"),
        (("--language", "fr"), 2, "fr"),
    ],
)
def test_wrong_options_end_with_their_code_before_any_work(mien, photo: Path, options, code, words) -> None:
    outcome, text = mien("look", photo, "--no-picture", *options)
    assert outcome == code
    assert words in " ".join(text.split())
    assert "Traceback" not in text


def test_what_is_wrong_with_a_photo_is_said_in_chinese_too(mien, photo: Path, tmp_path: Path) -> None:
    wall, twice = tmp_path / "wall.png", tmp_path / "twice.png"
    Image.new("RGB", (300, 300), (120, 130, 140)).save(wall)
    face = records(4, 1, seed=7)[-1].render(320)
    Image.fromarray(np.concatenate([face, face], axis=1)).save(twice)
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    expected = {
        wall: (23, "没有找到脸"),
        twice: (24, "不止一张脸"),
        tmp_path / "torn.jpg": (21, "无法作为图片读取"),
    }
    for path, (code, words) in expected.items():
        outcome, text = mien("look", path, "--no-picture", "--language", "zh")
        assert outcome == code
        assert words in text
        assert "Use a" in text or "Crop" in text or "Choose" in text or "Copy" in text


def test_answers_and_places_are_parsed_or_refused() -> None:
    assert parse_confirmed(["lid_type = monolid", "glasses=yes"]) == {"lid_type": "monolid", "glasses": "yes"}
    assert parse_paper("0, .5,0.2, 1") == (0, 0.5, 0.2, 1)
    assert parse_paper(None) is None
    with pytest.raises(ConfigError):
        parse_confirmed(["=yes"])


def test_the_sheet_as_html(mien, photo: Path, tmp_path: Path) -> None:
    page = tmp_path / "sheet.html"
    code, text = look(mien, photo, "--sheet", page)
    assert code == 0
    assert "sheet.html" in text
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine: the PDF needs one")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_sheet_as_a_pdf_is_one_a4_page(mien, photo: Path, tmp_path: Path, language: str) -> None:
    page = tmp_path / "sheet.pdf"
    options = ("--minutes", "60", "--nose", "--skill", "confident", "--intent", "balance")
    code, text = mien("look", photo, "--no-picture", "--language", language, "--sheet", page, *options)
    assert code == 0, text
    content = page.read_bytes()
    assert content.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", content)) == 1
    width, height = map(float, re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", content)[0])
    assert (width, height) == (pytest.approx(595.3, abs=1), pytest.approx(841.9, abs=1))


def test_a_pdf_without_a_browser_says_so_before_any_work(
    mien, photo: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv(printing.BROWSER_VARIABLE, str(tmp_path / "no-browser"))
    code, text = look(mien, photo, "--sheet", tmp_path / "sheet.pdf")
    assert code == 2
    assert "Your look" not in text
    assert ".html" in text
    assert list(tmp_path.iterdir()) == []


def test_a_browser_that_fails_is_reported(mien, photo: Path, tmp_path: Path, monkeypatch) -> None:
    broken = tmp_path / "browser"
    broken.write_text("#!/bin/sh\necho out of paper >&2\nexit 3\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv(printing.BROWSER_VARIABLE, str(broken))
    code, text = look(mien, photo, "--sheet", tmp_path / "sheet.pdf")
    assert code == 60
    assert "out of paper" in text


def test_a_page_that_is_too_long_is_printed_smaller(monkeypatch, tmp_path: Path) -> None:
    from cli import looking
    from recommend.sheet import TYPE_SIZES

    sizes = []
    monkeypatch.setattr(looking, "sheet", lambda result, size: sizes.append(size) or "")
    monkeypatch.setattr(looking, "print_page", lambda html, path: 2 if len(sizes) < 3 else 1)
    looking.save_sheet(tmp_path / "x.pdf", object())
    assert sizes == list(TYPE_SIZES[:3])


def test_kb_copy_check_schema_and_use(mien, photo: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MIEN_KNOWLEDGE", "")
    own = tmp_path / "kb"
    assert mien("kb", "copy", own)[0] == 0
    assert mien("kb", "copy", own)[0] == 2
    code, text = mien("kb", "check", own, "--people", 200)
    assert code == 0
    assert "no problems" in text
    path = own / "rules" / "base.json"
    content = path.read_text(encoding="utf-8")
    changed = content.replace("Moisturise, then sun protection", "Water first, then shade")
    path.write_text(changed, encoding="utf-8")
    code, text = look(mien, photo, "--knowledge", own)
    assert code == 0
    assert "Water first, then shade" in text

    path.write_text(content.replace('"foundation"', '"foundatoin"'), encoding="utf-8")
    code, text = mien("kb", "check", own, "--people", 0)
    assert code == 2
    assert "foundatoin" in text
    assert re.search(r"rules/base\.json:\d+", text)
    assert mien("kb", "check", tmp_path / "nowhere")[0] == 2

    assert mien("kb", "schema", tmp_path / "schemas")[0] == 0
    assert len(list((tmp_path / "schemas").glob("*.schema.json"))) == 6
    assert set(json.loads(mien("kb", "schema")[1])) >= {"rules", "zones"}


def test_kb_check_of_the_shipped_one(mien, monkeypatch) -> None:
    monkeypatch.setenv("MIEN_KNOWLEDGE", "")
    code, text = mien("kb", "check", "--people", 300)
    assert code == 0
    assert "158 rules" in text
