"""The flat vector and the file give back exactly what went in, and refuse everything else."""

from __future__ import annotations

import copy
import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mien.errors import ModelError
from models import registry
from models.weights import (
    ParameterLayout,
    float_buffers,
    from_vector,
    layout_of,
    load_model,
    load_weights,
    save_model,
    to_vector,
    weights_hash,
)

SHARED = ("attributes", "face_cnn", "face_shape", "hsanet_small", "private_head")


def _states_equal(one: nn.Module, two: nn.Module) -> bool:
    first, second = one.state_dict(), two.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", SHARED)
def test_round_trip(name: str) -> None:
    model, other = registry.build(name, seed=1), registry.build(name, seed=2)
    layout = layout_of(model)
    assert layout == layout_of(other)
    assert layout.length == sum(parameter.numel() for parameter in model.parameters())
    assert not _states_equal(model, other)
    from_vector(other, layout, to_vector(model, layout))
    assert _states_equal(model, other)


def test_order_is_by_name_and_row_major() -> None:
    model = nn.ModuleDict({"b": nn.Linear(2, 3), "a": nn.Linear(1, 1)})
    layout = layout_of(model)
    assert layout.names == ("a.bias", "a.weight", "b.bias", "b.weight")
    assert layout.shapes == ((1,), (1, 1), (3,), (3, 2))
    assert layout.offsets == (0, 1, 2, 5)
    vector = to_vector(model, layout)
    assert vector[5:].tolist() == model["b"].weight.detach().flatten().tolist()
    views = layout.views(vector)
    views["a.bias"][0] = 42.0
    assert vector[0] == 42.0


def test_vector_goes_into_the_given_buffer() -> None:
    model = registry.build("face_shape")
    layout = layout_of(model)
    buffer = np.empty(layout.length, dtype=np.float32)
    assert to_vector(model, layout, buffer) is buffer
    parameters = list(model.parameters())
    from_vector(model, layout, buffer * 2)
    assert [a is b for a, b in zip(parameters, model.parameters(), strict=True)] == [True] * len(parameters)
    np.testing.assert_array_equal(to_vector(model, layout), buffer * 2)


def test_hashes() -> None:
    model = registry.build("face_shape")
    layout = layout_of(model)
    vector = to_vector(model, layout)
    expected = hashlib.sha256(bytes.fromhex(layout.hash) + vector.astype("<f4").tobytes()).hexdigest()
    assert weights_hash(layout, vector) == expected
    vector[-1] = np.nextafter(vector[-1], np.float32(9))
    assert weights_hash(layout, vector) != expected
    swapped = ParameterLayout(layout.names[::-1], layout.shapes[::-1])
    assert swapped.hash != layout.hash
    assert layout.hash == layout_of(registry.build("face_shape", seed=9)).hash
    assert layout.hash != layout_of(registry.build("face_shape", hidden=17)).hash


def test_running_statistics_are_refused_unless_listed() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    with pytest.raises(ModelError, match=r"'1\.running_mean'.*GroupNorm"):
        layout_of(model)
    layout = layout_of(model, buffers=float_buffers(model))
    assert "1.running_var" in layout.names
    other = copy.deepcopy(model)
    model[1].running_var.fill_(7.0)
    from_vector(other, layout, to_vector(model, layout))
    assert (other[1].running_var == 7).all()
    with pytest.raises(ModelError, match=r"no buffer '1\.running_median'"):
        layout_of(model, buffers=(*float_buffers(model), "1.running_median"))


def test_refuses_other_types_and_lengths() -> None:
    with pytest.raises(
        ModelError, match=r"'weight' must be float32.*float64|'bias' must be float32.*float64"
    ):
        layout_of(nn.Linear(2, 2).double())
    model = registry.build("face_shape")
    layout = layout_of(model)
    before = to_vector(model, layout)
    for wrong in (before[:-1], before.astype(np.float64), before[None], np.repeat(before, 2)[::2]):
        with pytest.raises(ModelError, match=f"float32 vector of {layout.length}"):
            from_vector(model, layout, wrong)
        with pytest.raises(ModelError, match=f"float32 vector of {layout.length}"):
            weights_hash(layout, wrong)
    np.testing.assert_array_equal(to_vector(model, layout), before)


def test_refuses_the_layout_of_another_model() -> None:
    model = registry.build("face_shape")
    with pytest.raises(
        ModelError, match=r"'layers\.0\.bias': the layout expects shape \[17\], the model has \[16\]"
    ):
        to_vector(model, layout_of(registry.build("face_shape", hidden=17)))
    with pytest.raises(ModelError, match=r"'body\.0\.bias' is in the layout but not in the model"):
        to_vector(registry.build("private_head"), layout_of(registry.build("private_head", hidden=3)))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("face_cnn", {"attributes": ["Bald", "Bangs"], "width": 8}),
        ("face_shape", {}),
        ("hsanet_small", {"classes": 3}),
    ],
)
def test_file_round_trip(name: str, options: dict, tmp_path: Path) -> None:
    model = registry.build(name, seed=4, **options)
    about = save_model(tmp_path / "m.safetensors", model, name, options, notes={"made": "for a test"})
    again, read = load_model(tmp_path / "m.safetensors")
    assert read == about
    assert read.notes == {"made": "for a test"}
    assert _states_equal(model, again)
    assert again.outputs == model.outputs
    layout = layout_of(model)
    assert read.weights == weights_hash(layout, to_vector(model, layout))


def test_file_keeps_running_statistics(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    model[1].running_mean.fill_(0.25)
    save_model(tmp_path / "m", model, "resnet50")
    other = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    load_weights(other, tmp_path / "m")
    assert (other[1].running_mean == 0.25).all()
    assert torch.equal(other[0].weight, model[0].weight)


def test_file_of_other_shapes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m"
    save_model(path, registry.build("face_shape", hidden=17), "face_shape", {"hidden": 17})
    model = registry.build("face_shape")
    before = copy.deepcopy(model)
    with pytest.raises(ModelError) as refusal:
        load_weights(model, path)
    words = ["'layers.0.bias'", "expected float32 [16]", "found float32 [17]", "face_shape", "17"]
    assert all(word in str(refusal.value) for word in words), str(refusal.value)
    with pytest.raises(ModelError, match="expected no such tensor, found float32"):
        load_weights(registry.build("private_head"), path)
    assert _states_equal(model, before)


def _rewrite(path: Path, change) -> None:
    """Apply ``change(header, data)`` to a safetensors file."""
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header, data = json.loads(content[8 : 8 + size]), bytearray(content[8 + size :])
    change(header, data)
    encoded = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + bytes(data))


def _flip(header: dict, data: bytearray) -> None:
    data[0] ^= 1


def _not_a_number(header: dict, data: bytearray) -> None:
    data[0:4] = struct.pack("<f", float("nan"))


def _wrong_hash_type(header: dict, data: bytearray) -> None:
    header["layers.0.bias"]["dtype"] = "I32"


def _no_metadata(header: dict, data: bytearray) -> None:
    del header["__metadata__"]


def _damaged_options(header: dict, data: bytearray) -> None:
    header["__metadata__"]["options"] = "{"


def _no_options(header: dict, data: bytearray) -> None:
    del header["__metadata__"]["options"]


def _other_model(header: dict, data: bytearray) -> None:
    header["__metadata__"]["model"] = "squeezenet"


def _other_option(header: dict, data: bytearray) -> None:
    header["__metadata__"]["options"] = '{"depth":3}'


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_flip, "weights were changed"),
        (_not_a_number, "not finite"),
        (_wrong_hash_type, r"expected float32 \[16\], found int32 \[16\]"),
        (_no_metadata, "expected format 'mien-weights-1', found None"),
        (_damaged_options, "metadata are damaged"),
        (_no_options, "metadata are damaged"),
        (_other_model, "unknown model 'squeezenet'"),
        (_other_option, "no option 'depth'"),
    ],
)
def test_damaged_files_are_refused(change, message: str, tmp_path: Path) -> None:
    path = tmp_path / "m"
    save_model(path, registry.build("face_shape"), "face_shape")
    _rewrite(path, change)
    with pytest.raises(ModelError, match=message):
        load_model(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip", b"\xff" * 64])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(ModelError, match="not a readable safetensors file"):
        load_model(tmp_path / "m")


def test_absent_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        load_model(tmp_path / "m")
    with pytest.raises(ModelError, match="not a readable"):
        load_model(tmp_path)


def test_nothing_is_written_when_weights_are_not_finite(tmp_path: Path) -> None:
    model = registry.build("face_shape")
    with torch.no_grad():
        model.layers[2].bias.fill_(float("inf"))
    with pytest.raises(ModelError, match=r"'layers.2.bias'.*not finite"):
        save_model(tmp_path / "m", model, "face_shape")
    assert list(tmp_path.iterdir()) == []


def test_the_same_shapes_with_other_attributes_are_refused(tmp_path: Path) -> None:
    options = {"attributes": ["Bald", "Bangs"], "width": 8}
    save_model(tmp_path / "m", registry.build("face_cnn", seed=1, **options), "face_cnn", options)
    turned = registry.build("face_cnn", seed=2, attributes=["Bangs", "Bald"], width=8)
    before = copy.deepcopy(turned)
    with pytest.raises(ModelError, match=r"its results are Bald, Bangs; expected .*Bangs, Bald"):
        load_weights(turned, tmp_path / "m")
    assert _states_equal(turned, before)
