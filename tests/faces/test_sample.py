import dataclasses

import numpy as np
import pytest

from faces.sample import FaceTable
from faces.table_store import load_table, save_table
from mien.errors import DataError


@pytest.fixture
def table(make_table):
    return make_table([3, 1, 4], marks=[1, 0, -1])


def test_a_row_is_typed_and_holds_its_columns(table):
    row = table[5]
    assert row.image_id == "00005.jpg"
    assert row.person == table.persons[5]
    np.testing.assert_array_equal(row.face, table.face[5])
    assert row.labels == {"Chubby": int(table.labels[5, 0])}


def test_select_keeps_order_and_the_numbers_of_persons(table):
    chosen = table.select([6, 0, 6])
    assert chosen.image_ids == ("00006.jpg", "00000.jpg", "00006.jpg")
    assert chosen.person_names == table.person_names
    np.testing.assert_array_equal(chosen.persons, table.persons[[6, 0, 6]])
    np.testing.assert_array_equal(chosen.skin, table.skin[[6, 0, 6]])
    chosen.face[:] = 0
    assert table.face.max() > 0
    assert len(table.select(np.array([], dtype=np.int64))) == 0


def test_rows_of_a_person(table):
    rows = table.rows_of_person(2)
    assert len(rows) == 4
    assert (table.persons[rows] == 2).all()
    assert table.select(rows).persons_present().tolist() == [2]


def test_a_missing_attribute_names_those_that_are_there(table):
    assert table.label("Chubby").tolist() == table.labels[:, 0].tolist()
    with pytest.raises(DataError, match="no attribute 'Bald': it has Chubby"):
        table.label("Bald")


@pytest.mark.parametrize(
    ("column", "wrong"),
    [
        ("jaw", lambda t: t.jaw[:-1]),
        ("jaw", lambda t: t.jaw.astype(np.float64)),
        ("skin", lambda t: t.skin[:, :, :4]),
        ("face", lambda t: t.face[:, :1]),
        ("landmarks", lambda t: t.landmarks[:, :5]),
        ("labels", lambda t: t.labels.repeat(2, axis=1)),
        ("labels", lambda t: t.labels + np.int8(5)),
        ("persons", lambda t: t.persons + 9),
        ("persons", lambda t: t.persons - 1),
        ("attributes", lambda t: ("Chubby", "Chubby")),
    ],
)
def test_what_does_not_fit_is_refused(table, column, wrong):
    with pytest.raises(DataError):
        dataclasses.replace(table, **{column: wrong(table)})


def test_the_content_hash_depends_on_every_column(table):
    changes = {
        "image_ids": ("x", *table.image_ids[1:]),
        "person_names": ("x", *table.person_names[1:]),
        "attributes": ("Bald",),
        "persons": np.roll(table.persons, 1),
        "labels": -table.labels,
        **{name: getattr(table, name)[::-1] for name in ("jaw", "skin", "nose", "face", "landmarks")},
    }
    hashes = [dataclasses.replace(table, **{name: value}).content_hash for name, value in changes.items()]
    assert len({table.content_hash, *hashes}) == len(changes) + 1
    assert table.select(range(len(table))).content_hash == table.content_hash


def test_a_saved_table_comes_back_as_shared_read_only_maps(table, tmp_path):
    save_table(table, tmp_path / "table")
    loaded = load_table(tmp_path / "table")
    assert loaded.content_hash == table.content_hash
    del loaded.__dict__["content_hash"]
    assert loaded.content_hash == table.content_hash
    assert type(loaded.face) is np.ndarray
    assert isinstance(loaded.face.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        loaded.face[0] = 0
    assert list(tmp_path.iterdir()) == [tmp_path / "table"]


def test_an_empty_table_can_be_saved(table, tmp_path):
    none = table.select([])
    save_table(none, tmp_path / "none")
    assert load_table(tmp_path / "none").content_hash == none.content_hash


@pytest.mark.parametrize("damage", ["cut", "gone", "manifest", "shape"])
def test_a_damaged_table_is_an_error_and_not_wrong_data(table, tmp_path, damage):
    folder = tmp_path / "table"
    save_table(table, folder)
    if damage == "cut":
        (folder / "face.npy").write_bytes((folder / "face.npy").read_bytes()[:-7])
    elif damage == "gone":
        (folder / "jaw.npy").unlink()
    elif damage == "manifest":
        (folder / "manifest.json").write_text("{")
    else:
        np.save(folder / "jaw.npy", table.jaw[:-1])
    with pytest.raises(DataError):
        load_table(folder)


def test_a_table_that_is_there_is_not_replaced(table, make_table, tmp_path):
    save_table(table, tmp_path / "table")
    save_table(make_table([2]), tmp_path / "table")
    assert load_table(tmp_path / "table").content_hash == table.content_hash
    assert isinstance(load_table(tmp_path / "table"), FaceTable)
