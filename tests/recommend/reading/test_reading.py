"""Reading synthetic faces: pose against the truth, notices, intervals, stability, refusals."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from faces.synthetic.dataset import records
from mien.errors import ConfigError, NoFaceError, SeveralFacesError
from recommend.colour import linear_to_srgb, srgb_to_linear
from recommend.knowledge.load import shipped
from recommend.reading.pose import pose_of
from recommend.reading.reading import read_face
from recommend.reading.reference import reference_table
from recommend.reading.shape import shape_probabilities
from recommend.reading.skin import assemble


def lit(picture, gain):
    light = np.clip(srgb_to_linear(picture / 255.0) * gain, 0, 1)
    return np.rint(255 * linear_to_srgb(light)).astype(np.uint8)


def codes(picture):
    return {notice.code for notice in read_face([picture]).notices}


def test_the_head_turn_agrees_with_the_renderer():
    told, measured = [], []
    for record in records(16, 4, seed=70):
        if record.truth.expression == "neutral":
            try:
                reading = read_face([record.render(256)])
            except (NoFaceError, SeveralFacesError):
                continue
            told.append(record.truth.yaw)
            measured.append(reading.photos[0].pose.yaw)
    assert len(told) >= 8
    assert np.median(np.abs(np.subtract(told, measured))) < 4
    assert np.corrcoef(told, measured)[0, 1] > 0.9


def test_a_mirrored_head_looks_the_other_way(face):
    turned = face.copy()
    turned[[27, 28, 29, 30, 33]] += (14, 0)
    mirror = face.copy()
    mirror[[27, 28, 29, 30, 33]] -= (14, 0)
    assert pose_of(turned).yaw == pytest.approx(-pose_of(mirror).yaw)
    assert pose_of(turned).yaw > 4


def test_every_measure_has_an_interval_a_percentile_and_an_honest_answer(synthetic_readings):
    table = reference_table()
    for _, reading in synthetic_readings:
        assert set(reading.measurements) == {a.id for a in shipped().attributes if a.kind == "measured"}
        for name, found in reading.measurements.items():
            assert found.low < found.value < found.high
            assert 0 < found.percentile < 100
            low, high = table[name].cuts
            order = [answer.id for answer in shipped().attribute(name).answers]
            if found.answer == order[0]:
                assert found.value < low
            elif found.answer == order[1]:
                assert low < found.value < high
            elif found.answer == order[2]:
                assert found.value > high
            else:
                assert found.undecided


def test_near_a_cut_is_undecided_and_more_photos_decide():
    known = reference_table()["eye_spacing"]
    low, _ = known.cuts
    near = low - 0.4 * known.within_person_sd
    assert known.place(near, photos=1)[0] is None
    assert known.place(near, photos=4)[0] == 0
    assert known.place(low - 2 * known.within_person_sd, photos=1) == (0, pytest.approx(0.977, abs=0.01))


def test_the_same_picture_gives_the_same_reading(synthetic_pictures, synthetic_readings):
    picture, reading = synthetic_readings[0]
    again = read_face([picture])
    assert np.array_equal(again.points, reading.points)
    assert again.measurements == reading.measurements


def test_mirror_scale_and_turn_change_little(synthetic_readings):
    table = reference_table()
    apart = []
    for picture, reading in synthetic_readings[:3]:
        image = Image.fromarray(picture)
        for other in (
            image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
            image.resize((250, 250)),
            image.rotate(6),
        ):
            changed = read_face([np.array(other)])
            for name, found in reading.measurements.items():
                gap = abs(changed.measurements[name].value - found.value)
                apart.append(gap / table[name].within_person_sd)
    assert np.median(apart) < 0.15
    assert np.percentile(apart, 90) < 0.5


def test_two_photos_of_one_face_narrow_the_intervals(synthetic_readings):
    picture, one = synthetic_readings[0]
    two = read_face([picture, np.ascontiguousarray(picture[:, ::-1])])
    name = "jaw_width"
    width = [r.measurements[name].high - r.measurements[name].low for r in (one, two)]
    blocked = any(set(n.blocks) & {"facing", "sharp"} for n in one.notices)
    assert width[1] == pytest.approx(width[0] / np.sqrt(2), rel=1e-6) or blocked


def test_blur_dark_and_grey_are_noticed_and_block(synthetic_readings):
    for picture, reading in synthetic_readings[:3]:
        sharp = {notice.code for notice in reading.notices}
        blurred = np.array(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(6)))
        assert "blurred" in codes(blurred)
        assert "blurred" not in sharp
        assert "dark" in codes(lit(picture, 0.06))
        assert "dark" not in sharp
    grey = np.repeat(np.array(Image.fromarray(synthetic_readings[0][0]).convert("L"))[:, :, None], 3, axis=2)
    reading = read_face([grey])
    assert "colourless" in {notice.code for notice in reading.notices}
    assert reading.skin is None
    assert reading.depth_answer is None


def test_darkness_is_judged_by_the_scene_not_by_the_skin(synthetic_readings):
    depths = [r.skin.ita for _, r in synthetic_readings if r.skin is not None]
    assert max(depths) - min(depths) > 40, "the synthetic faces must span light and deep skin"
    deep = min((r for _, r in synthetic_readings if r.skin is not None), key=lambda r: r.skin.ita)
    assert "dark" not in {notice.code for notice in deep.notices}


def test_an_open_mouth_leaves_the_lips_undecided():
    for record in records(12, 6, seed=90):
        if record.truth.expression not in ("neutral",) and abs(record.truth.yaw) < 10:
            reading = read_face([record.render(256)])
            if "mouth_open" in {notice.code for notice in reading.notices}:
                lips = reading.measurements["lip_fullness"]
                assert lips.answer is None
                assert "mouth_open" in lips.undecided
                return
    pytest.fail("no synthetic face with an open mouth was found: the gate was not exercised")


def test_white_paper_makes_the_depth_independent_of_the_light(synthetic_readings):
    picture, _ = synthetic_readings[0]
    with_paper = picture.copy()
    with_paper[:40, :40] = 235
    region = (0.02, 0.02, 0.1, 0.1)
    truth = read_face([with_paper], paper=region).skin
    dim = read_face([lit(with_paper, np.array([0.7, 0.6, 0.45]))], paper=region).skin
    assert truth.method == dim.method == "paper"
    assert abs(truth.ita - dim.ita) < 3
    assert truth.ita_high - truth.ita_low < 15


@pytest.mark.parametrize("region", [(0, 0, 0, 1), (0.5, 0, 0.4, 1), (-0.1, 0, 1, 1), (0, 0, 1, 1.2)])
def test_a_region_outside_the_picture_is_refused(synthetic_pictures, region):
    with pytest.raises(ConfigError, match="fractions from 0 to 1"):
        read_face([synthetic_pictures[0]], paper=region)


def test_no_photo_no_face_and_several_faces_are_refused_with_what_to_do(synthetic_readings):
    with pytest.raises(ConfigError, match="Name a photo"):
        read_face([])
    with pytest.raises(NoFaceError, match="Use a brighter"):
        read_face([np.full((200, 200, 3), 128, dtype=np.uint8)])
    picture = synthetic_readings[0][0]
    with pytest.raises(SeveralFacesError, match="Crop the picture"):
        read_face([np.concatenate([picture, picture], axis=1)])


def test_shapes_are_probabilities_and_prototypes_are_recognised():
    prototype = np.array([[1.265, 0.811, 0.661, 0.462, 0.238, 0.218]])
    likely = shape_probabilities(prototype)
    assert sum(likely.values()) == pytest.approx(1)
    assert next(iter(likely)) == "round"
    assert "diamond" not in likely


def test_depth_probabilities_sum_to_one_and_follow_the_classes(face):
    from recommend.colour import Lab

    for lightness, expected in ((90, "depth_1"), (25, "depth_6")):
        skin = assemble(Lab(lightness, 10, 18), Lab(50, 30, 15), Lab(30, 5, 8), "paper")
        assert sum(skin.depth.values()) == pytest.approx(1)
        assert max(skin.depth, key=skin.depth.get) == expected
        assert sum(skin.undertone.values()) == pytest.approx(1)


def test_a_jpeg_of_the_picture_reads_alike(synthetic_readings):
    picture, reading = synthetic_readings[1]
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=60)
    again = read_face([np.array(Image.open(buffer))])
    assert np.max(np.abs(again.points - reading.points)) < 4
