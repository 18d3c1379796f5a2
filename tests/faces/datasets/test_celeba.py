import csv
import io
import re
import shutil

import pytest

from faces.datasets import open_dataset
from faces.datasets.celeba import CelebA
from mien.errors import DataError, DataNotFoundError, LabelMismatchError

ATTR, IDENTITY, PARTITION = "list_attr_celeba.txt", "identity_CelebA.txt", "list_eval_partition.txt"


def test_the_official_layout_is_read(celeba):
    dataset = open_dataset(f"celeba={celeba()}")
    records = dataset.records()
    assert dataset.attributes == ("Chubby", "Pale_Skin")
    assert [r.image_id for r in records] == [f"{n:06d}.jpg" for n in range(1, 7)]
    assert [r.person for r in records] == ["100"] * 3 + ["101"] * 3
    assert [dict(r.labels) for r in records[:2]] == [
        {"Chubby": 0, "Pale_Skin": 0},
        {"Chubby": 1, "Pale_Skin": 0},
    ]
    assert all(r.source.is_file() for r in records)
    assert dataset.partition["000003.jpg"] == 2
    assert (dataset.kind, dataset.synthetic) == ("celeba", False)


def test_csv_files_with_zeros_and_ones_mean_the_same(celeba):
    official = celeba()
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["image_id", "Chubby", "Pale_Skin"])
    writer.writerows([f"{n:06d}.jpg", (n - 1) % 2, 0] for n in range(1, 7))
    other = celeba(
        name="mirror",
        files={
            ATTR: "",
            IDENTITY: "",
            PARTITION: "",
            "list_attr_celeba.csv": out.getvalue(),
            "identity_CelebA.csv": "image_id,identity\n"
            + (official / IDENTITY).read_text().replace(" ", ","),
            "list_eval_partition.csv": "image_id,partition\n"
            + (official / PARTITION).read_text().replace(" ", ","),
        },
    )
    pictures = other / "img_align_celeba"  # one mirror unpacks a folder within the folder
    pictures.rename(other / "inner")
    pictures.mkdir()
    (other / "inner").rename(pictures / "img_align_celeba")

    assert CelebA(other).attributes == CelebA(official).attributes
    assert CelebA(other).content_hash() == CelebA(official).content_hash()
    assert CelebA(other).partition == CelebA(official).partition


def test_a_subset_of_the_pictures_keeps_the_whole_tables(celeba):
    root = celeba()
    (root / "img_align_celeba" / "000002.jpg").unlink()
    dataset = CelebA(root)
    assert "000002.jpg" not in [r.image_id for r in dataset.records()]
    assert len(dataset.records()) == 5
    assert dataset.listed_but_absent == 1


def test_the_hash_depends_on_pictures_persons_and_labels_and_not_on_the_place(celeba, tmp_path):
    root = celeba()
    first = CelebA(root).content_hash()
    copy = tmp_path / "elsewhere"
    shutil.copytree(root, copy)
    assert CelebA(copy).content_hash() == first
    picture = root / "img_align_celeba" / "000004.jpg"
    picture.write_bytes(picture.read_bytes() + b"\0")
    second = CelebA(root).content_hash()
    (root / IDENTITY).write_text((root / IDENTITY).read_text().replace("101", "102"))
    third = CelebA(root).content_hash()
    (root / ATTR).write_text((root / ATTR).read_text().replace("000005.jpg -1", "000005.jpg 1"))
    assert len({first, second, third, CelebA(root).content_hash()}) == 4


def rows(*lines):
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (ATTR, rows("2", "Chubby", "000001.jpg 1", "000002.jpg -1"),
         r"has no row for 4 of 6 pictures, such as 000003.jpg, 0"),
        (IDENTITY, rows("000001.jpg 5"), r"identity_CelebA.txt has no row for 5 of 6"),
        (PARTITION, rows("000001.jpg 0"), r"list_eval_partition.txt has no row for 5 of 6"),
        (PARTITION, rows(*(f"{n:06d}.jpg {n}" for n in range(1, 7))), r"000003.jpg is in part 3"),
        (ATTR, rows("7", "A", *(f"{n:06d}.jpg 1" for n in range(1, 7))), r"says it lists 7 pictures and lists 6"),
        (ATTR, rows("1", "A B", "000001.jpg 1 1 1"), r"list_attr_celeba.txt:3: 4 columns: expected 3"),
        (ATTR, rows("1", "A B", "000001.jpg 1 yes"), r"txt:3: 'yes' is not a whole number"),
        (ATTR, rows("2", "A B", "000001.jpg 1 0", "000002.jpg -1 1"), r"txt:4: .*found \[-1, 0, 1\]"),
        (ATTR, rows("1", "A B", "000001.jpg 1 2"), r"found \[1, 2\]"),
        (ATTR, rows("2", "A", "000001.jpg 1", "000001.jpg 1"), r"txt:4: 000001.jpg is listed a second"),
        (ATTR, rows("x", "A", "000001.jpg 1"), r"txt:1: 'x' is not a whole number"),
        (ATTR, rows("5"), "no attribute names"),
        (ATTR, rows("1", "A A", "000001.jpg 1 1"), "txt:2: an attribute is named twice"),
        (ATTR, b"\xff\xfe\x00 nonsense \x9f", "not a text file"),
        (IDENTITY, rows("000001.jpg five"), r"identity_CelebA.txt:1: 'five'"),
        (IDENTITY, rows("000001.jpg 1 2"), r"identity_CelebA.txt:1: 3 columns: expected 2"),
    ],
)  # fmt: skip
def test_tables_that_do_not_fit_name_file_and_line(celeba, file, content, message):
    with pytest.raises(LabelMismatchError, match=message) as caught:
        CelebA(celeba(files={file: content}))
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize("gone", [ATTR, IDENTITY, "img_align_celeba"])
def test_what_is_missing_is_named(celeba, gone):
    root = celeba()
    shutil.rmtree(root / gone) if gone == "img_align_celeba" else (root / gone).unlink()
    with pytest.raises(DataNotFoundError, match=re.escape(gone.removesuffix(".txt"))):
        CelebA(root)


def test_the_partition_is_optional(celeba):
    root = celeba()
    (root / PARTITION).unlink()
    assert CelebA(root).partition == {}


def test_no_picture_at_all(celeba):
    with pytest.raises(DataError, match="has no picture in it"):
        CelebA(celeba(count=0))
