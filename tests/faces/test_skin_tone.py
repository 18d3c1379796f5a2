"""Groups by measured depth of skin: the colour that was painted is found, and persons stay whole."""

import numpy as np
import pytest

from faces.alignment import apply, canonical_matrix
from faces.colour import ita, linear_to_lab, srgb8_to_linear
from faces.skin_tone import DEPTH_EDGES, DEPTHS, person_depths, photo_ita

SIDE = 64


def landmarks():
    """Eyes and mouth where aligned faces have them; the other points in the middle."""
    points = np.full((68, 2), 0.5)
    points[36:42] = [(0.28, 0.46), (0.32, 0.44), (0.36, 0.44), (0.40, 0.46), (0.36, 0.48), (0.32, 0.48)]
    points[42:48] = [(0.60, 0.46), (0.64, 0.44), (0.68, 0.44), (0.72, 0.46), (0.68, 0.48), (0.64, 0.48)]
    points[48], points[54] = (0.37, 0.82), (0.63, 0.82)
    return points


def painted(colour, noise=0):
    face = np.zeros((3, SIDE, SIDE), np.uint8) + np.array(colour, np.uint8)[:, None, None]
    if noise:
        change = np.random.default_rng(1).integers(-noise, noise + 1, face.shape)
        face = np.clip(face.astype(int) + change, 0, 255).astype(np.uint8)
    return face


@pytest.mark.parametrize(
    ("code", "angle"), [("f6ede4", 83.0), ("d7bd96", 50.3), ("a07e56", 10.9), ("604134", -55.4)]
)
def test_the_angle_of_published_swatches_is_found(code, angle) -> None:
    colour = [int(code[i : i + 2], 16) for i in (0, 2, 4)]
    assert ita(linear_to_lab(srgb8_to_linear(np.array(colour, np.uint8)))) == pytest.approx(angle, abs=0.1)
    assert photo_ita(painted(colour), landmarks()) == pytest.approx(angle, abs=0.1)
    assert photo_ita(painted(colour, noise=6), landmarks()) == pytest.approx(angle, abs=3)


def test_eyes_mouth_and_background_do_not_count() -> None:
    face = painted((215, 189, 150))
    alone = photo_ita(face, landmarks())
    face[:, :32] = 0  # brows, eyes, hair
    face[:, 52:] = 255  # mouth, chin
    assert photo_ita(face, landmarks()) == pytest.approx(alone, abs=1e-9)
    assert np.isnan(photo_ita(face, landmarks() + 5.0))


def test_a_person_s_photos_are_in_the_group_of_their_median(make_table) -> None:
    table = make_table([3, 2, 1])
    object.__setattr__(table, "face", np.zeros((6, 3, SIDE, SIDE), np.uint8))
    table.landmarks[:] = landmarks()
    light, middle, dark = (246, 237, 228), (215, 189, 150), (96, 65, 52)
    first, second, third = (table.rows_of_person(person) for person in range(3))
    for row, colour in zip(first, (light, middle, dark), strict=True):
        table.face[row] = painted(colour)
    for row in second:
        table.face[row] = painted(light)
    table.landmarks[third] = 7.0  # no cheek in the picture
    groups = person_depths(table)
    assert set(groups[first]) == {1}
    assert set(groups[second]) == {0}
    assert set(groups[third]) == {-1}
    assert len(DEPTHS) == len(DEPTH_EDGES) + 1


def test_drawn_skins_are_in_the_order_in_which_they_were_drawn(draw_face) -> None:
    from faces.alignment import align
    from faces.landmarks import find_faces, fit_landmarks

    angles = []
    for skin in ((236, 200, 175), (190, 140, 105), (110, 75, 55)):
        picture = draw_face(320, 360, scale=1.2, skin=skin)
        box = find_faces(picture)[0]
        points = fit_landmarks(picture, box)
        unit = apply(canonical_matrix(points, margin=0.0), points)
        face = np.ascontiguousarray(align(picture, points, SIDE).transpose(2, 0, 1))
        angles.append(photo_ita(face, unit))
    assert angles[0] > angles[1] + 10 > angles[2] + 20
