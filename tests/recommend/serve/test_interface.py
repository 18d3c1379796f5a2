"""The interface as the page and programs use it, in this process, with a real worker."""

from __future__ import annotations

import base64
import io
import time
from statistics import median

import numpy as np
import pytest
from PIL import Image

from recommend.knowledge.model import DOMAINS
from recommend.serve.app import create_app
from recommend.serve.jobs import LIVE_ZONES
from recommend.serve.keys import Keys
from recommend.serve.limits import Limits
from recommend.serve.offline import Traffic
from recommend.serve.responses import (
    Advised,
    Done,
    Failed,
    Forgotten,
    OptionsData,
    Reread,
    SheetData,
    Status,
    TrackedData,
)


def checked(answer, model):
    """Return the data of an answer that has the status and the form that the interface promises."""
    assert answer.status_code == 200, answer.text
    Done[model].model_validate_json(answer.content)
    return answer.json()["data"]


def failed(answer, status, kind):
    assert answer.status_code == status, answer.text
    body = Failed.model_validate_json(answer.content)
    assert body.kind == kind
    assert body.code > 0
    assert body.message
    assert body.next
    return body


def test_a_photo_is_read_shown_advised_printed_and_forgotten(client, photo):
    data = checked(client.post("/reading", files={"photo": ("face.png", photo)}), Reread)
    name = data["id"]
    view = client.get(f"/reading/{name}/photo")
    assert view.headers["content-type"] == "image/jpeg"
    assert list(Image.open(io.BytesIO(view.content)).size) == data["reading"]["size"]

    look = checked(client.post("/look", json={"reading": name}), Advised)
    assert len(look["look"]["cards"]) >= 10
    assert look["hairline"] == data["hairline"]
    assert {card["starred"] for card in look["look"]["cards"]} == {True, False}
    assert all(question["answers"] for question in look["questions"])

    url = checked(client.post("/sheet", json={"reading": name}), SheetData)["url"]
    page = client.get(url, headers={"X-Mien-Token": ""})
    assert page.status_code == 200
    assert page.text.count("<article") == len(look["look"]["cards"])
    assert "script" not in page.headers["content-security-policy"]
    failed(client.get(url), 404, "UnknownReadingError")

    again = checked(client.post("/sheet", json={"reading": name}), SheetData)["url"]
    assert checked(client.post("/forget", json={"reading": name}), Forgotten)["forgotten"] == 1
    failed(client.get(f"/reading/{name}/photo"), 404, "UnknownReadingError")
    failed(client.post("/look", json={"reading": name}), 404, "UnknownReadingError")
    failed(client.get(again), 404, "UnknownReadingError")


def test_json_with_base64_and_a_form_are_read_alike(client, photo):
    text = base64.b64encode(photo).decode()
    answers = [
        client.post("/reading", files={"photo": ("x", photo)}),
        client.post("/reading", json={"photos": [text]}),
        client.post("/reading", json={"photos": [f"data:image/png;base64,{text}"]}),
        client.post("/reading", data={"photo": text}, files={"paper": (None, "")}),
    ]
    readings = [checked(answer, Reread)["reading"] for answer in answers]
    assert readings[1:] == readings[:1] * 3


def test_several_photos_and_paper_narrow_the_intervals(client, photo):
    one = checked(client.post("/reading", files={"photo": ("a", photo)}), Reread)["reading"]
    form = [("photo", ("a", photo)), ("photo", ("b", photo)), ("paper", (None, "0,0,0.1,0.1"))]
    two = checked(client.post("/reading", files=form), Reread)["reading"]
    assert two["photos"] == 2

    def width(reading, name="jaw_width"):
        low, high = reading["measurements"][name]["interval_90"]
        return high - low

    assert width(two) < 0.8 * width(one)
    assert two["skin"]["judged_by"] == "paper"
    many = [("photo", (str(n), photo)) for n in range(6)]
    failed(client.post("/reading", files=many), 400, "MalformedRequestError")
    outside = [("photo", ("a", photo)), ("paper", (None, "0,0,2,2"))]
    failed(client.post("/reading", files=outside), 422, "ConfigError")


def test_a_large_photo_is_shown_smaller_and_in_the_same_pixels_as_its_landmarks(
    client, picture, encode, reading
):
    large = np.asarray(Image.fromarray(picture).resize((2400, 2400), Image.Resampling.BICUBIC))
    data = checked(client.post("/reading", files={"photo": ("l", encode(large, "JPEG", quality=95))}), Reread)
    assert data["reading"]["size"] == [1600, 1600]
    small = np.array(reading["reading"]["landmarks"]) * 1600 / 360
    unit = np.hypot(*(small[36] - small[45]))
    apart = np.hypot(*(np.array(data["reading"]["landmarks"]) - small).T).mean()
    assert apart < 0.04 * unit
    view = Image.open(io.BytesIO(client.get(f"/reading/{data['id']}/photo").content))
    assert view.size == (1600, 1600)


def test_the_photo_is_shown_upright_and_without_metadata(client, picture, encode):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned
    exif[0x010E] = "a secret place"
    turned = encode(np.rot90(picture, 1), "JPEG", quality=95, exif=exif)
    data = checked(client.post("/reading", files={"photo": ("t.jpg", turned)}), Reread)
    view = client.get(f"/reading/{data['id']}/photo").content
    shown = Image.open(io.BytesIO(view))
    assert not shown.getexif()
    assert b"secret" not in view
    assert np.abs(np.asarray(shown).astype(int) - picture).mean() < 4


@pytest.mark.parametrize("language", ["en", "zh"])
def test_everything_speaks_the_language_that_was_asked_for(client, photo, language, reading):
    def chinese(text):
        return any("\u4e00" <= letter <= "\u9fff" for letter in text)

    look = checked(client.post(f"/look?language={language}", json={"reading": reading["id"]}), Advised)
    assert look["language"] == language
    assert all(chinese(card["title"]) == (language == "zh") for card in look["look"]["cards"])
    inner = {"reading": reading["id"], "preferences": {"language": language}}
    assert checked(client.post("/look", json=inner), Advised)["look"]["cards"] == look["look"]["cards"]
    error = failed(
        client.get("/nothing", headers={"Accept-Language": f"{language}-XX,fr;q=.5"}), 404, "NoSuchPathError"
    )
    assert chinese(error.message) == chinese(error.next) == (language == "zh")
    options = checked(client.get(f"/options?language={language}"), OptionsData)
    assert all(chinese(entry["name"]) == (language == "zh") for entry in options["choices"]["occasion"])
    assert set(options["defaults"]) == set(look["look"]["preferences"])


def test_every_choice_of_the_options_is_accepted(client, reading):
    options = checked(client.get("/options"), OptionsData)
    for name, entries in options["choices"].items():
        for entry in entries:
            body = {"reading": reading["id"], "preferences": {name: entry["id"]}, "max_cards": 3}
            checked(client.post("/look", json=body), Advised)
    told = {entry["id"]: entry["answers"][0]["id"] for entry in options["attributes"]}
    look = checked(
        client.post("/look", json={"reading": reading["id"], "preferences": {"confirmed": told}}), Advised
    )
    assert look["look"]["preferences"]["confirmed"] == told
    wrong = {"reading": reading["id"], "preferences": {"occasion": "moon"}}
    assert "moon" in failed(client.post("/look", json=wrong), 422, "ConfigError").detail
    strange = {"reading": reading["id"], "preferences": {"colour": "red"}}
    failed(client.post("/look", json=strange), 400, "MalformedRequestError")


def test_moved_landmarks_are_measured_again_and_quickly(client, reading):
    points = np.array(reading["reading"]["landmarks"])
    before = checked(client.post("/look", json={"reading": reading["id"]}), Advised)["reading"]
    wider = points.copy()
    wider[[4, 5]] -= [12, 0]
    wider[[11, 12]] += [12, 0]
    body = {"reading": reading["id"], "landmarks": wider.tolist()}
    after = checked(client.post("/look", json=body), Advised)["reading"]
    assert np.allclose(after["landmarks"], wider, atol=0.01)
    assert after["measurements"]["jaw_width"]["value"] > before["measurements"]["jaw_width"]["value"] + 0.03
    eyes = [reading["measurements"]["eye_spacing"]["value"] for reading in (before, after)]
    assert eyes[0] == pytest.approx(eyes[1], rel=1e-3)
    assert after["face_shape"]["probabilities"] != before["face_shape"]["probabilities"]
    assert after["skin"] == before["skin"], "colours stay as they were read"
    unmoved = {"reading": reading["id"], "landmarks": points.tolist()}
    same = checked(client.post("/look", json=unmoved), Advised)["reading"]
    assert same["face_shape"]["answer"] == before["face_shape"]["answer"]
    kept = checked(client.post("/look", json={"reading": reading["id"]}), Advised)["reading"]
    assert kept == before, "a moved point changes the answer, not the reading in memory"

    times = []
    for _ in range(7):
        start = time.perf_counter()
        client.post("/look", json=body)
        times.append(time.perf_counter() - start)
    assert median(times) < 1, "50 ms is measured by benchmarks/serve.py; here the machine may be busy"


def test_a_moved_hairline_moves_its_zones_and_no_measure(client, reading):
    def look(**more):
        told = {"face_shape": "diamond", "minor": "no"}
        preferences = {"intent": "balance", "minutes": 240, "confirmed": told}
        body = {"reading": reading["id"], "preferences": preferences, "max_cards": 40, **more}
        return checked(client.post("/look", json=body), Advised)

    before = look()
    x, y = reading["hairline"]
    after = look(hairline=[x, y - 20])
    assert after["hairline"] == [x, y - 20]
    assert after["reading"] == before["reading"]
    moved = 0
    for old, new in zip(before["look"]["cards"], after["look"]["cards"], strict=True):
        for was, now in zip(old["where"], new["where"], strict=True):
            if was["estimated_hairline"]:
                assert not now["estimated_hairline"]
                tops = [min(y for _, y in place["outlines"][0]["points"]) for place in (was, now)]
                moved += tops[1] < tops[0] - 3
            else:
                assert was == now
    assert moved, "at least one zone hangs on the hairline"


@pytest.mark.parametrize(
    "change",
    [
        lambda p, _: p * 0 + 100,
        lambda p, _: p + 5000,
        lambda p, _: np.vstack([p[:36], p[36:37].repeat(12, axis=0), p[48:]]),
    ],
    ids=["one place", "far away", "eyes folded"],
)
def test_landmarks_that_are_no_face_are_refused(client, reading, change):
    points = change(np.array(reading["reading"]["landmarks"]), 0)
    body = {"reading": reading["id"], "landmarks": points.tolist()}
    failed(client.post("/look", json=body), 422, "ConfigError")


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "1e999", "null", '"a"', "[]"])
def test_numbers_that_are_none_are_refused(client, reading, bad):
    points = "[" + ",".join(["[10,10]"] * 67 + [f"[{bad},1]"]) + "]"
    body = f'{{"reading": "{reading["id"]}", "landmarks": {points}}}'
    answer = client.post("/look", content=body, headers={"Content-Type": "application/json"})
    failed(answer, 400, "MalformedRequestError")
    hairline = f'{{"reading": "{reading["id"]}", "hairline": [10,{bad}]}}'
    answer = client.post("/look", content=hairline, headers={"Content-Type": "application/json"})
    failed(answer, 400, "MalformedRequestError")


def test_a_frame_is_tracked(client, picture, encode):
    frame = encode(np.asarray(Image.fromarray(picture).resize((320, 320))), "JPEG")
    data = checked(client.post("/track", content=frame, headers={"Content-Type": "image/jpeg"}), TrackedData)
    assert data["size"] == [320, 320]
    assert np.array(data["landmarks"]).shape == (68, 2)
    empty = encode(np.zeros((240, 320, 3), dtype=np.uint8), "JPEG")
    nobody = checked(client.post("/track", content=empty), TrackedData)
    assert (nobody["landmarks"], nobody["zones"]) == (None, [])
    assert {zone["domain"] for zone in data["zones"]} <= set(DOMAINS)
    assert {zone["zone"] for zone in data["zones"]} == {zone for zone, _ in LIVE_ZONES}
    known = np.array(data["landmarks"])
    low, high = known.min(axis=0) - 20, known.max(axis=0) + 20
    for zone in data["zones"]:
        assert np.all((np.array(zone["points"]) > low) & (np.array(zone["points"]) < high)), zone["zone"]
    wide = encode(np.zeros((10, 700, 3), dtype=np.uint8))
    failed(client.post("/track", content=wide), 413, "ImageTooLargeError")


def test_photos_that_cannot_be_used_say_why(client, encode, photo):
    def sent(content):
        return client.post("/reading", files={"photo": ("x", content)})

    failed(sent(b""), 422, "UnreadableImageError")
    failed(sent(b"no picture"), 422, "UnreadableImageError")
    failed(sent(photo[: len(photo) // 2]), 422, "UnreadableImageError")
    failed(sent(encode(np.zeros((200, 200, 3), dtype=np.uint8))), 422, "NoFaceError")
    two = np.hstack([np.asarray(Image.open(io.BytesIO(photo)))] * 2)
    failed(sent(encode(two)), 422, "SeveralFacesError")
    failed(client.post("/reading", json={"photos": []}), 400, "MalformedRequestError")
    failed(client.post("/reading", json={"photos": ["%%%"]}), 400, "MalformedRequestError")
    failed(
        client.post("/reading", content=b"x", headers={"Content-Type": "text/plain"}),
        400,
        "MalformedRequestError",
    )


def test_the_status_counts(make_client, photo, limits, workers):
    fresh = make_client()
    assert checked(fresh.get("/status"), Status)["readings_in_memory"] == 0
    for _ in range(2):
        checked(fresh.post("/reading", files={"photo": ("a", photo)}), Reread)
    status = checked(fresh.get("/status"), Status)
    assert status["readings_in_memory"] == 2
    assert status["bytes_sent_off_device"] == 0
    assert checked(fresh.post("/forget", json={}), Forgotten)["forgotten"] == 2
    assert checked(fresh.get("/status"), Status)["readings_in_memory"] == 0


def test_what_would_leave_the_device_is_counted(limits, workers, finish):
    """The control of the counter: an answer to a peer off the loopback address counts."""
    traffic, sent = Traffic(), []
    app = create_app(port=8420, keys=Keys("t"), limits=limits, workers=workers, traffic=traffic)
    scope = {
        "type": "http", "method": "GET", "path": "/status", "query_string": b"", "scheme": "http",
        "headers": [(b"host", b"127.0.0.1:8420")], "client": ("192.0.2.7", 5), "server": ("127.0.0.1", 8420),
    }  # fmt: skip

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    finish(app(scope, receive, send))
    body = b"".join(message.get("body", b"") for message in sent)
    assert traffic.bytes_sent == len(body) > 100


def test_default_limits_leave_room_for_phones():
    limits = Limits()
    assert limits.photo_pixels >= 48_000_000
    assert limits.upload_bytes >= limits.photo_bytes
