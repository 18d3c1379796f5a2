"""Read a picture from anywhere, safely, into one plain form: uint8 RGB, upright.

A picture comes from a stranger's phone or from a dataset of two hundred thousand files, so nothing about it
is believed: its size is checked before a pixel is decoded (a few kilobytes can claim a billion pixels), only
common formats are opened, and whatever a decoder can raise becomes one of this project's errors.
"""

from __future__ import annotations

import functools
import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from mien.errors import DataNotFoundError, ImageTooLargeError, MienError, UnreadableImageError

RGBImage = NDArray[np.uint8]
"""A picture: uint8 [H, W, 3], red, green, blue, row 0 at the top."""

MAX_PIXELS = 50_000_000
MAX_BYTES = 64 * 1024 * 1024
MAX_SCANS = 100  # of a progressive JPEG; encoders write about ten, and each is a pass over the whole picture

# Formats with scripts or exotic decoders stay closed. So does TIFF: phones write it only as raw files, of which
# Pillow would read a thumbnail; few browsers show it; and its decoder, libtiff, has a long record of memory errors
# and says what it thinks of a file on stderr. Pillow registers a decoder when its module is imported; JPEG's also
# reads MPO, which many phones write and call .jpg.
_DECODERS = (
    JpegImagePlugin.JpegImageFile,
    PngImagePlugin.PngImageFile,
    WebPImagePlugin.WebPImageFile,
    BmpImagePlugin.BmpImageFile,
    GifImagePlugin.GifImageFile,
)
_FORMATS = tuple(str(decoder.format) for decoder in _DECODERS)
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_DISGUISES = {
    b"pk\x03\x04": "a ZIP archive or an office document", b"%pdf": "a PDF document", b"<svg": "an SVG drawing",
    b"<!doctype": "a web page", b"<html": "a web page", b"\x1f\x8b": "a compressed archive",
    b"\x7felf": "a program", b"mz": "a program", b"#!": "a program",
}  # fmt: skip
_WHITE = (255, 255, 255, 255)


def load_image(source: Path | bytes, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES) -> RGBImage:
    """Return the picture as uint8 [H, W, 3], turned upright by its EXIF tag.

    Greyscale (8 and 16 bit), palette, CMYK and alpha pictures are converted, as are colours of another
    profile than sRGB; what is transparent becomes white. Of an animation the first frame is taken.

    Raises DataNotFoundError where the file is missing, ImageTooLargeError where it has more than
    ``max_bytes`` bytes or ``max_pixels`` pixels (both found before decoding), and UnreadableImageError where
    it is no picture, is corrupt, or is cut short.
    """
    name, content = _read(source, max_bytes)
    with warnings.catch_warnings():
        # Pillow warns of damage and of large pictures; below, both are errors or are allowed on purpose.
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
                _check_pixels(picture, max_pixels, name)
                _check_scans(content, name)
                picture.load()
                return _to_rgb(_in_srgb(_upright(picture)))
        except Image.DecompressionBombError as error:
            raise _too_many_pixels(name, "far more", max_pixels) from error
        except UnidentifiedImageError as error:
            raise UnreadableImageError(_not_a_picture(name, content)) from error
        except MienError:
            raise
        except Exception as error:  # on bytes from anywhere, decoders raise whatever they stumble over
            raise UnreadableImageError(
                f"{name} is corrupt or cut short: the decoder says {str(error) or type(error).__name__!r}. "
                "Copy or download the picture again."
            ) from error


def _read(source: Path | bytes, max_bytes: int) -> tuple[str, bytes]:
    if isinstance(source, bytes):
        name, size = "the picture", len(source)
    else:
        name = str(source)
        if not source.exists():
            raise DataNotFoundError(f"{name} does not exist: expected a picture file. Check the path.")
        if source.is_dir():
            raise UnreadableImageError(f"{name} is a folder: expected a picture file. Name one file in it.")
        size = source.stat().st_size
    if size > max_bytes:
        raise ImageTooLargeError(
            f"{name} has {size:,} bytes: at most {max_bytes:,} are read. Save a smaller copy of it."
        )
    if isinstance(source, bytes):
        return name, source
    try:
        return name, source.read_bytes()
    except OSError as error:
        raise UnreadableImageError(
            f"{name} cannot be read: {error.strerror}. Check its permissions."
        ) from error


def _check_pixels(picture: Image.Image, max_pixels: int, name: str) -> None:
    width, height = picture.size
    if width * height > max_pixels:
        raise _too_many_pixels(name, f"{width} × {height} = {width * height:,}", max_pixels)


def _check_scans(content: bytes, name: str) -> None:
    """Refuse a JPEG whose thousands of empty passes over the picture would keep the decoder busy for minutes."""
    # In a JPEG's data a byte 255 is always escaped, so these two bytes are a start of scan wherever they are.
    scans = content.count(b"\xff\xda") if content.startswith(b"\xff\xd8") else 0
    if scans > MAX_SCANS:
        raise ImageTooLargeError(
            f"{name} is a JPEG of {scans:,} scans: at most {MAX_SCANS} are decoded. Save it anew as JPEG or PNG."
        )


def _too_many_pixels(name: str, count: str, max_pixels: int) -> ImageTooLargeError:
    return ImageTooLargeError(
        f"{name} has {count} pixels: at most {max_pixels:,} are decoded. Save a smaller copy of it."
    )


def _not_a_picture(name: str, content: bytes) -> str:
    if not content:
        return f"{name} is empty (0 bytes). Copy or download the picture again."
    if content[4:8] == b"ftyp":
        brand = content[8:12]
        if brand in _HEIC_BRANDS:
            return (
                f"{name} is a HEIC picture, which is not read here. Save it as JPEG: on an iPhone share it with "
                "the option Most Compatible, or set Camera → Formats → Most Compatible; on a computer open it "
                "and export it as JPEG."
            )
        kind = "an AVIF picture" if brand in (b"avif", b"avis") else "a video"
        return f"{name} is {kind}, which is not read here. Save a picture as JPEG or PNG."
    if content.startswith(_TIFF_STARTS):
        return f"{name} is a TIFF picture or a camera's raw file, which is not read here. Save it as JPEG or PNG."
    start = content[:512].lstrip().lower()
    kind = next((kind for mark, kind in _DISGUISES.items() if start.startswith(mark)), "")
    if not kind and b"<svg" in start:
        kind = "an SVG drawing"
    what = f"{name} is {kind}, not" if kind else f"{name} is not"
    return f"{what} a picture that can be read: expected JPEG, PNG, WebP, BMP or GIF. Choose another file."


def _upright(picture: Image.Image) -> Image.Image:
    """Turn the picture as its EXIF orientation says; damaged EXIF counts as none."""
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:
        return picture


def _in_srgb(picture: Image.Image) -> Image.Image:
    """Bring a colour picture with an ICC profile to sRGB; a damaged profile counts as none.

    Many phones store Display P3: read as sRGB, their skin is too pale a red.
    """
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in {"RGB", "RGBA"}:
        return picture
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return picture
        converted = ImageCms.profileToProfile(picture, source, _srgb(), outputMode=picture.mode)
    except Exception:
        return picture
    return converted or picture


@functools.cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _to_rgb(picture: Image.Image) -> RGBImage:
    if picture.mode.startswith("I"):
        return _deep_grey_to_rgb(picture)
    if picture.has_transparency_data:
        backdrop = Image.new("RGBA", picture.size, _WHITE)
        picture = Image.alpha_composite(backdrop, picture.convert("RGBA"))
    return np.array(picture.convert("RGB"), dtype=np.uint8)


def _deep_grey_to_rgb(picture: Image.Image) -> RGBImage:
    """Scale 16-bit grey to 8 bits; Pillow itself would clip it."""
    grey = np.asarray(picture, dtype=np.float64) * (255.0 / 65535.0)
    grey8 = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.repeat(grey8[:, :, None], 3, axis=2))
