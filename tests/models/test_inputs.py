"""One way from a table's columns to numbers in a fixed range."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mien.errors import ModelError
from models.inputs import JAW_MEAN, JAW_STD, to_inputs


def test_pictures_fill_the_documented_range() -> None:
    pictures = np.zeros((2, 3, 4, 4), dtype=np.uint8)
    pictures[1] = 255
    for name in ("skin", "nose", "face"):
        result = to_inputs({name: pictures})[name]
        assert result.dtype == torch.float32
        assert (result[0] == -1).all()
        assert (result[1] == 1).all()


def test_float_and_uint8_pictures_agree() -> None:
    pictures = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).expand(1, 3, 16, 16)
    whole, real = to_inputs({"face": pictures})["face"], to_inputs({"face": pictures / 255.0})["face"]
    torch.testing.assert_close(whole, real, atol=1e-6, rtol=0)


def test_table_stays_as_it_was() -> None:
    pictures = np.full((1, 3, 2, 2), 7, dtype=np.uint8)
    real = torch.full((1, 3, 2, 2), 0.5)
    jaw = np.ones((1, 8), dtype=np.float32)
    to_inputs({"face": pictures, "nose": real, "jaw": jaw})
    assert (pictures == 7).all()
    assert (real == 0.5).all()
    assert (jaw == 1).all()


def test_read_only_columns_are_taken() -> None:
    jaw = np.ones((2, 8), dtype=np.float32)
    pictures = np.zeros((2, 3, 2, 2), dtype=np.uint8)
    jaw.flags.writeable = pictures.flags.writeable = False
    assert set(to_inputs({"jaw": jaw, "skin": pictures})) == {"jaw", "skin"}


def test_jaw_is_standardised_by_the_published_constants() -> None:
    jaw = np.stack([np.array(JAW_MEAN), np.array(JAW_MEAN) + np.array(JAW_STD)])
    result = to_inputs({"jaw": jaw})["jaw"]
    torch.testing.assert_close(result, torch.tensor([[0.0] * 8, [1.0] * 8]), atol=1e-5, rtol=0)
    assert len(JAW_MEAN) == len(JAW_STD) == 8
    assert min(JAW_STD) > 0


def test_a_record_does_not_change_another() -> None:
    jaw = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    assert torch.equal(to_inputs({"jaw": jaw})["jaw"][2:3], to_inputs({"jaw": jaw[2:3]})["jaw"])


def test_embedding_passes_and_strangers_are_left_out() -> None:
    result = to_inputs({"embedding": np.ones((3, 4)), "labels": np.zeros((3, 40)), "persons": np.arange(3)})
    assert set(result) == {"embedding"}
    assert result["embedding"].dtype == torch.float32


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"face": np.zeros((2, 8, 8, 3), np.uint8)}, ["face", "[B, 3, H, W]", "[2, 8, 8, 3]"]),
        ({"nose": np.zeros((2, 3, 8, 8), np.int64)}, ["nose", "uint8 or float", "int64"]),
        ({"jaw": np.zeros((2, 7), np.float32)}, ["jaw", "[B, 8]", "[2, 7]"]),
        ({"jaw": np.zeros((2, 8), np.int64)}, ["jaw", "float", "int64"]),
        ({"embedding": np.zeros(4, np.float32)}, ["embedding", "[4]"]),
        (
            {"jaw": np.zeros((2, 8), np.float32), "face": np.zeros((3, 3, 8, 8), np.uint8)},
            ["one row per record", "'jaw': 2", "'face': 3"],
        ),
    ],
)
def test_refuses(columns: dict[str, np.ndarray], words: list[str]) -> None:
    with pytest.raises(ModelError) as refusal:
        to_inputs(columns)
    assert all(word in str(refusal.value) for word in words), str(refusal.value)
