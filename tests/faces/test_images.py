import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from faces.images import load_image
from mien.errors import DataNotFoundError, ImageTooLargeError, UnreadableImageError

GRADIENT = np.linspace(0, 255, 64 * 48 * 3).reshape(48, 64, 3).astype(np.uint8)


def encoded(picture, kind="PNG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png_claiming(width, height):
    """Return a well-formed PNG of a few bytes whose header claims a picture of any size."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_a_lossless_picture_comes_back_to_the_bit(kind, tmp_path):
    path = tmp_path / "picture"
    path.write_bytes(encoded(Image.fromarray(GRADIENT), kind))
    image = load_image(path)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, GRADIENT)
    np.testing.assert_array_equal(load_image(path.read_bytes()), GRADIENT)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF"])
def test_a_lossy_picture_comes_back_nearly(kind):
    image = load_image(encoded(Image.fromarray(GRADIENT), kind))
    assert image.shape == GRADIENT.shape
    assert np.abs(image.astype(int) - GRADIENT).mean() < 6


UPRIGHT = {  # how a picture stored with this EXIF orientation is brought upright (EXIF 2.3, 4.6.4)
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 3),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_turns_the_picture_upright(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = encoded(Image.fromarray(GRADIENT), exif=exif)
    np.testing.assert_array_equal(load_image(stored), UPRIGHT[orientation](GRADIENT))


def test_a_heic_picture_is_named_with_the_way_to_jpeg():
    with pytest.raises(
        UnreadableImageError, match=r"HEIC picture, which is not read here.*Most Compatible.*JPEG"
    ):
        load_image(b"\0\0\0\x18ftypheic" + bytes(40))


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "jpeg"])
def test_a_tiff_is_refused_before_a_decoder_sees_it(compression, capfd):
    content = bytearray(encoded(Image.fromarray(GRADIENT), "TIFF", compression=compression))
    for start in (content, content[:60], content.replace(content[40:80], b"\xff" * 40)):
        with pytest.raises(
            UnreadableImageError, match=r"TIFF picture or a camera's raw file.*Save it as JPEG"
        ):
            load_image(bytes(start))
    assert capfd.readouterr().err == ""


def test_a_jpeg_of_thousands_of_scans_is_refused_unread():
    content = encoded(Image.fromarray(GRADIENT), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    with pytest.raises(ImageTooLargeError, match="scans: at most 100"):
        load_image(content[:last] + content[last:-2] * 200 + content[-2:])
    assert load_image(content).shape == GRADIENT.shape


def test_whatever_a_decoder_raises_becomes_a_clear_error(monkeypatch):
    def stumble(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", stumble)
    with pytest.raises(UnreadableImageError, match=r"ZeroDivisionError.*Copy or download"):
        load_image(encoded(Image.fromarray(GRADIENT)))


def test_damaged_exif_counts_as_none():
    stored = encoded(Image.fromarray(GRADIENT), exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    np.testing.assert_array_equal(load_image(stored), GRADIENT)


def display_p3():
    """Return the sRGB profile with Display P3's primaries (D50-adapted) and another name."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    primaries = {
        b"rXYZ": (0.5151, 0.2412, -0.0011),
        b"gXYZ": (0.2919, 0.6922, 0.0419),
        b"bXYZ": (0.1572, 0.0666, 0.7841),
    }
    for number in range(struct.unpack_from(">I", profile, 128)[0]):
        tag, offset, size = struct.unpack_from(">4sII", profile, 132 + 12 * number)
        if tag in primaries:
            struct.pack_into(">3i", profile, offset + 8, *(round(v * 65536) for v in primaries[tag]))
        if tag == b"desc":
            text = bytes(profile[offset : offset + size])
            profile[offset : offset + size] = text.replace(
                "sRGB".encode("utf-16-be"), "P3P3".encode("utf-16-be")
            )
    return bytes(profile)


def test_colours_of_another_profile_are_brought_to_srgb():
    """Display P3 to sRGB, against the matrix of CSS Color 4."""
    picture = Image.new("RGB", (8, 8), (204, 153, 128))
    plain = load_image(encoded(picture))[4, 4]
    converted = load_image(encoded(picture, icc_profile=display_p3()))[4, 4]
    assert plain.tolist() == [204, 153, 128]
    np.testing.assert_allclose(converted, expected_srgb(np.array([204, 153, 128]) / 255) * 255, atol=1.5)
    assert converted[0] > 208


def expected_srgb(p3):
    linear = np.where(p3 <= 0.04045, p3 / 12.92, ((p3 + 0.055) / 1.055) ** 2.4)
    matrix = np.array([[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]])
    linear = matrix @ linear
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("profile", [b"not a profile", display_p3()[:200]])
def test_a_damaged_profile_counts_as_none(profile):
    picture = Image.new("RGB", (8, 8), (204, 153, 128))
    assert load_image(encoded(picture, icc_profile=profile))[4, 4].tolist() == [204, 153, 128]


def test_transparent_becomes_white():
    picture = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    picture.putpixel((1, 2), (0, 0, 255, 255))
    image = load_image(encoded(picture))
    assert image[0, 0].tolist() == [255, 255, 255]
    assert image[2, 1].tolist() == [0, 0, 255]


def test_a_palette_with_a_transparent_colour_becomes_white_there():
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.putpixel((1, 0), 1)
    image = load_image(encoded(picture, transparency=0))
    assert image.tolist() == [[[255, 255, 255], [200, 100, 50]]]


def test_sixteen_bit_grey_is_scaled_and_not_clipped():
    deep = np.array([[0, 257 * 7, 257 * 128, 65535]], dtype=np.uint16)
    image = load_image(encoded(Image.fromarray(deep)))
    assert image[0, :, 0].tolist() == [0, 7, 128, 255]
    assert (image[..., 0] == image[..., 2]).all()


def test_grey_and_cmyk_are_converted():
    assert load_image(encoded(Image.new("L", (3, 2), 90)))[0, 0].tolist() == [90, 90, 90]
    cyan = load_image(encoded(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG"))[8, 8].tolist()
    assert cyan[0] < 60
    assert min(cyan[1:]) > 100


def test_a_huge_picture_is_refused_before_it_is_decoded():
    with pytest.raises(ImageTooLargeError, match=r"8000 × 7000 = 56,000,000 pixels: at most 50,000,000"):
        load_image(png_claiming(8000, 7000))
    with pytest.raises(ImageTooLargeError, match=r"far more pixels|pixels: at most"):
        load_image(png_claiming(60000, 60000))


def test_pillow_s_own_warning_for_large_pictures_is_no_surprise():
    with pytest.raises(ImageTooLargeError, match=r"100,000,000 pixels"):  # between Pillow's warning and error
        load_image(png_claiming(10000, 10000))


def test_a_heavy_file_is_refused_unread(tmp_path):
    path = tmp_path / "heavy.jpg"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(ImageTooLargeError, match=r"heavy\.jpg has 100,000,000 bytes"):
        load_image(path)
    with pytest.raises(ImageTooLargeError, match="at most 10 are read"):
        load_image(b"x" * 11, max_bytes=10)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_a_picture_cut_short_is_unreadable(kind, draw_face):
    whole = encoded(Image.fromarray(draw_face()), kind)
    for share in (0.02, 0.5, 0.9):
        with pytest.raises(UnreadableImageError):
            load_image(whole[: int(len(whole) * share)])


def test_no_damage_raises_anything_but_our_errors(draw_face):
    rng = np.random.default_rng(7)
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF"):
        whole = encoded(Image.fromarray(draw_face(48, 54, scale=0.15)), kind)
        for _ in range(60):
            damaged = bytearray(whole)
            for place in rng.integers(0, min(len(whole), 400), 4):
                damaged[place] = rng.integers(0, 256)
            try:
                image = load_image(bytes(damaged))
            except (UnreadableImageError, ImageTooLargeError):
                continue
            assert image.ndim == 3
            assert image.shape[2] == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"hello", "is not a picture"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00", "HEIC"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "is not a picture"),
    ],
)
def test_what_is_no_picture_is_said_to_be_none(content, message):
    with pytest.raises(UnreadableImageError, match=message):
        load_image(content)


def test_paths_that_are_no_files_are_named(tmp_path):
    with pytest.raises(DataNotFoundError, match=r"gone\.jpg does not exist"):
        load_image(tmp_path / "gone.jpg")
    with pytest.raises(UnreadableImageError, match="is a folder"):
        load_image(tmp_path)
