"""Uploads that nobody should have to read: damaged, lying, oversized, disguised; the same ones for one seed.

``uploads(count, seed)`` first yields every special case once (bombs, disguises, rare but valid pictures, the
eight EXIF orientations), then mutations of good files of every format, as bytes.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image

from faces.synthetic.dataset import records

SIDE = 128
ORIENTATION = 0x0112


@dataclasses.dataclass(frozen=True)
class Upload:
    """One upload: what it is, its bytes, and what must come of it ("read", an error's name, or "" for any)."""

    name: str
    content: bytes
    must: str = ""


@functools.cache
def face(side: int = SIDE) -> Image.Image:
    """Return a synthetic face that the detector finds."""
    return Image.fromarray(records(4, 1, seed=7)[-1].render(256)).resize((side, side))


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """Encode a picture."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return one PNG chunk with its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, colour: int, data: bytes, *extra: bytes) -> bytes:
    """Build a PNG by hand; ``data`` is what lies compressed in it."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(data, 9))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + body + chunk(b"IEND", b"")


def deep_png() -> bytes:
    """Return the face as a PNG of 16 bits a channel, which Pillow reads but does not write."""
    pixels = np.asarray(face()).astype(">u2") * 257
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    return png(SIDE, SIDE, 16, 2, rows)


def scan_bomb(scans: int = 4000) -> bytes:
    """Return a progressive JPEG whose last scan is there thousands of times, over all pixels."""
    content = encoded(Image.new("L", (2000, 2000), 120), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    return content[:last] + content[last:-2] * scans + content[-2:]


def claiming(content: bytes, at: int, form: str, *values: int) -> bytes:
    """Overwrite a header's fields."""
    packed = struct.pack(form, *values)
    return content[:at] + packed + content[at + len(packed) :]


def special() -> Iterator[Upload]:
    """Yield every special case once."""
    yield from _valid()
    yield from _oversized()
    yield from _disguised()
    yield from _odd()


def _valid() -> Iterator[Upload]:
    """Rare but good pictures of a face: they must be read, each EXIF orientation upright."""
    picture = face()
    back = {1: [], 2: [0], 3: [3], 4: [1], 5: [5], 6: [2], 7: [6], 8: [4]}  # Pillow's transpositions, inverse
    for orientation, steps in back.items():
        stored = picture
        for step in steps:
            stored = stored.transpose(Image.Transpose(step))
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        yield Upload(
            f"EXIF orientation {orientation}", encoded(stored, "JPEG", exif=exif, quality=92), "read"
        )
    yield Upload("CMYK JPEG", encoded(picture.convert("CMYK"), "JPEG", quality=92), "read")
    yield Upload("progressive JPEG", encoded(picture, "JPEG", progressive=True, quality=92), "read")
    yield Upload("grey JPEG", encoded(picture.convert("L"), "JPEG", quality=92), "read")
    yield Upload("16-bit colour PNG", deep_png(), "read")
    grey = np.asarray(picture.convert("L")).astype(np.uint16) * 257
    yield Upload("16-bit grey PNG", encoded(Image.fromarray(grey), "PNG"), "read")
    yield Upload("palette PNG", encoded(picture.quantize(64), "PNG"), "read")
    alpha = picture.copy()
    alpha.putalpha(255)
    yield Upload("PNG with alpha", encoded(alpha, "PNG"), "read")
    frames = [picture.rotate(turn) for turn in (0, 30, 60)]
    yield Upload("animated GIF", encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), "read")
    yield Upload("animated WebP", encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:]), "read")
    yield Upload("animated PNG", encoded(frames[0], "PNG", save_all=True, append_images=frames[1:]), "read")
    yield Upload("transparent everywhere", encoded(Image.new("RGBA", (SIDE, SIDE), 0), "PNG"), "NoFaceError")


def _oversized() -> Iterator[Upload]:
    """Bombs: little to send, much to decode."""
    large = "ImageTooLargeError"
    yield Upload("200 megapixels in a real PNG", png(20_000, 10_000, 1, 0, bytes(2501 * 10_000)), large)
    yield Upload("PNG that claims 2³¹ pixels a side", png(2**31 - 1, 2**31 - 1, 8, 2, b""), large)
    jpeg = encoded(face(), "JPEG")
    frame = jpeg.index(b"\xff\xc0") + 5
    yield Upload("JPEG that claims 65,500 pixels a side", claiming(jpeg, frame, ">HH", 65_500, 65_500), large)
    yield Upload(
        "GIF that claims 65,535 a side", claiming(encoded(face(), "GIF"), 6, "<HH", 65_535, 65_535), large
    )
    yield Upload(
        "BMP that claims 2³⁰ a side", claiming(encoded(face(), "BMP"), 18, "<ii", 2**30, 2**30), large
    )
    frames = encoded(face(), "WEBP", save_all=True, append_images=[face().rotate(9)])
    webp = claiming(frames, 24, "<6B", *(16_382).to_bytes(3, "little") * 2)
    yield Upload("WebP that claims 16,383 pixels a side", webp, large)
    tiff = encoded(Image.new("1", (15_000, 15_000)), "TIFF", compression="group4")
    yield Upload("225 megapixels in a real TIFF", tiff, "UnreadableImageError")
    yield Upload("JPEG of 4,000 scans", scan_bomb(), large)
    zeros = zlib.compress(bytes(100_000_000))
    yield Upload(
        "PNG with 100 MB of text", png(8, 8, 8, 0, bytes(72), chunk(b"zTXt", b"Comment\0\0" + zeros))
    )
    profile = chunk(b"iCCP", b"profile\0\0" + zeros)
    yield Upload("PNG with a profile of 100 MB", png(8, 8, 8, 0, bytes(72), profile))
    yield Upload("PNG with far more data than pixels", png(8, 8, 8, 0, bytes(50_000_000)))
    yield Upload("65 MB of zeros", bytes(65 * 1024 * 1024), large)


def _disguised() -> Iterator[Upload]:
    """Other things under a picture's name."""
    other = "UnreadableImageError"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("face.jpg", encoded(face(), "JPEG"))
    yield Upload("nothing at all", b"", other)
    yield Upload("ZIP", archive.getvalue(), other)
    yield Upload("HTML", b"<!DOCTYPE html><script>alert(1)</script><img src=x>", other)
    yield Upload(
        "SVG", b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', other
    )
    yield Upload("SVG of a billion laughs", b"<svg>" + b"&lol9;" * 1000 + b"</svg>", other)
    yield Upload("PDF", b"%PDF-1.7\n1 0 obj\n", other)
    yield Upload("PostScript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\nshowpage\n", other)
    yield Upload("program", b"\x7fELF\x02\x01\x01" + bytes(64), other)
    yield Upload("text", "不是图片。".encode() * 50, other)
    for brand in (b"heic", b"mif1", b"hevc", b"avif", b"isom"):
        yield Upload(
            f"ftyp {brand.decode()}", b"\0\0\0\x18ftyp" + brand + bytes(4) + brand + bytes(400), other
        )
    yield Upload("real AVIF", encoded(face(), "AVIF"), other)
    yield Upload("JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100), other)
    for magic in (
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\x20\0\0\0WEBPVP8 ",
        b"GIF89a",
        b"BM",
        b"II*\0",
    ):
        yield Upload(f"only the first bytes {magic[:4]!r}", magic, other)


def _odd() -> Iterator[Upload]:
    """Pictures of strange shapes."""
    for size in ((1, 1), (1, 5000), (5000, 1), (3, 3)):
        yield Upload(f"{size[0]} × {size[1]} pixels", encoded(Image.new("RGB", size), "PNG"), "NoFaceError")
    yield Upload("PNG without pixels", png(0, 0, 8, 2, b""), "UnreadableImageError")
    values = np.array([[np.nan, np.inf], [-np.inf, 1e38]], dtype=np.float32)
    yield Upload("TIFF of infinities", encoded(Image.fromarray(values), "TIFF"), "UnreadableImageError")
    pages = encoded(face(), "TIFF", save_all=True, append_images=[face().rotate(30)])
    yield Upload("TIFF of two pages", pages, "UnreadableImageError")
    loop = b"II*\0\x08\0\0\0" + struct.pack("<H", 0) + struct.pack("<I", 8)
    yield Upload("TIFF whose directory leads to itself", loop, "UnreadableImageError")
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, ORIENTATION, 3, 1, 99) + bytes(4)
    yield Upload("EXIF orientation 99", encoded(face(), "JPEG", exif=exif, quality=92), "read")
    yield Upload(
        "EXIF of noise", encoded(face(), "JPEG", exif=b"Exif\0\0" + bytes(range(256)), quality=92), "read"
    )
    yield Upload(
        "profile of noise", encoded(face(), "JPEG", icc_profile=bytes(range(256)) * 4, quality=92), "read"
    )


@functools.cache
def _good() -> tuple[bytes, ...]:
    picture = face(96)
    frames = [picture, picture.rotate(20)]
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\0\0\0\x20meta" + bytes(range(256)) * 4
    return (
        encoded(picture, "JPEG"),
        encoded(picture, "JPEG", progressive=True),
        encoded(picture.convert("CMYK"), "JPEG"),
        encoded(picture, "PNG"),
        encoded(picture.quantize(32), "PNG"),
        encoded(picture, "WEBP"),
        encoded(picture, "WEBP", lossless=True),
        encoded(picture, "WEBP", save_all=True, append_images=frames[1:]),
        encoded(picture, "GIF", save_all=True, append_images=frames[1:]),
        encoded(picture, "BMP"),
        encoded(picture, "TIFF", compression="tiff_lzw"),
        encoded(picture, "TIFF", compression="jpeg"),
        heic,
    )


def _truncated(dice: random.Random, content: bytes) -> bytes:
    return content[: dice.randrange(len(content))]


def _flipped(dice: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(dice.choice((1, 4, 16, 64))):
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def _header(dice: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(dice.choice((1, 2, 8))):
        changed[dice.randrange(min(96, len(changed)))] = dice.choice(
            (0, 1, 127, 128, 254, 255, dice.randrange(256))
        )
    return bytes(changed)


def _overwritten(dice: random.Random, content: bytes) -> bytes:
    start, length = dice.randrange(len(content)), dice.randrange(1, 200)
    return content[:start] + dice.randbytes(length) + content[start + length :]


def _inserted(dice: random.Random, content: bytes) -> bytes:
    start = dice.randrange(len(content))
    return content[:start] + dice.randbytes(dice.randrange(1, 64)) + content[start:]


def _repeated(dice: random.Random, content: bytes) -> bytes:
    start = dice.randrange(len(content))
    part = content[start : start + dice.randrange(1, 600)]
    return content[:start] + part * dice.randrange(2, 12) + content[start:]


def _spliced(dice: random.Random, content: bytes) -> bytes:
    other = dice.choice(_good())
    return content[: dice.randrange(len(content))] + other[dice.randrange(len(other)) :]


def _lengths(dice: random.Random, content: bytes) -> bytes:
    """Put a wild number where four bytes look like a length."""
    changed = bytearray(content)
    at = dice.randrange(0, max(1, len(content) - 4))
    number = dice.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFE, dice.randrange(2**32)))
    changed[at : at + 4] = struct.pack(dice.choice(("<I", ">I")), number)
    return bytes(changed)


MUTATIONS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _truncated, _flipped, _header, _overwritten, _inserted, _repeated, _spliced, _lengths,
)  # fmt: skip


def uploads(count: int, seed: int) -> Iterator[Upload]:
    """Yield ``count`` uploads: the special ones first, then mutations of good files."""
    made = 0
    for upload in special():
        if made == count:
            return
        made += 1
        yield upload
    dice = random.Random(seed)
    while made < count:
        index = dice.randrange(len(_good()))
        mutation = dice.choice(MUTATIONS)
        content = mutation(dice, _good()[index])
        if dice.random() < 0.25:
            content = dice.choice(MUTATIONS)(dice, content or b"\0")
        made += 1
        yield Upload(f"{mutation.__name__.strip('_')} good file {index} ({made})", content)
