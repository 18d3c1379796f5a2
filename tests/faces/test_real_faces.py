"""What the crops are on real photos, where these are on the machine."""

from __future__ import annotations

import numpy as np
import pytest

from faces.alignment import five_points
from faces.datasets import open_dataset
from faces.images import load_image
from faces.landmarks import find_faces, find_one_face, fit_landmarks, search_faces
from faces.prepare import PrepareOptions, prepare
from faces.split import split_by_person
from mien.errors import LabelMismatchError, NoFaceError, SeveralFacesError

pytestmark = pytest.mark.real_faces

TABLES = ("list_attr_celeba.txt", "identity_CelebA.txt", "list_eval_partition.txt")


@pytest.fixture(scope="module")
def part(real_faces, tmp_path_factory):
    """Return a function that lays out the first pictures of a folder, as links, with the whole tables."""

    def lay_out(folder, count):
        root = tmp_path_factory.mktemp(folder)
        (root / "img_align_celeba").mkdir()
        for picture in sorted((real_faces / folder / "img_align_celeba").iterdir())[:count]:
            (root / "img_align_celeba" / picture.name).symlink_to(picture)
        for table in TABLES:
            (root / table).symlink_to(real_faces / folder / table)
        return root

    return lay_out


@pytest.fixture(scope="module")
def table(part, tmp_path_factory):
    dataset = open_dataset(f"celeba={part('celeba-faces', 240)}")
    return prepare(dataset, PrepareOptions(workers=1), tmp_path_factory.mktemp("cache"))


def test_nearly_every_face_is_found(table):
    assert table.report.read == 240
    assert table.report.kept >= 235
    assert len(table.attributes) == 40


def test_eyes_nose_and_mouth_lie_where_the_template_has_them(table):
    placed = np.stack([five_points(landmarks.astype(np.float64)) for landmarks in table.landmarks])
    template = [(0.342, 0.461), (0.658, 0.461), (0.5, 0.641), (0.370, 0.824), (0.630, 0.824)]
    np.testing.assert_allclose(np.median(placed, axis=0), template, atol=0.03)


def test_jaws_are_about_one_average_face_wide_and_narrow_to_the_chin(table):
    middle = np.median(table.jaw, axis=0)
    assert middle[0] == pytest.approx(1.0, abs=0.03)
    assert (np.diff(middle) < 0).all()
    assert (table.jaw.std(axis=0) > 0.01).all()  # each of the eight says something


def test_skin_is_found_on_cheeks_and_nose(table):
    kept = table.skin.max(axis=1) > 0
    cheeks = kept[:, 18:22, 8:24].mean(axis=(1, 2))
    assert np.mean(cheeks) > 0.9
    assert np.mean(cheeks > 0.5) > 0.93


def test_no_test_person_is_seen_in_training(table):
    train, test = split_by_person(table, 0.2, 0)
    names = [{table.person_names[person] for person in table.persons[rows]} for rows in (train, test)]
    assert names[0].isdisjoint(names[1])


def test_small_aligned_crops_need_doubling(part):
    records = open_dataset(f"celeba={part('celeba-small', 60)}").records()
    images = [load_image(record.source) for record in records]
    assert sum(bool(find_faces(image)) for image in images) < 12
    assert sum(bool(search_faces(image)) for image in images) >= 55


def test_photos_as_people_take_them_give_one_face_or_a_reason(part):
    records = open_dataset(f"celeba={part('photos', 40)}").records()
    outcomes = []
    for record in records:
        image = load_image(record.source)
        try:
            landmarks = fit_landmarks(image, find_one_face(image))
        except (NoFaceError, SeveralFacesError) as error:
            outcomes.append(type(error))
            continue
        height, width = image.shape[:2]
        assert ((landmarks.mean(axis=0) > 0) & (landmarks.mean(axis=0) < (width, height))).all()
        outcomes.append(None)
    assert outcomes.count(None) >= 32


def test_a_group_has_several_faces(part):
    """Four portraits side by side are a group picture."""
    records = open_dataset(f"celeba={part('celeba-faces', 4)}").records()
    faces = [load_image(record.source) for record in records]
    height = min(face.shape[0] for face in faces)
    group = np.concatenate([face[:height] for face in faces], axis=1)
    with pytest.raises(SeveralFacesError, match="4 faces were found"):
        find_one_face(group)
    box = find_one_face(group, choose="largest")
    assert box.area == max(each.area for each in find_faces(group))


def test_a_label_file_of_another_folder_is_noticed(part, real_faces):
    root = part("celeba-faces", 5)
    (root / "list_attr_celeba.txt").unlink()
    (root / "list_attr_celeba.txt").symlink_to(real_faces / "celeba-small" / "list_attr_celeba.txt")
    with pytest.raises(LabelMismatchError, match=r"has no row for 5 of 5 pictures, such as 182638\.jpg"):
        open_dataset(f"celeba={root}")
