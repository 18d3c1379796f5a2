"""The ground truth is true: changing a number changes what is measured on the picture, and in the right way."""

from dataclasses import replace

import numpy as np
import pytest

from faces.landmarks import search_faces
from faces.synthetic.dataset import embedded_records
from faces.synthetic.geometry import on_picture, proportions
from faces.synthetic.identity import sample_identity
from faces.synthetic.photo import EXPRESSIONS, Light, Pose
from faces.synthetic.render import pose, render

PEOPLE = (3, 7, 11, 14)
NAMED = {
    "right outer eye corner": 45,
    "left outer eye corner": 36,
    "right inner eye corner": 42,
    "left inner eye corner": 39,
    "nose tip": 30,
    "right mouth corner": 54,
    "left mouth corner": 48,
    "chin": 8,
}


def span(points, first, last):
    return float(np.linalg.norm(points[first] - points[last]))


MEASURES = {
    "nose": lambda p: span(p, 31, 35) / span(p, 36, 45),
    "mouth": lambda p: span(p, 48, 54) / span(p, 36, 45),
    "jaw": lambda p: sum(span(p, k, 16 - k) for k in (4, 5, 6, 7)) / span(p, 36, 45),
}


@pytest.mark.parametrize(
    ("parameter", "measure", "least"),
    [
        ("nose-width3", "nose", 0.05),
        ("nose-scale-horiz", "nose", 0.12),
        ("mouth-scale-horiz", "mouth", 0.12),
        ("head-fat", "jaw", 0.04),
    ],
)
def test_a_shape_parameter_shows_in_the_landmarks(parameter, measure, least, passport, landmarks_of) -> None:
    for seed in PEOPLE:
        person = sample_identity(seed)
        values = [
            MEASURES[measure](landmarks_of(render(person.with_shape({parameter: value}), passport, 200)))
            for value in (-0.9, 0.9)
        ]
        assert values[1] / values[0] - 1 > least, (seed, values)


@pytest.mark.parametrize(
    ("parameter", "name"), [("head-fat", "jaw"), ("nose-width3", "nose"), ("eye-height2", "eye_opening")]
)
def test_proportions_rise_with_their_parameter(parameter, name) -> None:
    for seed in PEOPLE:
        person = sample_identity(seed)
        values = [
            getattr(proportions(person.with_shape({parameter: value})), name)
            for value in (-0.9, -0.3, 0.3, 0.9)
        ]
        assert values == sorted(values)
        assert values[3] > 1.03 * values[0]


def test_the_skin_gets_darker_with_its_depth(passport) -> None:
    """The individual typology angle (Chardin et al. 1991) of the cheeks falls with skin depth."""
    angles, depths = [], np.linspace(0, 1, 6)
    for seed in PEOPLE:
        person = sample_identity(seed)
        row = []
        for depth in depths:
            skin = replace(person.skin, depth=float(depth), blush=0.0, freckles=0.0, moles=())
            picture = render(replace(person, skin=skin, beard=0.0), passport, 96)
            row.append(typology_angle(picture[50:58, 34:62].reshape(-1, 3)))
        assert row == sorted(row, reverse=True), seed
        angles.append(row)
    correlation = np.corrcoef(np.tile(depths, len(PEOPLE)), np.ravel(angles))[0, 1]
    assert correlation < -0.95


def typology_angle(pixels) -> float:
    """Return the ITA in degrees of sRGB pixels (n, 3), by CIELAB under D65."""
    c = pixels.astype(float) / 255
    light = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    matrix = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    _, y, z = np.cbrt((light @ np.array(matrix).T / [0.95047, 1.0, 1.08883]).mean(0))
    return float(np.degrees(np.arctan2(116 * y - 66, 200 * (y - z))))


def test_blush_reddens_the_cheeks_and_not_the_forehead(passport) -> None:
    for seed in PEOPLE:
        person = sample_identity(seed)
        pictures = []
        for blush in (0.0, 1.0):
            skin = replace(person.skin, blush=blush, moles=())
            pictures.append(render(replace(person, skin=skin, beard=0.0), passport, 96).astype(float))
        plain, rosy = (picture[..., 0] / picture.sum(-1) for picture in pictures)
        changed = rosy - plain
        assert changed[46:62, 20:76].max() > 0.03, seed
        assert np.abs(changed[22:30, 40:56]).mean() < 0.003, seed


def test_the_lit_side_is_the_brighter_one(passport) -> None:
    person = sample_identity(4)
    for azimuth, sign in ((60, 1), (-60, -1)):
        light = Light(azimuth=azimuth, elevation=15, fill=0.0)
        picture = render(person, replace(passport, light=light), 96).astype(float).mean(-1)
        right, left = picture[45:60, 54:66].mean(), picture[45:60, 30:42].mean()
        assert sign * (right - left) > 20


def test_the_head_turns_the_way_the_pose_says(passport, landmarks_of) -> None:
    person = sample_identity(4)

    def nose_between_eyes(yaw):
        points = landmarks_of(render(person, replace(passport, pose=Pose(yaw=yaw)), 200))
        return (points[30, 0] - points[36, 0]) / (points[45, 0] - points[36, 0])

    left, ahead, right = (nose_between_eyes(yaw) for yaw in (-14, 0, 14))
    assert left < ahead - 0.05 < ahead < right - 0.05

    def eye_slope(roll):
        points = landmarks_of(render(person, replace(passport, pose=Pose(roll=roll)), 200))
        across = points[45] - points[36]
        return np.degrees(np.arctan2(-across[1], across[0]))

    assert eye_slope(8) - eye_slope(-8) == pytest.approx(16, abs=4)


def test_a_smile_lifts_the_corners_of_the_mouth(passport) -> None:
    for seed in PEOPLE:
        person = sample_identity(seed)
        neutral, smile, sad = (
            on_picture(pose(person, replace(passport, units=tuple(EXPRESSIONS[name].items()))).screen, 1)
            for name in ("neutral", "smile", "sad")
        )
        for corner in ("left mouth corner", "right mouth corner"):
            assert smile[corner][1] < neutral[corner][1] - 0.01 < neutral[corner][1] < sad[corner][1]
        assert smile["nose tip"] == pytest.approx(neutral["nose tip"], abs=0.01)


def test_surprise_opens_the_mouth(passport, landmarks_of) -> None:
    opened = []
    for seed in PEOPLE:
        person = sample_identity(seed)
        closed, open_ = (
            landmarks_of(render(person, replace(passport, units=tuple(EXPRESSIONS[name].items())), 200))
            for name in ("neutral", "surprise")
        )
        opened.append(span(open_, 62, 66) - span(closed, 62, 66))
    assert min(opened) > 0
    assert np.mean(opened) > 2


def test_faces_are_found_and_landmarks_lie_where_the_mesh_says(landmarks_of) -> None:
    rows = embedded_records()[::32]
    errors, found = [], 0
    for row in rows:
        picture = row.render()
        found += len(search_faces(picture, max_upsample=1)) == 1
        fitted, truth = landmarks_of(picture), row.landmarks()
        eyes = np.linalg.norm(truth["right outer eye corner"] - truth["left outer eye corner"])
        errors += [np.linalg.norm(fitted[index] - truth[name]) / eyes for name, index in NAMED.items()]
    assert found >= len(rows) - 1
    assert np.median(errors) < 0.06
