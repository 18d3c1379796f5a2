import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from faces.alignment import align, apply, canonical_matrix, five_points, invert, sample
from faces.landmarks import find_one_face, fit_landmarks
from mien.errors import NoFaceError


def fit(image):
    return fit_landmarks(image, find_one_face(image))


@settings(max_examples=60, deadline=None)
@given(
    angle=st.floats(-3.1, 3.1),
    scale=st.floats(0.05, 40),
    x=st.floats(-500, 500),
    y=st.floats(-500, 500),
    seed=st.integers(0, 99),
)
def test_the_aligned_landmarks_do_not_depend_on_how_the_photo_was_taken(angle, scale, x, y, seed):
    face = np.random.default_rng(seed).normal(size=(68, 2)) * 20
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = face @ turn.T + (x, y)
    first = apply(canonical_matrix(face, margin=0.2), face)
    second = apply(canonical_matrix(moved, margin=0.2), moved)
    np.testing.assert_allclose(first, second, atol=1e-7)


def test_the_transform_is_the_best_similarity(draw_face):
    landmarks = fit(draw_face())
    matrix = canonical_matrix(landmarks, margin=0.0)
    linear = matrix[:, :2]
    assert np.linalg.det(linear) > 0  # no mirror
    np.testing.assert_allclose(linear @ linear.T, np.eye(2) * np.linalg.det(linear), atol=1e-12)

    points = five_points(landmarks)
    target = np.array([(0.342, 0.461), (0.658, 0.461), (0.5, 0.641), (0.370, 0.824), (0.630, 0.824)])

    def error(candidate):
        return float(np.sum((apply(candidate, points) - target) ** 2))

    rng = np.random.default_rng(0)
    for _ in range(200):
        a, b = rng.normal(size=2) * 1e-4
        other = matrix + np.array([[a, -b, rng.normal() * 1e-3], [b, a, rng.normal() * 1e-3]])
        assert error(other) >= error(matrix) - 1e-5


def test_inverse_goes_back():
    matrix = np.array([[2.0, -1.0, 5.0], [1.0, 2.0, -3.0]])
    points = np.random.default_rng(1).normal(size=(5, 2))
    np.testing.assert_allclose(apply(invert(matrix), apply(matrix, points)), points, atol=1e-12)


@pytest.mark.parametrize("angle", [0, 20, -35])
def test_eyes_are_level_and_in_place_however_the_head_is_tilted(angle, draw_face):
    image = draw_face(320, 360, scale=1.0)
    landmarks = fit(image)
    centre = np.array([159.5, 179.5])
    turned = np.asarray(Image.fromarray(image).rotate(angle, Image.Resampling.BICUBIC))
    radians = np.deg2rad(-angle)
    turn = np.array([[np.cos(radians), -np.sin(radians)], [np.sin(radians), np.cos(radians)]])
    aligned = align(turned, (landmarks - centre) @ turn.T + centre, 112, margin=0.0)
    upright = align(image, landmarks, 112, margin=0.0)
    assert np.abs(aligned.astype(int) - upright).mean() < 2.5
    for x in (38, 73):  # the pupils, the darkest spots of the eye line
        row = aligned[46:58, x - 8 : x + 9].sum(axis=2)
        assert np.unravel_index(row.argmin(), row.shape)[1] == pytest.approx(8, abs=4)
        assert row.min() < 150


@pytest.mark.parametrize("size", [16, 17, 48, 64, 160])
def test_a_sampled_spot_lands_to_a_fraction_of_a_pixel(size):
    """Coordinates, half pixels included, are right at every scale."""
    ys, xs = np.mgrid[0:400, 0:400]
    spot = 255 * np.exp(-((xs - 230.0) ** 2 + (ys - 120.0) ** 2) / (2 * 22.0**2))
    image = np.repeat(spot[:, :, None], 3, axis=2).round().astype(np.uint8)
    square = np.array([[300.0, 0.0, 60.0], [0.0, 300.0, 40.0]])  # pixels 60…360 × 40…340
    drawn = sample(image, square, size)[..., 0].astype(float)
    ys, xs = np.mgrid[0:size, 0:size]
    found = np.array([(drawn * xs).sum(), (drawn * ys).sum()]) / drawn.sum()
    expected = (np.array([230.0 - 60.0, 120.0 - 40.0]) / 300.0) * size - 0.5
    np.testing.assert_allclose(found, expected, atol=0.02 * size / 16)


def test_shrinking_does_not_alias():
    stripes = np.zeros((1200, 1200, 3), dtype=np.uint8)
    stripes[:, ::2] = 255  # any sampling that skips pixels shows stripes or one of the two colours
    square = np.array([[1100.0, 0.0, 40.0], [0.0, 1100.0, 40.0]])
    for size in (16, 50, 97, 275):
        drawn = sample(stripes, square, size).astype(float)
        assert abs(drawn.mean() - 127.5) < 2
        assert drawn.std() < 6


def test_outside_the_picture_is_black():
    white = np.full((40, 40, 3), 255, dtype=np.uint8)
    half = sample(white, np.array([[40.0, 0.0, 20.0], [0.0, 38.0, 0.0]]), 20)
    assert half[:, :8].min() == 255
    assert half[:, 12:].max() == 0
    assert sample(white, np.array([[40.0, 0.0, 900.0], [0.0, 40.0, 900.0]]), 8).max() == 0


def test_margin_widens_the_view(draw_face):
    image = draw_face(320, 360, scale=1.0)
    landmarks = fit(image)
    near = apply(canonical_matrix(landmarks, margin=0.0), landmarks)
    far = apply(canonical_matrix(landmarks, margin=0.5), landmarks)
    np.testing.assert_allclose(far, (near + 0.5) / 2.0, atol=1e-9)


def test_landmarks_in_one_place_cannot_be_aligned():
    with pytest.raises(NoFaceError, match="cannot be aligned"):
        align(np.zeros((9, 9, 3), dtype=np.uint8), np.full((68, 2), 4.0), 16)
