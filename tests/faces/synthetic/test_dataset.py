from dataclasses import replace

import numpy as np
import pytest

from faces.synthetic import dataset
from faces.synthetic.dataset import content_hash, embedded_records, records, records_after, surgery_pairs
from faces.synthetic.identity import LIMIT, sample_identity
from faces.synthetic.labels import PALE_DEPTH, labels_of
from faces.synthetic.photo import EXPRESSIONS, sample_photo
from faces.synthetic.surgery import BOUND, CHANGES, EITHER_WAY, NOSE_BOUND, operate
from faces.synthetic.targets import EXPRESSION_UNITS, PARAMETERS
from mien.errors import DataError


def test_ids_are_unique_and_say_synthetic() -> None:
    rows = embedded_records() + [row for pair in surgery_pairs(2) for row in pair.after]
    assert len({row.image_id for row in rows}) == len(rows)
    assert all(row.image_id.startswith("synthetic-") and row.person.startswith("synthetic-") for row in rows)


def test_persons_have_all_their_pictures_and_one_identity() -> None:
    rows = embedded_records()
    people = {}
    for row in rows:
        people.setdefault(row.person, []).append(row)
    assert len(people) == dataset.PERSONS
    assert all(len(pictures) == dataset.IMAGES for pictures in people.values())
    assert all(len({row.truth.identity for row in pictures}) == 1 for pictures in people.values())
    assert all(len({row.truth.photo for row in pictures}) == dataset.IMAGES for pictures in people.values())


def test_a_person_does_not_depend_on_how_many_are_asked_for() -> None:
    few, many = records(2, 3, seed=50), records(4, 5, seed=49)
    wanted = {row.image_id: row for row in many}
    assert all(wanted[row.image_id] == row for row in few)


def test_every_attribute_is_marked_on_every_picture_and_is_neither_rare_nor_the_rule() -> None:
    rows = embedded_records()
    names = set(rows[0].labels)
    assert all(set(row.labels) == names for row in rows)
    assert {"Chubby", "Pale_Skin", "Rosy_Cheeks", "Pointy_Nose"} <= names
    share = {name: np.mean([row.labels[name] for row in rows]) for name in names}
    for name in ("Chubby", "Pale_Skin", "Rosy_Cheeks", "Pointy_Nose"):
        assert 0.15 <= share[name] <= 0.35, (name, share[name])
    assert all(0.02 <= value <= 0.85 for value in share.values()), share


def test_labels_follow_the_numbers_that_draw_the_picture() -> None:
    person, photo = sample_identity(2), sample_photo(9)
    pale = replace(person, skin=replace(person.skin, depth=PALE_DEPTH - 0.01))
    dark = replace(person, skin=replace(person.skin, depth=PALE_DEPTH + 0.01))
    assert (labels_of(pale, photo)["Pale_Skin"], labels_of(dark, photo)["Pale_Skin"]) == (1, 0)
    narrow = person.with_shape(dict.fromkeys(("nose-width3", "nose-scale-horiz", "nose-point-width"), -0.9))
    wide = person.with_shape(dict.fromkeys(("nose-width3", "nose-scale-horiz", "nose-point-width"), 0.9))
    assert (labels_of(narrow, photo)["Pointy_Nose"], labels_of(wide, photo)["Pointy_Nose"]) == (1, 0)
    full = person.with_shape({"head-fat": 0.9, "cheek-volume": 0.9, "neck-double": 0.9})
    thin = person.with_shape({"head-fat": -0.9, "cheek-volume": -0.9, "neck-double": -0.9})
    assert (labels_of(full, photo)["Chubby"], labels_of(thin, photo)["Chubby"]) == (1, 0)
    flushed = replace(person, skin=replace(person.skin, blush=0.9))
    assert labels_of(flushed, replace(photo, flush=1.0))["Rosy_Cheeks"] == 1
    assert labels_of(flushed, replace(photo, flush=0.2))["Rosy_Cheeks"] == 0
    assert labels_of(person, replace(photo, expression="smile"))["Smiling"] == 1
    assert labels_of(person, replace(photo, expression="sad"))["Smiling"] == 0
    bald = replace(person, hair=replace(person.hair, bald=True, colour="black"))
    assert (labels_of(bald, photo)["Bald"], labels_of(bald, photo)["Black_Hair"]) == (1, 0)


def test_sampled_numbers_stay_in_their_ranges() -> None:
    for seed in range(60):
        person = sample_identity(seed)
        assert set(person.shape()) == set(PARAMETERS)
        assert max(abs(value) for value in person.shape().values()) <= LIMIT
        assert sum(person.bases) == pytest.approx(1)
        assert 0.5 <= person.age <= 0.95
        assert 0 <= person.skin.depth <= 1
        photo = sample_photo(seed)
        assert max(abs(photo.pose.yaw), abs(photo.pose.pitch)) <= 15
        assert {name for name, _ in photo.units} <= set(EXPRESSION_UNITS)
        assert photo.expression in EXPRESSIONS
    assert sample_identity(5) == sample_identity(5) != sample_identity(6)


def test_unknown_shape_parameters_are_refused() -> None:
    with pytest.raises(DataError, match="nose-width9"):
        sample_identity(0).with_shape({"nose-width9": 1.0})


def test_surgery_changes_the_shape_and_nothing_else() -> None:
    for pair in surgery_pairs(3):
        before, after = pair.before[0].truth.identity, pair.after[0].truth.identity
        assert after.surgery == pair.strength
        assert replace(after, parameters=before.parameters, surgery=0.0) == before
        changed = {name for name, value in after.shape().items() if value != before.shape()[name]}
        assert changed
        assert changed <= set(CHANGES) | set(EITHER_WAY)
        conditions = [{row.truth.photo.seed for row in rows} for rows in (pair.before, pair.after)]
        assert not conditions[0] & conditions[1]


def test_strengths_are_steps_on_one_path_and_stay_within_bounds() -> None:
    for seed in range(40):
        person = sample_identity(seed)
        assert operate(person, 0.0).shape() == person.shape()
        path = [operate(person, strength).shape() for strength in (0.0, 0.35, 0.7, 1.0)]
        for name in (*CHANGES, *EITHER_WAY):
            steps = np.diff([shape[name] for shape in path])
            assert (steps >= 0).all() or (steps <= 0).all()
            assert abs(path[-1][name]) <= (NOSE_BOUND if name.startswith("nose") else BOUND)


@pytest.mark.parametrize("strength", [-0.1, 1.01, float("nan")])
def test_other_strengths_are_refused(strength) -> None:
    with pytest.raises(DataError, match="surgery strength"):
        operate(sample_identity(0), strength)


def test_an_operation_shows_in_the_middle_of_the_face_under_the_same_conditions() -> None:
    before = records(1, 1, seed=12)[0].render(96).astype(float)
    changes = []
    for strength in (0.35, 1.0):
        after = records_after(12, strength, 1)[0].render(96).astype(float)
        changes.append(np.abs(after - before).mean(-1))
        assert np.abs(after - before)[:6].mean() < 1.0  # the background is as it was
    assert 0.5 < changes[0].mean() < changes[1].mean()


def test_the_content_hash_follows_the_code(tmp_path, monkeypatch) -> None:
    first = content_hash()
    assert len(first) == 64
    monkeypatch.setattr(dataset, "SIZE", dataset.SIZE + 1)
    content_hash.cache_clear()
    try:
        assert content_hash() != first
    finally:
        monkeypatch.undo()
        content_hash.cache_clear()
    assert content_hash() == first


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(DataError, match="seed is -1"):
        sample_identity(-1)


def test_moles_are_neither_on_the_lips_nor_on_the_forehead() -> None:
    moles = [mole for seed in range(200) for mole in sample_identity(seed).skin.moles]
    assert len(moles) > 50
    assert all(abs(x) > 0.3 and y < 7.2 for x, y, _ in moles)
