"""Measures on hand-made landmarks whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from recommend.reading.geometry import MEASURES, MIRROR, estimated_hairline, frame_of, measure, mirrored


def similar(points, scale, degrees, shift):
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return scale * points @ turn.T + shift


def test_mirroring_twice_changes_nothing_and_swaps_the_eyes(face):
    assert np.array_equal(MIRROR[MIRROR], np.arange(68))
    assert np.allclose(mirrored(mirrored(face, 500), 500), face)
    assert np.allclose(mirrored(face, 500)[36], [499 - face[45, 0], face[45, 1]])


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_does_not_depend_on_size_place_tilt_or_side(face, name):
    lopsided = face.copy()
    lopsided[36:42] += (3, 2)
    lopsided[17:20] += (0, 5)
    value = MEASURES[name](lopsided)
    for changed in (similar(lopsided, 2.5, 0, 0), similar(lopsided, 0.4, 17, 30), mirrored(lopsided, 640)):
        assert MEASURES[name](changed) == pytest.approx(value, rel=1e-9)


def test_known_values(face):
    found = measure(face)
    assert found["jaw_width"] == pytest.approx(176 / 220)
    assert found["lower_jaw_width"] == pytest.approx(144 / 220)
    assert found["eye_spacing"] == pytest.approx(36 / 36)
    assert found["eye_tilt"] == pytest.approx(0, abs=1e-9)
    assert found["nose_width"] == pytest.approx(36 / 36)
    assert found["mouth_width"] == pytest.approx(68 / 220)
    assert found["face_thirds"] == pytest.approx((46 + 58) / (170 - 58))


def test_each_measure_moves_the_right_way(face):
    def moved(indices, shift):
        other = face.copy()
        other[indices] += shift
        return measure(other)

    base = measure(face)
    assert moved([36, 45], (0, -6))["eye_tilt"] > base["eye_tilt"] + 5
    assert moved([37, 38, 43, 44], (0, -5))["eye_opening"] > base["eye_opening"]
    assert moved([17, 26], (0, 12))["brow_tilt"] < base["brow_tilt"]
    assert moved([19, 24], (0, -8))["brow_arch"] > base["brow_arch"]
    assert moved([48, 54], (0, -4))["mouth_corners"] > base["mouth_corners"]
    assert moved([8], (0, 15))["chin_angle"] < base["chin_angle"]
    assert moved([57, 58, 56], (0, 6))["lip_balance"] > base["lip_balance"]


def test_the_hairline_is_one_third_above_the_brows(face):
    brow = face[[21, 22]].mean(axis=0)
    assert estimated_hairline(face) == pytest.approx([200, brow[1] - (face[33, 1] - brow[1])])


def test_the_frame_of_a_tilted_face(face):
    frame = frame_of(similar(face, 1.0, 20, 0))
    assert frame.unit == pytest.approx(frame_of(face).unit)
    assert frame.up @ frame.right == pytest.approx(0)
    assert np.degrees(np.arctan2(frame.right[1], frame.right[0])) == pytest.approx(20)
