import pickle

import numpy as np
import pytest

from faces.datasets import open_dataset
from mien.errors import ConfigError, DataNotFoundError


@pytest.mark.parametrize("spec", ["", "lfw=/somewhere", "celebA", "celeba=", "folder= ", "embedded=/x"])
def test_what_names_no_dataset_is_a_config_error(spec):
    with pytest.raises(ConfigError, match=r"celeba=PATH|lacks its path"):
        open_dataset(spec)


@pytest.mark.parametrize("kind", ["celeba", "folder"])
def test_a_path_that_is_not_there_is_named(kind, tmp_path):
    with pytest.raises(DataNotFoundError, match=r"nowhere does not exist: expected a folder, found nothing"):
        open_dataset(f"{kind}={tmp_path / 'nowhere'}")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataNotFoundError, match="found a file"):
        open_dataset(f"{kind}={tmp_path / 'file'}")


def test_the_embedded_faces_are_synthetic_and_drawn_on_demand():
    dataset = open_dataset("embedded")
    records = dataset.records()
    assert dataset.synthetic
    assert "synthetic" in dataset.name
    assert {"Chubby", "Pale_Skin", "Pointy_Nose"} <= set(dataset.attributes)
    assert len({r.person for r in records}) > 20
    assert len({r.image_id for r in records}) == len(records)
    assert len(dataset.content_hash()) == 64
    drawn = records[0].source()
    assert drawn.dtype == np.uint8
    assert drawn.shape[2] == 3
    again = pickle.loads(pickle.dumps(records[0].source))()
    np.testing.assert_array_equal(drawn, again)
