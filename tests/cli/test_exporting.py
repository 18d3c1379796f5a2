"""`mien export` and `mien card`, from a run that was really made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from client.app import forget_devices
from faces.federation import federate
from models.inference import OnnxNetwork
from models.weights import load_model
from recommend.learnt import weights_of
from server.evaluation import evaluate
from simulations.run import simulate


class Silent:
    def started(self, run, rounds, parameters, attributes) -> None: ...

    def phase(self, round_number, name, answered, asked) -> None: ...

    def finished_round(self, line) -> None: ...


@pytest.fixture(scope="module")
def made(small_config, tmp_path_factory):
    config = small_config(
        model={"options": {"nose_width": 0.06}}, rounds={"count": 1, "cohort": 5, "min_survivors": 4}
    )
    folder = simulate(config, tmp_path_factory.mktemp("runs"), Silent()).folder.path
    forget_devices(folder)
    return config, folder


def test_export_writes_a_file_that_gives_the_run_s_scores_and_a_card_of_it(
    made, mien, tmp_path: Path
) -> None:
    config, run = made
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    code, said = mien("export", run, "--out", tmp_path / "m.onnx")
    assert code == 0, said
    assert "float32, opset 18" in said
    network = OnnxNetwork(tmp_path / "m.onnx")
    assert network.about.run == run.name
    model, about = load_model(weights_of(run))
    assert network.about.weights == about.weights
    table = federate(config.data, config.clients, config.seed).evaluation()
    expected = evaluate(model, table)
    assert np.abs(network.results(table.columns(network.inputs)) - expected.scores).max() < 1e-4
    card = json.loads((tmp_path / "MODEL_CARD.json").read_text())
    assert card["model"]["weights"] == about.weights
    assert card["files"][0]["bytes"] == (tmp_path / "m.onnx").stat().st_size
    assert {row["attribute"] for row in card["results"]} == set(model.outputs)
    assert card["results"][0]["photos"] == len(table)
    assert card["privacy"]["epsilon_spent"] == pytest.approx(8.0, rel=0.05)
    assert card["data"]["synthetic"] is False  # drawn faces in CelebA's layout: the reader cannot know
    # The run folder is sealed: nothing may be added to it.
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_int8_is_smaller(made, mien, tmp_path: Path) -> None:
    code, said = mien("export", made[1], "--out", tmp_path / "q.onnx", "--int8", "--no-card")
    assert code == 0, said
    assert OnnxNetwork(tmp_path / "q.onnx").about.precision == "int8"
    assert (tmp_path / "q.onnx").stat().st_size < weights_of(made[1]).stat().st_size
    assert not (tmp_path / "MODEL_CARD.md").exists()


def test_a_card_without_the_data_says_so(made, mien, tmp_path: Path) -> None:
    code, said = mien("card", made[1], "--out", tmp_path, "--data", f"celeba={tmp_path / 'gone'}")
    assert code == 0, said
    assert "Not measured" in said
    assert "Results: not measured" in (tmp_path / "MODEL_CARD.md").read_text()


def test_other_folders_and_local_heads_are_refused(made, mien, tmp_path: Path) -> None:
    code, said = mien("export", tmp_path, "--out", tmp_path / "m.onnx")
    assert code == 60
    assert "no run folder here" in said
    shutil.copytree(made[1], tmp_path / "run")
    config = (tmp_path / "run" / "config.toml").read_text()
    assert "local = []" in config
    config = config.replace("local = []", 'local = ["skin.output.*"]').replace(
        'mode = "distributed"', 'mode = "silo"'
    )
    (tmp_path / "run" / "config.toml").write_text(config)
    code, said = mien("export", tmp_path / "run", "--out", tmp_path / "m.onnx")
    assert code == 50
    assert "never left the devices" in said
    assert not (tmp_path / "m.onnx").exists()
