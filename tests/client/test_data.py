"""A device's records: whole persons, at most k photos each, drawn by the device itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from client.data import Persons, device_table
from configs.load import parse_config
from mien.errors import DataError
from privacy.randomness import TestOnlySource


@pytest.fixture(scope="module")
def table(small_faces: str) -> Any:
    return device_table(config(small_faces), {"data": small_faces})


def config(source: str) -> Any:
    return parse_config({"data": {"source": source, "face_size": 32}, "clients": {"count": 2}, "rounds": {
        "cohort": 2, "min_survivors": 2,
    }}, where="test")  # fmt: skip


@pytest.mark.parametrize("photos", [1, 2, 5])
def test_a_stack_holds_each_person_once_with_weights_that_sum_to_one(table: Any, photos: int) -> None:
    persons = Persons(table, photos)
    chosen = np.array([0, 3, 5])
    stack = persons.stack(chosen, TestOnlySource(1))
    assert stack.rows.shape == stack.weights.shape == (3, photos)
    np.testing.assert_allclose(stack.weights.sum(axis=1), 1.0, rtol=1e-6)
    present = table.persons_present()
    for index, person in enumerate(present[chosen]):
        assert set(table.persons[stack.rows[index]]) == {person}
        used = stack.rows[index][stack.weights[index] > 0]
        assert len(set(used)) == len(used) == min(photos, len(table.rows_of_person(person)))


def test_which_photos_are_drawn_depends_on_the_source_alone(table: Any) -> None:
    persons, chosen = Persons(table, 2), np.arange(6)
    one, same, other = (persons.stack(chosen, TestOnlySource(seed)).rows for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_simulated_devices_share_no_person(small_faces: str) -> None:
    parts = [device_table(config(small_faces), {"partition-id": number}) for number in (0, 1)]
    names = [set(np.array(part.person_names)[part.persons_present()]) for part in parts]
    assert not names[0] & names[1]


def test_a_device_without_a_face_says_so(tmp_path: Any, small_faces: str) -> None:
    from PIL import Image

    (tmp_path / "photos" / "someone").mkdir(parents=True)
    Image.new("RGB", (200, 200), (90, 120, 60)).save(tmp_path / "photos" / "someone" / "wall.png")
    with pytest.raises(DataError, match="face"):
        device_table(config(small_faces), {"data": f"folder={tmp_path / 'photos'}"})
