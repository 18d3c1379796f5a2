"""An exported network gives PyTorch's results from raw columns, says what it is, and refuses what does not fit."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from mien.errors import ConfigError, ModelError
from models import registry
from models.export import FLOAT_TOLERANCE, example, export_onnx
from models.inference import OnnxNetwork
from models.inputs import to_inputs
from models.onnx_format import KEY, OPSET, OnnxAbout
from models.weights import layout_of, to_vector, weights_hash

SIDES = {"face": 64, "skin": 32, "nose": 32}
NETWORKS = {
    "face_shape": {},
    "attributes": {"nose_width": 0.05},
    "face_cnn": {"width": 8},
    "multi_attribute": {"width": 8, "standardise": True},
    "private_head": {"dimensions": 40, "hidden": 3},
    "public_head": {},
    "lenet": {},
}
LARGE = ("alexnet", "mobile_face", "multi_attribute", "nose_paper", "resnet18", "rule_prior", "skin", "vgg11")


def by_torch(model, columns):
    with torch.no_grad():
        return model.eval()(to_inputs(columns)).numpy()


@pytest.fixture(scope="module")
def skin_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "skin.onnx"
    model = registry.build("skin", seed=3, width=4)
    return path, model, export_onnx(path, model, "skin", {"width": 4}, SIDES, run="20261122T101500Z-demo")


def check(name, options, folder: Path) -> None:
    model = registry.build(name, seed=5, **options)
    about = export_onnx(folder / "m.onnx", model, name, options, SIDES)
    network = OnnxNetwork(folder / "m.onnx")
    assert (network.inputs, network.outputs) == (model.inputs, model.outputs)
    for records in (1, 5):
        columns = example(about, records, seed=records)
        expected = by_torch(model, columns)
        assert np.abs(expected).max() > 1e-3
        assert np.abs(network.results(columns) - expected).max() <= FLOAT_TOLERANCE
    if len(model.inputs) > 1:
        longer = {**columns, model.inputs[0]: example(about, 6)[model.inputs[0]]}
        with pytest.raises(ModelError, match="one row per record"):
            network.results(longer)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_small_network_gives_what_pytorch_gives(name, tmp_path) -> None:
    check(name, NETWORKS[name], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_every_large_network_gives_what_pytorch_gives(name, tmp_path) -> None:
    check(name, {}, tmp_path)


@pytest.mark.slow
def test_an_embedder_gives_what_pytorch_gives_and_no_probabilities(tmp_path) -> None:
    model = registry.build("hsanet_small_embedder", seed=5)
    about = export_onnx(tmp_path / "m.onnx", model, "hsanet_small_embedder", {}, {"face": 112})
    network, columns = OnnxNetwork(tmp_path / "m.onnx"), example(about, 2)
    assert np.abs(network.results(columns) - by_torch(model, columns)).max() <= FLOAT_TOLERANCE
    with pytest.raises(ModelError, match="gives embedding, not attributes"):
        network.probabilities(columns)


def test_every_attribute_network_is_tried() -> None:
    identity = {("logits",), ("embedding",)}
    attribute = {name for name in registry.names() if registry.spec(name).outputs not in identity}
    assert attribute == {*NETWORKS, *LARGE, "nose"}  # nose: below, as int8


def test_int8_is_a_third_of_the_size_and_near(tmp_path) -> None:
    model = registry.build("nose", seed=5)
    export_onnx(tmp_path / "f.onnx", model, "nose", {}, SIDES)
    about = export_onnx(tmp_path / "q.onnx", model, "nose", {}, SIDES, int8=True)
    assert about.precision == OnnxNetwork(tmp_path / "q.onnx").about.precision == "int8"
    sizes = [(tmp_path / name).stat().st_size for name in ("f.onnx", "q.onnx")]
    assert sizes[1] < 0.36 * sizes[0]
    columns = example(about, 8, seed=3)
    expected = by_torch(model, columns)
    assert np.abs(OnnxNetwork(tmp_path / "f.onnx").results(columns) - expected).max() <= FLOAT_TOLERANCE
    difference = np.abs(OnnxNetwork(tmp_path / "q.onnx").results(columns) - expected).max()
    assert 0 < difference < 0.1


def test_int8_is_refused_where_it_gains_nothing(tmp_path) -> None:
    with pytest.raises(ModelError, match="no layer of 16384 weights"):
        export_onnx(tmp_path / "m.onnx", registry.build("face_shape"), "face_shape", {}, SIDES, int8=True)
    assert list(tmp_path.iterdir()) == []


def test_the_file_says_where_it_came_from(skin_file) -> None:
    path, model, about = skin_file
    read = OnnxNetwork(path, threads=2).about
    layout = layout_of(model)
    assert read == about
    assert (read.model, read.options, read.run) == ("skin", {"width": 4}, "20261122T101500Z-demo")
    assert read.outputs == ("Pale_Skin", "Rosy_Cheeks")
    assert read.columns == {"skin": (3, 32, 32)}
    assert read.weights == weights_hash(layout, to_vector(model, layout))
    assert "non-commercial" in read.licence
    graph = onnx.load(path)
    assert [entry.version for entry in graph.opset_import if entry.domain in ("", "ai.onnx")] == [OPSET]
    onnx.checker.check_model(graph, full_check=True)


def test_probabilities_are_the_logistic_function_of_the_logits(skin_file) -> None:
    path, model, about = skin_file
    columns = example(about, 3)
    expected = torch.sigmoid(torch.from_numpy(by_torch(model, columns))).numpy()
    np.testing.assert_allclose(OnnxNetwork(path).probabilities(columns), expected, atol=1e-6)


def test_training_goes_on_after_an_export(tmp_path) -> None:
    model = registry.build("skin", width=4).train()
    export_onnx(tmp_path / "m.onnx", model, "skin", {"width": 4}, SIDES)
    assert model.training


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "needs the column 'skin'"),
        (
            {"skin": np.zeros((1, 3, 48, 48), np.uint8)},
            r"must be uint8 \[B, 3, 32, 32\], got uint8 \[1, 3, 48, 48\]",
        ),
        ({"skin": np.zeros((1, 3, 32, 32), np.float32)}, "must be uint8.*got float32"),
        ({"skin": np.zeros((3, 32, 32), np.uint8)}, "must be uint8"),
        ({"skin": np.uint8(1)}, "must be uint8"),
    ],
)
def test_columns_that_do_not_fit_are_refused(skin_file, columns, message) -> None:
    with pytest.raises(ModelError, match=message):
        OnnxNetwork(skin_file[0]).results(columns)


def changed(path: Path, out: Path, change) -> Path:
    graph = onnx.load(path)
    change(graph)
    onnx.save(graph, out)
    return out


def test_other_files_are_refused(skin_file, tmp_path) -> None:
    path, _, about = skin_file
    with pytest.raises(ModelError, match=r"gone\.onnx: cannot be read"):
        OnnxNetwork(tmp_path / "gone.onnx")
    with pytest.raises(ModelError, match="onnxruntime cannot load it"):
        OnnxNetwork(path.read_bytes()[:-4000])
    bare = changed(path, tmp_path / "bare.onnx", lambda graph: graph.ClearField("metadata_props"))
    with pytest.raises(ModelError, match=r"bare\.onnx: an ONNX file without Mien's metadata"):
        OnnxNetwork(bare)

    def told(**fields):
        text = OnnxAbout(**{**vars(about), **fields}).to_json()
        return changed(
            path, tmp_path / "x.onnx", lambda graph: onnx.helper.set_model_props(graph, {KEY: text})
        )

    with pytest.raises(ModelError, match=r"its graph has .*32, 32"):
        OnnxNetwork(told(columns={"skin": (3, 64, 64)}))
    with pytest.raises(ModelError, match="its metadata name 1 results"):
        OnnxNetwork(told(outputs=("Pale_Skin",)))
    with pytest.raises(ModelError, match="its metadata are damaged"):
        OnnxNetwork(told(columns={"fingerprint": (3,)}))
    with pytest.raises(ModelError, match="threads is 0"):
        OnnxNetwork(path, threads=0)


def test_a_picture_size_that_was_not_given_is_asked_for(tmp_path) -> None:
    with pytest.raises(ModelError, match="reads pictures 'nose', whose size"):
        export_onnx(tmp_path / "m.onnx", registry.build("nose"), "nose", {}, {"face": 64})


def test_without_the_packages_of_the_extra_it_says_what_to_install(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ConfigError, match=r"pip install 'mien\[export\]'"):
        export_onnx(tmp_path / "m.onnx", registry.build("face_shape"), "face_shape", {}, SIDES)
    assert list(tmp_path.iterdir()) == []
