import numpy as np
import pytest

from faces.features import write_features
from mien.errors import DataError


def test_rows_are_the_paper_s_label_first_then_percent(make_table, tmp_path):
    table = make_table([1, 2, 1], marks=[1, -1, 0])
    table.jaw[:] = np.array([0.89, 0.89, 0.88, 0.85, 0.78, 0.652, 0.458, 0.24], dtype=np.float32)
    assert write_features(table, "Chubby", tmp_path / "shape.csv") == 2
    rows = (tmp_path / "shape.csv").read_text().splitlines()
    assert sorted(rows) == ["0,89,89,88,85,78,65,46,24", "1,89,89,88,85,78,65,46,24"]
    assert (tmp_path / "shape.csv").stat().st_mode & 0o077 == 0


def test_an_attribute_that_is_not_there(make_table, tmp_path):
    with pytest.raises(DataError, match="no attribute 'Bald'"):
        write_features(make_table([1, 1]), "Bald", tmp_path / "shape.csv")
    assert list(tmp_path.iterdir()) == []
