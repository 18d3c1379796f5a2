import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.crops import jaw_distances, nose_crop, skin_mask, skin_pixels
from faces.landmarks import find_one_face, fit_landmarks
from mien.errors import NoFaceError


def fit(image):
    return fit_landmarks(image, find_one_face(image))


@pytest.fixture(scope="module")
def face(draw_face):
    image = draw_face(320, 360, scale=1.0)
    return image, fit(image)


def turned(points, angle, scale, shift):
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ turn.T + shift


def test_jaw_distances_are_those_of_the_eight_symmetric_pairs(face):
    _, landmarks = face
    distances = jaw_distances(landmarks)
    assert distances.shape == (8,)
    assert distances.dtype == np.float32
    pixels = [np.hypot(*(landmarks[left] - landmarks[16 - left])) for left in range(8)]
    np.testing.assert_allclose(distances / distances[0], np.array(pixels) / pixels[0], rtol=1e-5)
    assert (np.diff(distances[1:]) < 0).all()  # a jaw narrows towards the chin
    assert 0.7 < distances[0] < 1.3


@settings(max_examples=50, deadline=None)
@given(angle=st.floats(-3.1, 3.1), scale=st.floats(0.1, 20), x=st.floats(-900, 900), y=st.floats(-900, 900))
def test_jaw_distances_ignore_where_how_large_and_how_tilted_a_face_is(face, angle, scale, x, y):
    _, landmarks = face
    np.testing.assert_allclose(
        jaw_distances(turned(landmarks, angle, scale, (x, y))), jaw_distances(landmarks), rtol=1e-4
    )


def test_a_wider_jaw_with_the_same_features_measures_wider(face):
    _, landmarks = face
    wide = landmarks.copy()
    centre = landmarks[[0, 16], 0].mean()
    wide[:17, 0] = centre + 1.1 * (landmarks[:17, 0] - centre)
    ratio = jaw_distances(wide) / jaw_distances(landmarks)
    assert ratio.min() > 1.08
    assert ratio.max() < 1.11


@pytest.mark.parametrize(
    "tone",
    # The synthetic renderer's ramp from light to dark, and tones in warm and in dim light.
    [(245, 209, 189), (230, 184, 156), (204, 153, 120), (168, 117, 87), (122, 82, 59), (77, 48, 36),
     (224, 172, 140), (255, 190, 150), (92, 60, 50)],
)  # fmt: skip
def test_skin_of_every_tone_is_skin(tone):
    assert skin_mask(np.full((2, 2, 3), tone, dtype=np.uint8)).all()


@pytest.mark.parametrize(
    "colour",
    [(0, 90, 200), (40, 160, 60), (0, 0, 0), (128, 128, 128), (70, 90, 110), (250, 250, 60), (255, 0, 0)],
)
def test_other_colours_are_not_skin(colour):
    assert not skin_mask(np.full((2, 2, 3), colour, dtype=np.uint8)).any()


def test_the_mask_is_the_published_ellipse():
    """At middle brightness (Y 125–188) the transform is the identity, so the ellipse is the plain one."""

    def colour(cb, cr, luma=150.0):
        y = (luma - 16) / 219
        red, blue = y + (cr - 128) / 224 * 1.402, y + (cb - 128) / 224 * 1.772
        green = (y - 0.299 * red - 0.114 * blue) / 0.587
        return np.clip(np.rint(255 * np.array([red, green, blue])), 0, 255).astype(np.uint8)

    turn, centre = 2.53, np.array([109.38, 152.02])
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    for angle in np.linspace(0, 2 * np.pi, 24, endpoint=False):
        for radius, inside in ((0.85, True), (1.15, False)):
            along = 1.60 + 25.39 * radius * np.cos(angle)
            across = 2.41 + 14.03 * radius * np.sin(angle)
            cb, cr = centre + axes.T @ (along, across)
            assert skin_mask(colour(cb, cr)[None, None])[0, 0] == inside


def test_skin_pixels_keep_skin_and_blank_the_rest(face):
    image, _ = face
    kept, mask = skin_pixels(image)
    assert kept.shape == (3, 360, 320)
    assert kept.dtype == np.uint8
    assert mask[220, 160]  # between nose and mouth
    assert not mask[5, 5]
    np.testing.assert_array_equal(kept.transpose(1, 2, 0)[mask], image[mask])
    assert kept[:, ~mask].max() == 0


def test_the_nose_crop_is_the_nose_s_square_with_its_margin(face):
    _, landmarks = face
    upright = landmarks.copy()
    upright[:, 0] = landmarks[:, 0] - landmarks[27, 0] + 128
    places = np.zeros((360, 256, 3), dtype=np.uint8)  # each pixel's colour says where it is
    places[..., 0] = np.arange(256)
    places[..., 1] = np.arange(360)[:, None] - 80
    crop = nose_crop(places, upright, 48).astype(float)
    assert crop.shape == (3, 48, 48)

    nose = upright[27:36]
    side = np.ptp(nose, axis=0).max() * 1.3
    centre = (nose.min(axis=0) + nose.max(axis=0)) / 2
    ends = (crop[0, 24, -1] - crop[0, 24, 0], crop[1, -1, 24] - crop[1, 0, 24])
    np.testing.assert_allclose(ends, side * 47 / 48, atol=2.5)
    np.testing.assert_allclose((crop[0].mean(), crop[1].mean() + 80), centre, atol=1.5)


@pytest.mark.parametrize("angle", [0.4, -0.7])
def test_a_tilted_head_gives_the_same_nose(face, angle, draw_face):
    from PIL import Image

    image, landmarks = face
    tilted = np.asarray(Image.fromarray(image).rotate(-np.rad2deg(angle), Image.Resampling.BICUBIC))
    centre = np.array([159.5, 179.5])
    moved = turned(landmarks - centre, angle, 1.0, centre)
    difference = nose_crop(image, landmarks, 32).astype(int) - nose_crop(tilted, moved, 32)
    assert np.abs(difference).mean() < 3


def test_landmarks_in_one_place_have_no_crops():
    image, landmarks = np.zeros((9, 9, 3), dtype=np.uint8), np.full((68, 2), 4.0)
    for crop in (lambda: jaw_distances(landmarks), lambda: nose_crop(image, landmarks, 8)):
        with pytest.raises(NoFaceError):
            crop()
