"""Points and the hairline moved by hand, and readings in other pixels."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from mien.errors import ConfigError
from recommend.adjust import scaled, with_hairline, with_landmarks
from recommend.adviser import advise
from recommend.preferences import Preferences
from recommend.reading.geometry import estimated_hairline, frame_of
from recommend.reading.reading import combine, read_face


@pytest.fixture(scope="module")
def reading(synthetic_readings):
    return synthetic_readings[0][1]


def test_points_where_they_were_read_change_nothing(reading):
    same = with_landmarks(reading, reading.points)
    assert {k: dataclasses.replace(v, value=0) for k, v in same.measurements.items()} == {
        k: dataclasses.replace(v, value=0) for k, v in reading.measurements.items()
    }
    assert same.shape == reading.shape
    assert same.skin == reading.skin
    assert {n.code for n in same.notices} == {n.code for n in reading.notices}


def test_a_closed_mouth_opened_by_hand_is_noticed_and_blocks_the_lips(reading):
    points = reading.points.copy()
    unit = frame_of(points).unit
    points[[65, 66, 67, 55, 56, 57, 58, 59]] += [0, 0.35 * unit]
    opened = with_landmarks(reading, points)
    assert "mouth_open" in {notice.code for notice in opened.notices}
    assert opened.measurements["lip_fullness"].answer is None
    light = {"dark", "overexposed", "uneven_light", "blurred", "colourless"}
    assert {n.code for n in opened.notices} & light == {n.code for n in reading.notices} & light


def test_of_several_photos_the_drawn_one_is_moved_and_stays_drawn(synthetic_pictures, reading):
    photos = (reading.photos[0], reading.photos[0])
    two = dataclasses.replace(combine(photos), best=1)
    points = two.points.copy()
    points[[4, 5]] -= [6, 0]
    points[[11, 12]] += [6, 0]
    moved = with_landmarks(two, points)
    assert moved.best == 1
    assert np.array_equal(moved.points, points)
    one = with_landmarks(reading, points).measurements["jaw_width"].value
    base = reading.measurements["jaw_width"].value
    assert moved.measurements["jaw_width"].value == pytest.approx((one + base) / 2)


@pytest.mark.parametrize(
    "spoil",
    [lambda p: p[:67], lambda p: p * np.nan, lambda p: p + 1e5, lambda p: np.repeat(p[:1], 68, axis=0)],
    ids=["67 points", "not numbers", "far away", "one place"],
)
def test_what_is_no_face_is_refused(reading, spoil):
    with pytest.raises(ConfigError):
        with_landmarks(reading, spoil(reading.points.copy()))


def test_any_two_landmarks_may_be_put_on_one_place_without_a_crash(reading):
    for a in range(68):
        for b in ((a + 1) % 68, (a + 7) % 68, (a + 31) % 68):
            points = reading.points.copy()
            points[a] = points[b]
            try:
                moved = with_landmarks(reading, points)
            except ConfigError:
                continue
            assert np.isfinite([found.value for found in moved.measurements.values()]).all()
            assert np.isfinite(list(moved.shape.values())).all()
            advise(moved)


def test_the_hairline_moves_the_zones_that_hang_on_it(reading):
    wishes = Preferences(intent="balance", minutes=240, confirmed={"face_shape": "diamond", "minor": "no"})
    look = advise(reading, wishes, max_cards=40)
    estimate, up = estimated_hairline(reading.points), frame_of(reading.points).up
    same = with_hairline(look, reading.points, estimate)
    higher = with_hairline(look, reading.points, estimate + 30 * up)
    hanging = 0
    for old, kept, new in zip(look.cards, same.cards, higher.cards, strict=True):
        for was, stays, goes in zip(old.places, kept.places, new.places, strict=True):
            assert all(
                np.allclose(a.points, b.points) for a, b in zip(was.outlines, stays.outlines, strict=True)
            )
            if was.estimated:
                rise = float((goes.outlines[0].centre - was.outlines[0].centre) @ up)
                assert not goes.estimated
                assert rise >= 0
                hanging += rise > 5
            else:
                assert goes is was
    assert hanging
    for wrong in (reading.points[8], estimate + 1e4 * up):
        with pytest.raises(ConfigError, match="above the brows"):
            with_hairline(look, reading.points, wrong)


def test_a_reading_in_other_pixels_says_the_same(synthetic_readings):
    picture, reading = synthetic_readings[0]
    half = scaled(reading, 0.5)
    assert half.measurements == reading.measurements
    assert half.photos[half.best].size == (round(picture.shape[1] / 2), round(picture.shape[0] / 2))
    small = read_face([np.asarray(Image.fromarray(picture).reduce(2))])
    unit = frame_of(small.points).unit
    assert np.hypot(*(half.points - small.points).T).mean() < 0.05 * unit
