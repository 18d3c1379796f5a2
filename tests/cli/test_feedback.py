"""`mien feedback` as a person uses it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from recommend.feedback.store import Feedback, default_folder

Command = Callable[..., tuple[int, str]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_like_show_export_undo_reset(mien: Command, tmp_path: Path) -> None:
    assert mien("feedback", "like", "blush-flush")[0] == 0
    assert mien("feedback", "dislike", "contour-jaw-soften", "--occasion", "evening")[0] == 0
    code, shown = mien("feedback", "show")
    assert code == 0
    assert "blush-flush" in shown
    assert "not for me" in shown
    assert "does not protect" in shown  # the truth about a key file
    code, text = mien("feedback", "export")
    assert [each["liked"] for each in json.loads(text)["opinions"]] == [True, False]
    mien("feedback", "export", "--out", tmp_path / "mine.json")
    assert (tmp_path / "mine.json").stat().st_mode & 0o777 == 0o600
    assert "contour-jaw-soften" in mien("feedback", "undo")[1]
    assert mien("feedback", "reset", "--yes")[0] == 0
    assert Feedback.open(default_folder()).opinions() == ()
    assert "nothing to take back" in mien("feedback", "undo")[1]


def test_looking_at_nothing_makes_no_file(mien: Command, home: Path) -> None:
    for command in (["show"], ["undo"], ["export"], ["reset", "--yes"], ["share", "off"]):
        code, said = mien("feedback", *command)
        assert code == 0, said
        assert list(home.rglob("*")) == [], command
    assert "Nothing is kept" in mien("feedback", "show")[1]
    assert json.loads(mien("feedback", "export")[1]) == {"opinions": [], "sharing": False}
    mien("feedback", "like", "blush-flush")
    assert list(home.rglob("*")), "the first like is kept"


def test_share_is_off_until_switched_on(mien: Command) -> None:
    mien("feedback", "like", "blush-flush")
    assert not Feedback.open(default_folder()).status().sharing
    assert "No opinion leaves" in mien("feedback", "share", "on")[1].replace("\n", " ")
    assert Feedback.open(default_folder()).status().sharing
    assert "refuses" in mien("feedback", "share", "off")[1]
    assert not Feedback.open(default_folder()).status().sharing
    assert mien("feedback", "share", "maybe")[0] == 2


def test_wrong_rule_and_wrong_passphrase_end_with_their_codes(
    mien: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = mien("feedback", "like", "nonsense")
    assert code == 2
    assert "nonsense" in said
    Feedback.open(default_folder()).protect("right")
    monkeypatch.setenv("MIEN_PASSPHRASE", "wrong")
    code, said = mien("feedback", "show")
    assert code == 46
    assert "passphrase is wrong" in said
    monkeypatch.setenv("MIEN_PASSPHRASE", "right")
    assert "your passphrase" in mien("feedback", "show")[1]
