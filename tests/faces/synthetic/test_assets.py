import json

import numpy as np
import pytest

from faces.synthetic import assets, build_assets
from faces.synthetic.head import ears
from faces.synthetic.targets import EAR_SUPPORT, PARAMETERS, all_targets
from mien.errors import DataError, DataNotFoundError


def test_the_file_is_small_enough_for_a_flower_bundle() -> None:
    assert assets.PATH.stat().st_size < 800_000


def test_every_target_of_the_recipe_is_there_and_moves_vertices_of_the_mesh() -> None:
    mesh = assets.load()
    assert sorted(mesh.targets) == all_targets()
    for name, (vertices, moves) in mesh.targets.items():
        assert moves.shape == (3, len(vertices)), name
        assert len(np.unique(vertices)) == len(vertices), name
        if len(vertices):
            assert vertices.max() < mesh.rest.shape[1], name
            assert np.abs(moves).max() < 3, name


def test_every_parameter_changes_the_head_on_both_sides() -> None:
    targets = assets.load().targets
    for name, sides in PARAMETERS.items():
        for side in sides:
            assert side, name
            assert all(len(targets[target][0]) > 10 for target in side), name


def test_the_head_is_symmetric() -> None:
    rest = assets.load().rest
    mirrored = rest * np.array([[-1], [1], [1]], np.float32)
    for points in np.array_split(mirrored, 50, axis=1):
        gaps = np.sqrt(((points[:, :, None] - rest[:, None, :]) ** 2).sum(0)).min(1)
        assert np.quantile(gaps, 0.98) < 0.01


def test_the_triangles_face_outwards() -> None:
    mesh = assets.load()
    ball = mesh.rest[:, mesh.left_eye].mean(1)
    corners = mesh.rest[:, mesh.triangles[:, mesh.surface == assets.Surface.LEFT_EYE]]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], axis=0)
    assert (((corners.mean(1) - ball[:, None]) * normals).sum(0) > 0).mean() > 0.99


def test_ears_are_at_the_sides_of_the_head_and_nowhere_else() -> None:
    rest = assets.load().rest[:, ears() > 0.5]
    assert rest.shape[1] > 100
    assert np.abs(rest[0]).min() > 0.6
    assert (rest[0] > 0).sum() == (rest[0] < 0).sum()
    assert len(EAR_SUPPORT) == 2


def test_a_flipped_bit_is_noticed(tmp_path) -> None:
    document = json.loads(assets.PATH.read_text())
    damaged = list(document["data"])
    damaged[1000] = "A" if damaged[1000] != "A" else "B"
    path = tmp_path / "assets.json"
    path.write_text(json.dumps({**document, "data": "".join(damaged)}))
    with pytest.raises(DataError, match="reinstall"):
        assets.unpack(path)


def test_changed_content_with_a_stale_digest_is_noticed(tmp_path) -> None:
    arrays, names, _ = assets.unpack(assets.PATH)
    document = json.loads(build_assets.pack(dict(arrays, rest=arrays["rest"] + 1), names))
    document["sha256"] = assets.load().digest
    path = tmp_path / "assets.json"
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match="damaged"):
        assets.unpack(path)


def test_packing_what_was_unpacked_gives_the_same_content() -> None:
    arrays, names, digest = assets.unpack(assets.PATH)
    document = json.loads(build_assets.pack(arrays, names))
    assert document["sha256"] == digest
    assert document["targets"] == names


def test_a_missing_file_says_what_to_do(tmp_path) -> None:
    with pytest.raises(DataNotFoundError, match="reinstall Mien"):
        assets.unpack(tmp_path / "assets.json")


@pytest.mark.parametrize("text", ["", "[]", '{"data": "?"}', '{"data": "AAAA", "targets": [], "arrays": []}'])
def test_a_file_that_is_no_asset_file_is_refused(tmp_path, text) -> None:
    path = tmp_path / "assets.json"
    path.write_text(text)
    with pytest.raises(DataError, match="reinstall"):
        assets.unpack(path)
