"""Zones on many fits: never empty, mirrored, inside reason."""

from __future__ import annotations

import numpy as np
import pytest

from recommend.knowledge.load import shipped
from recommend.reading.geometry import frame_of, mirrored
from recommend.zones import outlines

ZONES = shipped().zones


@pytest.mark.parametrize("zone", ZONES, ids=lambda zone: zone.id)
def test_a_zone_on_a_symmetric_face(face, zone):
    drawn = outlines(zone, face)
    assert [o.side for o in drawn] == (["middle"] if zone.sides == "mid" else ["right", "left"])
    unit = frame_of(face).unit
    for outline in drawn:
        assert 1e-4 * unit**2 < outline.area < 8 * unit**2
        assert np.all(np.abs(outline.points - face.mean(axis=0)) < 3 * unit)
    if zone.sides == "both":
        right, left = drawn
        assert right.centre[0] < 200 < left.centre[0]
        assert np.allclose(left.points, np.array([400, 0]) + right.points * [-1, 1])
    else:
        assert drawn[0].centre[0] == pytest.approx(200, abs=0.03 * unit)


def test_zones_follow_real_fits_and_their_mirror_images(synthetic_readings):
    for _, reading in synthetic_readings:
        points = reading.points
        flipped = mirrored(points, 0.0)
        for zone in ZONES:
            for one, two in zip(outlines(zone, points), reversed(outlines(zone, flipped)), strict=True):
                assert one.area > 0
                assert two.area == pytest.approx(one.area, rel=1e-3)


def test_a_told_hairline_moves_the_forehead(face):
    zone = shipped().zone("forehead")
    estimated = outlines(zone, face)[0]
    lower = outlines(zone, face, hairline=np.array([200.0, 110.0]))[0]
    assert lower.points[:, 1].min() > estimated.points[:, 1].min()


def test_zones_that_matter_lie_where_their_names_say(face):
    def centre(name):
        return outlines(shipped().zone(name), face)[0].centre

    assert face[21, 1] < centre("lid_mobile")[1] < face[41, 1]
    assert face[41, 1] < centre("cheek_apple")[1] < face[48, 1]
    assert centre("cheek_hollow")[1] > centre("cheekbone_top")[1]
    assert centre("chin_tip")[1] > centre("lip_lower")[1] > centre("lip_upper")[1]
    assert centre("forehead_center")[1] < face[21, 1]
