"""The front door: photo in, look, picture, page and JSON out, and nothing to the network."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from mien.errors import DataNotFoundError, ImageError, NoFaceError, UnreadableImageError
from recommend.draw import annotate
from recommend.labels import spread
from recommend.look import look
from recommend.preferences import Preferences
from recommend.present import lines
from recommend.sheet import sheet


def png(picture):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def result(synthetic_readings):
    return look(png(synthetic_readings[0][0]))


def printed(result, **options):
    console = Console(width=110, file=io.StringIO(), force_terminal=False)
    for part in lines(result, **options):
        console.print(part)
    return console.file.getvalue()


def test_a_look_from_bytes_a_path_and_several_photos(synthetic_readings, tmp_path: Path):
    path = tmp_path / "face.png"
    path.write_bytes(png(synthetic_readings[0][0]))
    one, two, three = look(path.read_bytes()), look(path), look([path, path])
    assert [c.rule for c in one.look.cards] == [c.rule for c in two.look.cards]
    assert np.array_equal(one.annotated, two.annotated)
    assert len(three.reading.photos) == 2


def test_the_json_is_plain_stable_and_without_a_score(result):
    data = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert set(data) == {"schema", "language", "reading", "look", "notices"}
    assert data["schema"] == 1
    card = data["look"]["cards"][0]
    assert set(card) == {
        "number", "rank", "rule", "domain", "title", "reason", "steps", "minutes", "tools", "where", "colours",
        "why", "why_not", "confidence", "evidence",
    }  # fmt: skip
    assert len(data["look"]["cards"]) >= 10
    assert "nose_width" not in data["reading"]["measurements"]
    words = json.dumps(data).lower()
    for word in ('"score"', '"gender"', '"age"', '"attractive"', '"weight"'):
        assert word not in words
    x = np.array(data["reading"]["landmarks"])
    assert x.shape == (68, 2)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_terminal_text_has_every_card_and_every_reason(synthetic_readings, language):
    result = look(png(synthetic_readings[0][0]), preferences=Preferences(language=language))
    text = printed(result, details=True)
    flat = "".join(text.replace("│", "").split())
    for card in result.look.cards:
        assert "".join(card.title.split()) in flat
        assert "".join(card.reason.split()) in flat
    assert ("Nothing was sent" if language == "en" else "没有向任何地方发送") in text
    han = sum("\u4e00" <= letter <= "\u9fff" for letter in text)
    assert han > 800 if language == "zh" else han == 0


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [v for k, v in attributes if k in ("src", "href", "srcset", "action")]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_sheet_is_one_closed_page(synthetic_readings, language):
    result = look(png(synthetic_readings[0][0]), preferences=Preferences(language=language))
    page = sheet(result)
    parser = Tags()
    parser.feed(page)
    assert parser.tags.count("article") == len(result.look.cards)
    assert not {"script", "img", "link", "iframe"} & set(parser.tags)
    assert parser.links == []
    assert "http://" not in page
    assert "https://" not in page
    assert f'lang="{"zh-Hans" if language == "zh" else "en"}"' in page
    assert "nan" not in page


def test_the_picture_is_the_photo_with_zones_not_another_face(synthetic_readings):
    picture, reading = synthetic_readings[0]
    from recommend.adviser import advise

    advice = advise(reading)
    drawn = annotate(picture, advice, reading.points)
    empty = type(advice)(advice.language, (), 0.0, advice.preferences)
    bare = annotate(picture, empty, reading.points)
    assert drawn.shape == bare.shape
    assert drawn.dtype == np.uint8
    changed = np.abs(drawn.astype(int) - bare).sum(axis=2) > 0
    assert 0.03 < changed.mean() < 0.6, "zones are drawn, and most of the picture is untouched"
    inner = bare[60:-60, 160:-160].astype(int)
    assert inner.std() > 20, "the bare picture is the photo"


def test_numbers_in_the_margin_keep_their_distance():
    rows = spread([100, 101, 102, 400], 20, 500, 40)
    assert np.all(np.diff(rows) >= 40 - 1e-9)
    assert rows[0] >= 20
    assert rows[-1] == pytest.approx(400)
    tight = spread([10.0] * 30, 0, 100, 40)
    assert min(tight) >= 0
    assert max(tight) <= 100 + 1e-9


def test_bad_photos_are_refused_each_with_its_error(tmp_path: Path):
    with pytest.raises(DataNotFoundError):
        look(tmp_path / "missing.jpg")
    with pytest.raises(UnreadableImageError):
        look(b"not a picture")
    with pytest.raises(NoFaceError):
        look(png(np.zeros((120, 120, 3), dtype=np.uint8)))


NO_NETWORK = """
import socket, sys, pathlib
def refuse(*_, **__):
    raise RuntimeError("a connection was tried")
socket.socket = socket.create_connection = socket.getaddrinfo = refuse
from recommend.look import look
from recommend.present import lines
from recommend.sheet import sheet
result = look(pathlib.Path(sys.argv[1]))
page, parts, data = sheet(result), lines(result), result.to_json()
banned = [name for name in ("flwr", "requests", "httpx", "urllib3", "grpc") if name in sys.modules]
print(len(result.look.cards), banned)
"""


def test_advice_needs_no_network(synthetic_readings, tmp_path: Path, repository: Path):
    path = tmp_path / "face.png"
    path.write_bytes(png(synthetic_readings[0][0]))
    done = subprocess.run(
        [sys.executable, "-c", NO_NETWORK, str(path)], capture_output=True, text=True, cwd=repository, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    cards, banned = done.stdout.split(maxsplit=1)
    assert int(cards) >= 10
    assert banned.strip() == "[]"


def test_nothing_is_written_while_advising(synthetic_readings, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    look(png(synthetic_readings[0][0]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.real_faces
def test_ten_real_photos(real_faces: Path):
    read = 0
    for path in sorted((real_faces / "photos" / "img_align_celeba").glob("*.jpg"))[:14]:
        try:
            result = look(path)
        except ImageError:
            continue
        read += 1
        assert len(result.look.cards) >= 10
        assert result.annotated.ndim == 3
        data = result.to_json()
        assert json.dumps(data, allow_nan=False)
        for card in data["look"]["cards"]:
            for place in card["where"]:
                assert all(len(outline["points"]) >= 8 for outline in place["outlines"])
    assert read >= 10
