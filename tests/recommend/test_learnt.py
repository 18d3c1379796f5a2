"""A federated model may bring a question forward, and cannot do anything else."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from configs.load import parse_config, to_toml
from mien.errors import ModelError
from models.export import export_onnx
from models.registry import build
from models.weights import load_model, save_model
from recommend.describe import Describer
from recommend.knowledge.load import shipped
from recommend.learnt import QUESTIONS, hints, weights_of
from recommend.look import look
from recommend.preferences import Preferences

SIZES = {"shape_hidden": 4, "skin_width": 2, "nose_width": 0.02}


def run_folder(path: Path, biases: float, name: str = "attributes", options: dict | None = None) -> Path:
    """A run whose model says the same of every face: every logit is ``biases``."""
    options = SIZES if options is None else options
    config = parse_config({"name": "told", "model": {"name": name, "options": options}}, where="test")
    (path / "checkpoints").mkdir(parents=True)
    (path / "config.toml").write_text(to_toml(config), encoding="utf-8")
    model = build(name, **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        for parameter_name, parameter in model.named_parameters():
            if parameter_name.endswith("bias") and parameter.numel() <= 2:
                parameter.fill_(biases)
    save_model(path / "checkpoints" / "round-00001.safetensors", model, name, options)
    return path


def png(picture) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def test_only_what_may_be_asked_is_ever_read_out(synthetic_readings, tmp_path: Path) -> None:
    picture, reading = synthetic_readings[0]
    found = hints(run_folder(tmp_path / "yes", 4.0), picture, reading.points)
    assert [hint.label for hint in found] == ["Rosy_Cheeks"]
    assert found[0].probability > 0.9
    assert hints(run_folder(tmp_path / "no", -4.0), picture, reading.points) == ()
    asked = {entry.id for entry in shipped().attributes if entry.kind == "asked" and entry.question}
    assert set(QUESTIONS.values()) <= asked
    assert not set(QUESTIONS) & {
        "Attractive",
        "Young",
        "Male",
        "Chubby",
        "Pale_Skin",
        "Pointy_Nose",
        "Oval_Face",
    }


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_hint_brings_its_question_forward_and_changes_no_card(
    synthetic_readings, tmp_path: Path, language
) -> None:
    photo, wishes = png(synthetic_readings[0][0]), Preferences(language=language)
    plain = look(photo, preferences=wishes)
    with_model = look(photo, preferences=wishes, model=run_folder(tmp_path / "run", 4.0))
    assert with_model.to_json()["look"] == plain.to_json()["look"]
    assert with_model.to_json()["reading"] == plain.to_json()["reading"]
    speak = Describer(language)
    assert "redness" not in speak.open_questions(plain)
    assert speak.open_questions(with_model)[0] == "redness"
    (sentence,) = speak.hinted(with_model)
    assert ("decides nothing" if language == "en" else "不决定") in sentence
    words = json.dumps(with_model.to_json())
    for label in ("Chubby", "Pale_Skin", "Pointy_Nose"):
        assert label not in words


def test_an_answer_ends_the_hint(synthetic_readings, tmp_path: Path) -> None:
    wishes = Preferences(confirmed={"redness": "no"})
    result = look(png(synthetic_readings[0][0]), preferences=wishes, model=run_folder(tmp_path / "run", 4.0))
    assert Describer("en").hinted(result) == []
    assert "redness" not in Describer("en").open_questions(result)


def test_a_folder_without_a_model_is_refused(synthetic_readings, tmp_path: Path) -> None:
    picture, reading = synthetic_readings[0]
    with pytest.raises(ModelError, match="holds no trained model"):
        hints(tmp_path, picture, reading.points)


def test_an_exported_file_says_what_its_run_says(synthetic_readings, tmp_path: Path) -> None:
    picture, reading = synthetic_readings[0]
    run, file = run_folder(tmp_path / "run", 4.0), tmp_path / "m.onnx"
    model, about = load_model(weights_of(run))
    export_onnx(file, model, about.model, about.options, {"face": 64, "skin": 32, "nose": 32}, run=run.name)
    found, expected = hints(file, picture, reading.points), hints(run, picture, reading.points)
    assert [(each.label, each.weights) for each in found] == [("Rosy_Cheeks", about.weights)]
    assert found[0].probability == pytest.approx(expected[0].probability, abs=1e-5)
    with pytest.raises(ModelError, match=r"gone\.onnx: cannot be read"):
        hints(tmp_path / "gone.onnx", picture, reading.points)
