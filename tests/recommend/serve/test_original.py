"""POST /face: the original interface, as its clients use it."""

from __future__ import annotations

import base64
import dataclasses
import json
from pathlib import Path

import httpx
import numpy as np
import pytest

from mien.errors import ImageError
from recommend.reading.quality import Notice
from recommend.reading.reading import read_face
from recommend.serve.original import LONG, WIDE, face_of
from recommend.serve.responses import Done, FaceData


@pytest.fixture(scope="module")
def one(picture):
    return read_face([picture])


def test_the_body_is_exactly_the_original_s(running, photo):
    """Plain programs: no token, no browser's headers, a form or JSON, with or without a type."""
    text = base64.b64encode(photo).decode()
    with httpx.Client(base_url=running.address, timeout=60, trust_env=False) as plain:
        answers = [
            plain.post("/face", files={"image": ("face.png", photo, "image/png")}),
            plain.post("/face", json={"image": text}),
            plain.post("/face", json={"image": f"data:image/png;base64,{text}", "user": "ignored"}),
            plain.post("/face", content=json.dumps({"image": text})),
            plain.post("/face", data={"image": text}, files={"more": (None, "ignored")}),
        ]
        for answer in answers:
            assert answer.status_code == 200, answer.text
            Done[FaceData].model_validate_json(answer.content)
            assert answer.json() == answers[0].json()
            assert list(answer.json()) == ["code", "data"]
            assert list(answer.json()["data"]) == ["nose", "skin", "face_shape"]
        assert plain.get("/status").status_code == 401, "nothing else is open"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, 84), ({"image": None}, 400, 84), ({"image": ["a"]}, 400, 84), ({"image": "%"}, 400, 84),
        ([], 400, 84), ({"image": ""}, 422, 21), ({"image": base64.b64encode(b"text").decode()}, 422, 21),
    ],
)  # fmt: skip
def test_errors_have_codes_that_are_not_zero(running, body, status, code):
    answer = httpx.post(f"{running.address}/face", json=body, trust_env=False)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "data" not in answer.json()


def moved(reading, **percentiles):
    found = dict(reading.measurements)
    for name, percentile in percentiles.items():
        found[name] = dataclasses.replace(found[name], percentile=percentile, undecided=())
    return dataclasses.replace(reading, measurements=found)


def test_face_shape_is_how_wide_the_outline_is(one):
    slender = moved(one, **dict.fromkeys(WIDE, 0.0), **{LONG: 100.0})
    wide = moved(one, **dict.fromkeys(WIDE, 100.0), **{LONG: 0.0})
    assert (face_of(slender)["face_shape"], face_of(wide)["face_shape"]) == (0, 100)
    found = dict(one.measurements)
    found[LONG] = dataclasses.replace(found[LONG], undecided=("near_cut",))
    assert face_of(dataclasses.replace(one, measurements=found))["face_shape"] is not None, (
        "a percentile has no cut"
    )
    found[LONG] = dataclasses.replace(found[LONG], undecided=("turned",))
    assert face_of(dataclasses.replace(one, measurements=found))["face_shape"] is None


@pytest.mark.parametrize(("answer", "value"), [("narrow", 1), ("medium", 0), ("wide", 0), (None, None)])
def test_nose_is_one_where_it_reads_narrow(one, answer, value):
    found = dict(one.measurements)
    found["nose_width"] = dataclasses.replace(found["nose_width"], answer=answer)
    assert face_of(dataclasses.replace(one, measurements=found))["nose"] == value


def test_skin_is_its_lightness_and_nothing_in_the_dark(one):
    assert face_of(one)["skin"] == round(one.skin.skin.l)
    dark = dataclasses.replace(one, notices=(Notice("dark", 0.1, ("lit",)),))
    assert face_of(dark)["skin"] is None
    assert face_of(dataclasses.replace(one, skin=None))["skin"] is None


@pytest.mark.real_faces
@pytest.mark.slow
def test_real_photos_spread_over_the_scales(real_faces: Path):
    from faces.images import load_image

    values = []
    for path in sorted((real_faces / "photos" / "img_align_celeba").glob("*.jpg"))[:16]:
        try:
            values.append(face_of(read_face([load_image(path)])))
        except ImageError:
            continue
    assert len(values) >= 10
    skins = [value["skin"] for value in values if value["skin"] is not None]
    widths = [value["face_shape"] for value in values if value["face_shape"] is not None]
    assert len(skins) >= 5
    assert np.ptp(skins) >= 10
    assert len(widths) >= 2
    assert np.ptp(widths) >= 10
