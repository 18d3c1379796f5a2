import hashlib
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from faces.synthetic.dataset import embedded_records
from faces.synthetic.head import head_of
from faces.synthetic.render import LARGEST, SMALLEST, render
from mien.errors import DataError

CHOSEN = (0, 9, 25, 333, 1001)
DRAW_IN_ORDER = """
import hashlib, sys
from faces.synthetic.dataset import embedded_records
rows = embedded_records()
for number in sys.argv[1].split(","):
    print(number, hashlib.sha256(rows[int(number)].render().tobytes()).hexdigest())
"""


def digest(picture) -> str:
    return hashlib.sha256(picture.tobytes()).hexdigest()


def test_a_picture_is_the_same_bits_in_another_process_and_order(repository) -> None:
    rows = embedded_records()
    here = {number: digest(rows[number].render()) for number in CHOSEN}
    order = ",".join(str(number) for number in reversed(CHOSEN))
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "PYTHONHASHSEED": "5"}
    output = subprocess.run(
        [sys.executable, "-c", DRAW_IN_ORDER, order],
        cwd=repository, env=environment, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    there = {int(number): value for number, value in (line.split() for line in output.splitlines())}
    assert there == here
    assert len(set(here.values())) == len(CHOSEN)


def test_a_kept_head_draws_as_a_fresh_one() -> None:
    record = embedded_records()[17]
    kept = [record.render(), record.render()]
    head_of.cache_clear()
    assert digest(record.render()) == digest(kept[0]) == digest(kept[1])


def test_a_pickled_renderer_draws_the_same() -> None:
    record = embedded_records()[40]
    copy = pickle.loads(pickle.dumps(record.render))
    assert digest(copy()) == digest(record.render())


def test_drawing_leaves_the_global_random_state_alone() -> None:
    before = np.random.get_state()[1].copy()
    embedded_records()[3].render()
    assert (np.random.get_state()[1] == before).all()


@pytest.mark.parametrize("size", [SMALLEST, 97, 200])
def test_the_size_is_the_one_asked_for(size) -> None:
    picture = embedded_records()[8].render(size)
    assert picture.shape == (size, size, 3)
    assert picture.dtype == np.uint8
    assert picture.flags.c_contiguous


def test_a_larger_picture_shows_the_same_scene() -> None:
    record = embedded_records()[8]
    small = record.render(96).astype(float)
    large = record.render(192).astype(float).reshape(96, 2, 96, 2, 3).mean((1, 3))
    assert np.corrcoef(small.ravel(), large.ravel())[0, 1] > 0.97


@pytest.mark.parametrize("size", [0, SMALLEST - 1, LARGEST + 1])
def test_other_sizes_are_refused(size) -> None:
    record = embedded_records()[0]
    with pytest.raises(DataError, match=f"size is {size} pixels"):
        render(record.truth.identity, record.truth.photo, size)
