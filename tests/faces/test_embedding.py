"""dlib's face embedding: the same numbers as dlib's own, kept on disk, and never stale."""

from __future__ import annotations

import dataclasses
import stat
from pathlib import Path

import dlib
import numpy as np
import pytest

from configs.schema import Data
from faces import dlib_models, embedding
from faces.embedding import CHIP, chip, embed, with_embedding
from faces.federation import prepare_table
from faces.recognition import RecognitionNetwork
from faces.table_store import load_table, save_table
from mien.errors import DataError, MissingModelError, RunError


@pytest.fixture
def table(make_table):
    return make_table([3, 1, 2])


@pytest.fixture
def calls(monkeypatch):
    """Count how many faces are embedded anew."""
    seen: list[int] = []

    def counting(faces, progress=None):
        seen.append(len(faces))
        return embed(faces, progress)

    monkeypatch.setattr(embedding, "embed", counting)
    return seen


def test_torch_gives_the_numbers_of_dlib():
    chips = np.random.default_rng(0).integers(0, 256, (3, CHIP, CHIP, 3), dtype=np.uint8)
    chips[1:] = chips[1:] // 4 + 90  # calmer pictures too
    chips[2, 40:110] //= 2
    path = dlib_models.recognition_path()
    ours = RecognitionNetwork(path)(chips)
    theirs = dlib.face_recognition_model_v1(str(path)).compute_face_descriptor(list(chips))
    np.testing.assert_allclose(ours, np.array(theirs), atol=1e-5)
    assert np.abs(ours).max() > 0.1


def test_a_row_does_not_depend_on_its_batch(table):
    whole = embed(table.face)
    assert whole.shape == (6, 128)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(embed(table.face[4:5])[0], whole[4], atol=1e-5)
    np.testing.assert_array_equal(embed(table.face), whole)


def test_progress_ends_with_all_rows(table):
    seen = []
    embed(table.face, lambda done, total: seen.append((done, total)))
    assert seen == [(6, 6)]


def test_the_chip_holds_the_face_as_dlib_aligns_it():
    side, marked = 64, (51.60 / 112, 38.29 / 112)  # where alignment puts the right eye: row, column
    face = np.zeros((3, side, side), np.uint8)
    row, column = (round(place * side - 0.5) for place in marked)
    face[:, row - 1 : row + 2, column - 1 : column + 2] = 255
    mass = chip(face)[:, :, 0].astype(np.float64)
    rows, columns = (np.average(np.arange(CHIP) + 0.5, weights=mass.sum(axis=axis)) for axis in (1, 0))
    # The template of dlib.get_face_chip with padding 0.25: (0.2214 + 0.25) / 1.5 and (0.2273 + 0.25) / 1.5.
    assert rows / CHIP == pytest.approx(0.314, abs=0.012)
    assert columns / CHIP == pytest.approx(0.318, abs=0.012)


def test_the_chip_repeats_the_last_row_below():
    face = np.zeros((3, 64, 64), np.uint8)
    face[:, -1] = 200
    assert (chip(face)[-8:] == 200).all()


def test_the_column_is_selected_hashed_and_checked(table):
    with_it = with_embedding(table)
    assert table.embedding is None
    np.testing.assert_array_equal(with_it.select([5, 0]).embedding, with_it.embedding[[5, 0]])
    assert with_it.content_hash != table.content_hash
    changed = dataclasses.replace(with_it, embedding=with_it.embedding + np.float32(1))
    assert changed.content_hash != with_it.content_hash
    assert with_embedding(with_it) is with_it
    with pytest.raises(DataError, match="'embedding'"):
        dataclasses.replace(table, embedding=with_it.embedding[:, :5])


def test_a_stored_table_is_without_it(table, tmp_path):
    save_table(table, tmp_path / "table")
    assert load_table(tmp_path / "table").embedding is None


def test_the_cache_is_private_and_used_once(table, tmp_path, calls):
    first = with_embedding(table, tmp_path)
    second = with_embedding(table, tmp_path)
    np.testing.assert_array_equal(first.embedding, second.embedding)
    assert calls == [6]
    (file,) = (tmp_path / "faces").glob("embedding-*.npy")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "faces").stat().st_mode) == 0o700
    with_embedding(table.select([0, 1]), tmp_path)
    assert calls == [6, 2]


@pytest.mark.parametrize("damage", ["cut", "text", "shape", "nan"])
def test_a_damaged_cache_is_made_anew(table, tmp_path, calls, damage):
    expected = with_embedding(table, tmp_path).embedding
    (file,) = (tmp_path / "faces").glob("embedding-*.npy")
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-5])
    elif damage == "text":
        file.write_text("no array")
    elif damage == "shape":
        np.save(file, expected[1:])
    else:
        np.save(file, np.full_like(expected, np.nan))
    np.testing.assert_array_equal(with_embedding(table, tmp_path).embedding, expected)
    assert calls == [6, 6]


def test_a_cache_that_cannot_be_used_says_so(table, tmp_path):
    (tmp_path / "faces").write_text("in the way")
    with pytest.raises(RunError, match="cache of embeddings"):
        with_embedding(table, tmp_path)


def test_missing_weights_say_what_to_install(table, tmp_path, monkeypatch):
    monkeypatch.setattr(dlib_models, "_RECOGNITION", Path("models") / "absent.dat")
    with pytest.raises(MissingModelError, match=r"mien\[landmarks\]"):
        with_embedding(table, tmp_path)


@pytest.mark.parametrize("keep", [0, 20_000, 22_400_000])
def test_weights_that_are_cut_short_are_refused(tmp_path, keep):
    (tmp_path / "cut.dat").write_bytes(dlib_models.recognition_path().read_bytes()[:keep])
    with pytest.raises(MissingModelError, match="not dlib's face recognition network"):
        RecognitionNetwork(tmp_path / "cut.dat")


def test_a_config_asks_for_it(small_faces, tmp_path):
    data = Data(source=small_faces, face_size=32)
    assert prepare_table(data, cache=tmp_path).embedding is None
    table = prepare_table(data.model_copy(update={"embedding": True}), cache=tmp_path)
    assert table.embedding.shape == (len(table), 128)
