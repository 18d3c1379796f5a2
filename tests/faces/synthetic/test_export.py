import io
import json

import pytest
from PIL import Image

from faces.datasets.celeba import CelebA
from faces.synthetic import export as module
from faces.synthetic.dataset import SyntheticRecord, records
from faces.synthetic.export import export
from mien.errors import DataError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "faces"
    seen = []
    count = export(
        path, persons=10, images=1, size=64, seed=30, surgery=(0.7,), progress=lambda *at: seen.append(at)
    )
    assert count == 20
    assert seen == [(done, 20) for done in range(1, 21)]
    return path


def test_it_reads_as_celeba_with_the_labels_of_the_records(folder) -> None:
    rows = CelebA(folder).records()
    assert len(rows) == 20
    expected = {f"{row.image_id}.jpg": row.labels for row in records(10, 1, seed=30)}
    got = {row.image_id: dict(row.labels) for row in rows}
    assert {name: got[name] for name in expected} == expected
    assert {row.person for row in rows} == {str(number) for number in range(30, 40)}


def test_persons_are_in_one_part_each_and_every_part_has_some(folder) -> None:
    dataset = CelebA(folder)
    parts = {}
    for row in dataset.records():
        parts.setdefault(row.person, set()).add(dataset.partition[row.image_id])
    assert all(len(values) == 1 for values in parts.values())
    assert {next(iter(values)) for values in parts.values()} == {0, 1, 2}


def test_it_says_synthetic_everywhere(folder) -> None:
    assert "SYNTHETIC" in (folder / "README.md").read_text()
    for path in sorted(folder.glob("img_align_celeba/*")):
        assert path.name.startswith("synthetic-")
        with Image.open(path) as picture:
            assert picture.size == (64, 64)
            assert b"SYNTHETIC" in picture.info["comment"]


def test_the_truth_of_every_picture_is_written(folder) -> None:
    truth = [json.loads(line) for line in (folder / "truth.jsonl").read_text().splitlines()]
    assert {row["image"] for row in truth} == {path.name for path in folder.glob("img_align_celeba/*")}
    assert all(row["synthetic"] for row in truth)
    assert {row["surgery"] for row in truth} == {0.0, 0.7}
    assert all(0 <= row["identity"]["skin"]["depth"] <= 1 for row in truth)


def test_two_exports_are_the_same_bytes(folder, tmp_path) -> None:
    again = tmp_path / "again"
    export(again, persons=10, images=1, size=64, seed=30, surgery=(0.7,))
    names = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert all((folder / name).read_bytes() == (again / name).read_bytes() for name in names)


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch) -> None:
    drawn = []

    def fail_at_the_second(self, size):
        drawn.append(self.image_id)
        if len(drawn) == 2:
            raise OSError("the disk is full")
        return SyntheticRecord.render(self, size)

    monkeypatch.setattr(
        module, "_jpeg", lambda record, size: io.BytesIO(fail_at_the_second(record, size).tobytes()).read()
    )
    with pytest.raises(OSError, match="disk is full"):
        export(tmp_path / "faces", persons=1, images=3, size=64)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_not_touched(tmp_path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(DataError, match="exists already"):
        export(tmp_path, persons=1, images=1)
    assert (tmp_path / "mine.txt").read_text() == "keep"


@pytest.mark.parametrize(
    "wrong",
    [
        {"persons": 0},
        {"images": 0},
        {"images": 1001},
        {"size": 5},
        {"seed": -1},
        {"surgery": (0.0,)},
        {"surgery": (1.5,)},
    ],
)
def test_values_out_of_range_are_refused_before_anything_is_written(tmp_path, wrong) -> None:
    with pytest.raises(DataError, match="expected"):
        export(tmp_path / "faces", **{"persons": 1, "images": 1, **wrong})
    assert list(tmp_path.iterdir()) == []
