"""Three hundred broken uploads over HTTP: each gets an answer that says why, within five seconds."""

from __future__ import annotations

import concurrent.futures
import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from recommend.serve.responses import Failed

COUNT = 300
SEED = 20261122
# Unreadable, too large, no face, several faces; 0 where the damage left a face to read.
EXPECTED = {0, 21, 22, 23, 24}
FORM, DISPOSITION = "multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name="
FORMS = {
    "missing boundary": ("multipart/form-data", b"--x\r\n\r\n--x--"),
    "no end": (FORM, DISPOSITION + b'"photo"\r\n\r\nabc'),
    "endless header": (FORM, b"--x\r\nA: " + b"b" * 100_000 + b"\r\n\r\nx\r\n--x--"),
    "many parts": (FORM, (DISPOSITION + b'"a"\r\n\r\n\r\n') * 99 + b"--x--"),
    "long boundary": ("multipart/form-data; boundary=" + "x" * 500, b"--x--"),
    "not a form": (FORM, bytes(range(256)) * 20),
    "deep JSON": ("application/json", b"[" * 100_000),
    "not JSON": ("application/json", b"{'a': 1}"),
    "not text": ("application/json", b"\xff\xfe\x00"),
    "other JSON": ("application/json", b'{"photos": {"a": 1}}'),
    "numbers": ("application/json", b'{"photos": [1, 2, NaN]}'),
    "surrogate": ("application/json", b'{"photos": ["\\ud800"]}'),
    "nothing": ("application/json", b""),
    "XML": ("text/xml", b"<photo/>"),
}  # fmt: skip


def _png_bomb(width: int, height: int) -> bytes:
    """A few kilobytes that claim ``width`` × ``height`` pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1 << 20), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _sources(picture: np.ndarray) -> list[bytes]:
    small = Image.fromarray(picture).resize((160, 160))
    found = []
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"):
        for mode in ("RGB", "L", "CMYK", "P", "RGBA", "I;16"):
            buffer = io.BytesIO()
            try:
                small.convert("I" if mode == "I;16" else mode).save(buffer, kind)
            except (OSError, ValueError, KeyError):
                continue
            found.append(buffer.getvalue())
    return found


def _broken(picture: np.ndarray) -> list[bytes]:
    """Return ``COUNT`` uploads, most of them damaged in one of seven ways; always the same ones."""
    rng = np.random.default_rng(SEED)
    sources = _sources(picture)
    bombs = [_png_bomb(20_000, 10_000), _png_bomb(2**31 - 1, 2**31 - 1), _png_bomb(8000, 6000), _png_bomb(0, 5),
             b"",
             b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", b"RIFF\xff\xff\xff\xffWEBPVP8 ", b"%PDF-1.7",
             b"GIF89a\xff\xff\xff\xff\xf7\x00\x00", b"II*\x00\xff\xff\xff\xff", b"BM" + b"\xff" * 60]  # fmt: skip
    while len(bombs) < COUNT:
        content = bytearray(sources[rng.integers(len(sources))])
        way = rng.integers(7)
        if way == 0:
            del content[rng.integers(len(content)) :]
        elif way == 1:
            del content[: rng.integers(1, 40)]
        elif way == 2:
            for place in rng.integers(len(content), size=rng.integers(1, 30)):
                content[place] = rng.integers(256)
        elif way == 3:
            for place in rng.integers(min(64, len(content)), size=rng.integers(1, 6)):
                content[place] = rng.integers(256)
        elif way == 4:
            start = rng.integers(len(content))
            content[start : start + rng.integers(1, 400)] = b""
        elif way == 5:
            start = rng.integers(len(content))
            content[start:start] = rng.integers(256, size=rng.integers(1, 400), dtype=np.uint8).tobytes()
        else:
            content = bytearray(rng.integers(256, size=rng.integers(1, 3000), dtype=np.uint8).tobytes())
        bombs.append(bytes(content))
    return bombs


@pytest.fixture(scope="module")
def broken(picture):
    return _broken(picture)


def test_three_hundred_broken_photos(running, broken):
    def send(content):
        started = time.monotonic()
        answer = client.post("/face", files={"image": ("x", content)})
        return answer, time.monotonic() - started

    with running.client() as client:
        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(send, broken))
        codes = [answer.json()["code"] for answer, _ in answers]
        assert set(codes) <= EXPECTED, [
            broken[i][:40] for i, code in enumerate(codes) if code not in EXPECTED
        ]
        assert codes.count(21) > COUNT / 3, "most are refused as no picture"
        assert codes.count(22) >= 2, "the bombs are refused by their size"
        for answer, seconds in answers:
            assert seconds < 5
            if answer.status_code != 200:
                Failed.model_validate_json(answer.content)
        assert client.get("/status").json()["data"]["readings_in_memory"] >= 0


@pytest.mark.parametrize("name", FORMS)
def test_a_broken_form_is_refused(running, name):
    kind, content = FORMS[name]
    with running.client() as client:
        answer = client.post("/reading", content=content, headers={"Content-Type": kind})
    assert answer.status_code == 400, answer.text
    assert Failed.model_validate_json(answer.content).kind == "MalformedRequestError"


def test_a_picture_of_many_pixels_is_refused_before_it_is_decoded(running):
    """200 megapixels in 200 KB: decoding would take seconds and 600 MB."""
    with running.client() as client:
        started = time.monotonic()
        answer = client.post("/face", files={"image": ("x", _png_bomb(20_000, 10_000))})
    assert (answer.status_code, answer.json()["code"]) == (413, 22)
    assert time.monotonic() - started < 2
