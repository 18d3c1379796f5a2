"""A card says what it was given, in both forms, and what is not known is told as not known."""

from __future__ import annotations

import json

import pytest

from models.card import build_card, to_markdown, write_card

MODEL = {
    "name": "attributes", "run": "20261122T101500Z-demo", "round": 50, "revision": "abc", "inputs": ["jaw"],
    "outputs": ["Chubby", "Pointy_Nose", "Rosy_Cheeks"], "options": {}, "parameters": 18216, "weights": "f" * 64,
}  # fmt: skip
DATA = {
    "source": "celeba", "synthetic": False, "clients": 50, "train_photos": 9000, "train_persons": 560,
    "test_photos": 2400, "test_persons": 140,
}  # fmt: skip
PRIVACY = {
    "mode": "distributed", "unit": "person", "neighbouring": "add or remove one person", "delta": 1e-4,
    "epsilon_promised": 8.0, "epsilon_spent": 7.984, "epsilon_against_recipient": 6.1, "accountant": "PLD",
    "randomness": "system",
}  # fmt: skip
INTERVAL = {"value": 0.9271, "low": 0.9, "high": 0.95, "level": 0.95, "replicates": 1000}
ROW = {
    "attribute": "Chubby", "group": "everybody", "persons": 140, "photos": 2400, "yes": 133, "auc": INTERVAL,
    "balanced_accuracy": INTERVAL, "calibration_error": INTERVAL,
}  # fmt: skip
FEW = {
    **ROW,
    "group": "skin depth 6",
    "persons": 3,
    "auc": None,
    "balanced_accuracy": None,
    "calibration_error": None,
}


def test_every_given_figure_is_in_both_forms(tmp_path) -> None:
    file = {"name": "m.onnx", "precision": "int8", "bytes": 215696, "sha256": "e" * 64}
    card = build_card(
        model=MODEL, data=DATA, privacy=PRIVACY, results=[ROW, FEW], files=[file], limits=["One run."]
    )
    text, data = write_card(tmp_path, card)
    assert json.loads(data.read_text()) == card
    words = text.read_text()
    for expected in (
        "18,216 parameters", "f" * 64, "weights after round 50", "560 persons on 50 clients", "140 other persons",
        "ε = 7.98 of 8 promised, at δ = 0.0001", "ε = 6.1", "0.927 [0.900, 0.950]", "215,696", "One run.",
        "| Chubby | skin depth 6 | 3 | 2,400 | 133 | not measured | not measured | not measured |",
    ):  # fmt: skip
        assert expected in words, expected


def test_labels_that_judge_or_that_nobody_agrees_on_are_named() -> None:
    card = build_card(model=MODEL, data=DATA, privacy=PRIVACY, results=[])
    assert any("Pointy_Nose" in line and "coin" in line for line in card["label_noise"])
    assert any(line.startswith("Chubby:") and "benchmark" in line for line in card["excluded_uses"])
    assert any(line.startswith("Rosy_Cheeks:") for line in card["intended_uses"])
    plain = build_card(model={**MODEL, "outputs": ["Smiling"]}, data=DATA, privacy=PRIVACY, results=[])
    assert not any("benchmark of" in line for line in plain["excluded_uses"])
    assert len(plain["intended_uses"]) == 1


def test_what_is_not_known_is_said() -> None:
    words = to_markdown(build_card(model=MODEL, data=DATA, privacy=PRIVACY, results=[]))
    assert "Results: not measured" in words
    assert "## Files" not in words


@pytest.mark.parametrize(
    ("privacy", "expected"),
    [
        ({**PRIVACY, "mode": "none", "epsilon_spent": None}, "No differential privacy"),
        ({**PRIVACY, "randomness": "test-only"}, "protects nobody"),
    ],
)
def test_a_run_that_protects_nobody_says_so(privacy, expected) -> None:
    assert expected in to_markdown(build_card(model=MODEL, data=DATA, privacy=privacy, results=[]))


def test_synthetic_faces_are_not_sold_as_people() -> None:
    card = build_card(model=MODEL, data={**DATA, "synthetic": True}, privacy=PRIVACY, results=[])
    assert "nothing about real people" in " ".join(card["limits"])
    assert "CelebA" not in " ".join(card["label_noise"])


def test_opinions_are_not_called_photos() -> None:
    data = {**DATA, "synthetic": True, "source": "simulated-feedback"}
    words = to_markdown(build_card(model=MODEL, data=data, privacy=PRIVACY, results=[ROW]))
    assert "synthetic opinions" in words
    assert "| persons | opinions | yes |" in words
    assert "photos of" not in words.split("## Privacy")[0]
    assert "skin" not in words.split("## Excluded")[0].lower()
