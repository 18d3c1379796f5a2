import numpy as np
import pytest
from PIL import Image

from faces.datasets.folder import PersonFolders
from mien.errors import DataError, LabelMismatchError


@pytest.fixture
def album(tmp_path):
    root = tmp_path / "album"
    for n, name in enumerate(
        ["Ada/1.jpg", "Ada/2.PNG", "Ben/b.webp", "Ben/a.bmp", "Ben/.hidden.jpg", "Ben/note.txt"]
    ):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".txt":
            file.write_text("not a picture")
        else:
            Image.fromarray(np.full((8, 8, 3), 20 * n, np.uint8)).save(file)
    (root / ".cache").mkdir()
    Image.new("RGB", (4, 4)).save(root / ".cache" / "x.jpg")
    return root


def test_each_folder_is_a_person(album):
    dataset = PersonFolders(album)
    assert [(r.image_id, r.person) for r in dataset.records()] == [
        ("Ada/1.jpg", "Ada"),
        ("Ada/2.PNG", "Ada"),
        ("Ben/a.bmp", "Ben"),
        ("Ben/b.webp", "Ben"),
    ]
    assert dataset.attributes == ()
    assert len(dataset.content_hash()) == 64


def test_labels_are_one_zero_or_unknown(album):
    (album / "labels.csv").write_text(
        "image,Chubby,Pale_Skin\nAda/1.jpg,1,0\nAda/2.PNG,-1,\nBen/a.bmp,,1\nBen/b.webp,0,0\nGone/1.jpg,1,1\n"
    )
    dataset = PersonFolders(album)
    assert dataset.attributes == ("Chubby", "Pale_Skin")
    assert [dict(r.labels) for r in dataset.records()] == [
        {"Chubby": 1, "Pale_Skin": 0},
        {"Chubby": 0},
        {"Pale_Skin": 1},
        {"Chubby": 0, "Pale_Skin": 0},
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("image,A\nAda/1.jpg,1\n", r"labels.csv has no row for 3 of 4 pictures, such as Ada/2.PNG"),
        ("image\nAda/1.jpg\n", r"labels.csv:1: expected a header"),
        ("", r"labels.csv:1: expected a header"),
        ("image,A,A\n", "each name once"),
        ("image,A\nAda/1.jpg,7\n", r"labels.csv:2: a label is 1 \(yes\).*found \[7\]"),
        ("image,A\nAda/1.jpg,1,1\n", r"labels.csv:2: 3 columns: expected 2"),
        ("image,A\nAda/1.jpg,1\nAda/1.jpg,1\n", r"labels.csv:3: Ada/1.jpg is listed a second time"),
        ("image,A\nAda/1.jpg,maybe\n", r"labels.csv:2: 'maybe' is not a whole number"),
    ],
)
def test_labels_that_do_not_fit_name_the_line(album, content, message):
    (album / "labels.csv").write_text(content)
    with pytest.raises(LabelMismatchError, match=message):
        PersonFolders(album)


def test_pictures_outside_a_persons_folder_are_explained(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "1.jpg")
    with pytest.raises(DataError, match=r"lie in no person's folder.*Make one folder for each person"):
        PersonFolders(tmp_path)


def test_an_empty_folder_is_explained(tmp_path):
    with pytest.raises(DataError, match=r"has no picture in it: expected one folder a person"):
        PersonFolders(tmp_path)
