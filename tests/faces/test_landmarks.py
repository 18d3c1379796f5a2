import os
import threading

import numpy as np
import pytest
from PIL import Image

from faces import dlib_models
from faces.landmarks import (
    LEFT_EYE,
    RIGHT_EYE,
    find_faces,
    find_main_face,
    find_one_face,
    fit_landmarks,
    search_faces,
)
from mien.errors import MissingModelError, NoFaceError, SeveralFacesError

EMPTY = np.full((120, 120, 3), 128, dtype=np.uint8)


@pytest.fixture(scope="module")
def two_faces(draw_face):
    small = draw_face(140, 180, scale=0.45)
    return np.concatenate([small, draw_face(220, 180, scale=0.6)], axis=1)


def test_the_landmarks_lie_on_the_features_that_were_drawn(draw_face):
    image = draw_face(320, 360, centre=(150, 190), scale=1.0)
    landmarks = fit_landmarks(image, find_one_face(image))
    assert landmarks.shape == (68, 2)
    assert landmarks.dtype == np.float64
    np.testing.assert_allclose(landmarks[RIGHT_EYE].mean(0), (150 - 32, 190 - 14), atol=4)
    np.testing.assert_allclose(landmarks[LEFT_EYE].mean(0), (150 + 32, 190 - 14), atol=4)
    np.testing.assert_allclose(landmarks[[48, 54]].mean(0), (150, 190 + 62), atol=5)
    np.testing.assert_allclose(landmarks[8], (150, 190 + 105), atol=10)


def test_faces_come_largest_first(two_faces):
    left, right = sorted(find_faces(two_faces, upsample=1), key=lambda box: box.left)
    assert find_faces(two_faces, upsample=1) == [right, left]
    assert right.area > left.area


def test_several_faces_are_counted_or_the_largest_is_chosen(two_faces):
    with pytest.raises(SeveralFacesError, match=r"2 faces .* exactly one\. Crop .* or ask for the largest"):
        find_one_face(two_faces)
    assert find_one_face(two_faces, choose="largest").left > 140


def beside(main, other):
    """Put a smaller picture at the right of a larger one."""
    rest = np.full((len(main), other.shape[1], 3), main[0, 0], dtype=np.uint8)
    rest[: len(other)] = other
    return np.concatenate([main, rest], axis=1)


def test_who_stands_behind_is_left_out_and_counted(draw_face):
    main = draw_face(800, 900, scale=2.6)
    bystander = draw_face(300, 340, scale=0.95)
    alone, nobody = find_main_face(main)
    box, others = find_main_face(beside(main, bystander))
    assert (nobody, others) == (0, 1)
    assert abs(box.left - alone.left) < 0.1 * alone.width
    with pytest.raises(SeveralFacesError, match=r"2 faces .*expected exactly one\. Crop"):
        find_main_face(beside(main, draw_face(700, 800, scale=2.0)))
    with pytest.raises(NoFaceError, match="No face"):
        find_main_face(EMPTY)


def test_a_like_face_too_small_for_the_first_look_is_not_passed_over(draw_face):
    """At 512 pixels one face is just seen and the other just not; they are of like size all the same."""
    main = draw_face(900, 900, scale=0.72)
    picture = beside(main, draw_face(300, 340, scale=0.5))
    factor = max(picture.shape[:2]) / 512
    small = np.asarray(Image.fromarray(picture).resize((512, round(512 * 900 / 1200)), Image.Resampling.BOX))
    assert len(find_faces(small)) == 1, factor
    with pytest.raises(SeveralFacesError):
        find_main_face(picture)


def test_no_face_says_what_to_do():
    with pytest.raises(NoFaceError, match=r"120 × 120 pixels.*frontal photo"):
        find_one_face(EMPTY)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (9, 9), (300, 2)])
def test_pictures_too_small_for_any_face_do_no_harm(shape):
    with pytest.raises(NoFaceError):
        find_one_face(np.zeros((*shape, 3), dtype=np.uint8))


def test_a_small_face_is_found_by_doubling(draw_face):
    tiny = draw_face(60, 68, scale=0.19)
    assert find_faces(tiny) == []
    box = find_one_face(tiny)
    assert abs((box.left + box.right) / 2 - 30) < 6
    with pytest.raises(NoFaceError):
        find_one_face(tiny, max_upsample=0)


@pytest.mark.parametrize("factor", [8, 14])
def test_a_large_photo_gives_the_same_face_at_its_own_scale(factor, draw_face):
    small = draw_face()
    large = np.asarray(Image.fromarray(small).resize((160 * factor, 180 * factor), Image.Resampling.BICUBIC))
    (box,) = search_faces(large)
    expected = find_one_face(small).scaled(factor)
    assert abs(box.left - expected.left) < 0.12 * (expected.right - expected.left)
    landmarks = fit_landmarks(large, box)
    np.testing.assert_allclose(landmarks[RIGHT_EYE].mean(0), np.array([64, 83]) * factor, atol=4 * factor)


def test_missing_weights_say_how_to_get_them(monkeypatch, tmp_path, draw_face):
    monkeypatch.setenv(dlib_models.LANDMARKS_VARIABLE, str(tmp_path / "gone.dat"))
    with pytest.raises(
        MissingModelError, match=r"gone\.dat, which is not a file.*pip install 'mien\[landmarks\]'"
    ):
        dlib_models.landmarks_digest()
    wrong = tmp_path / "wrong.dat"
    wrong.write_bytes(b"not a model")
    monkeypatch.setenv(dlib_models.LANDMARKS_VARIABLE, str(wrong))
    image = draw_face()
    with pytest.raises(MissingModelError, match="not a landmark model"):
        fit_landmarks(image, find_one_face(image))
    monkeypatch.delenv(dlib_models.LANDMARKS_VARIABLE)
    monkeypatch.setattr(dlib_models, "_PACKAGE", "a_package_that_is_not_installed")
    with pytest.raises(MissingModelError, match=r"pip install 'mien\[landmarks\]'.*research use only"):
        dlib_models.landmarks_path()


def test_weights_can_be_named_by_the_environment(monkeypatch, tmp_path):
    link = tmp_path / "weights.dat"
    link.symlink_to(dlib_models.landmarks_path())
    installed = dlib_models.landmarks_digest()
    monkeypatch.setenv(dlib_models.LANDMARKS_VARIABLE, str(link))
    assert dlib_models.landmarks_path() == link
    assert dlib_models.landmarks_digest() == installed
    assert len(installed) == 64


def test_threads_get_what_one_thread_gets(draw_face):
    images = [draw_face(scale=scale) for scale in (0.42, 0.46, 0.5, 0.54)]
    expected = [find_faces(image) for image in images]
    found = [None] * 12

    def work(number):
        found[number] = find_faces(images[number % 4])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected * 3


def test_a_fork_is_not_stopped_by_a_lock_that_its_parent_held(draw_face):
    image = draw_face()
    with dlib_models._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if find_faces(image) else 3)
    deadline = threading.Timer(30, os.kill, (child, 9))
    deadline.start()
    _, status = os.waitpid(child, 0)
    deadline.cancel()
    assert status == 0
