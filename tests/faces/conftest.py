"""Faces drawn with ellipses that dlib takes for faces, with known places for eyes, nose and mouth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from faces.sample import FaceTable

SKIN = (224, 172, 140)


def _draw_face(
    width: int = 160,
    height: int = 180,
    centre: tuple[float, float] | None = None,
    scale: float = 0.5,
    skin: tuple[int, int, int] = SKIN,
    jaw: float = 1.0,
) -> NDArray[np.uint8]:
    """Draw one face; at scale 1 its eyes are 64 pixels apart and lie 14 above ``centre``."""
    zoom = 4
    x0, y0 = centre or (width / 2, height / 2)
    picture = Image.new("RGB", (width * zoom, height * zoom), (70, 90, 110))
    pen = ImageDraw.Draw(picture)

    def at(x: float, y: float) -> tuple[float, float]:
        return (x0 + x * scale) * zoom, (y0 + y * scale) * zoom

    def ellipse(x: float, y: float, rx: float, ry: float, colour: tuple[int, ...]) -> None:
        pen.ellipse([*at(x - rx, y - ry), *at(x + rx, y + ry)], fill=colour)

    def line(points: list[tuple[float, float]], colour: tuple[int, ...], thick: float) -> None:
        pen.line([at(*p) for p in points], fill=colour, width=round(thick * scale * zoom), joint="curve")

    dark = tuple(int(v * 0.72) for v in skin)
    ellipse(0, -25, 88, 105, (50, 35, 28))
    ellipse(0, 5, 75 * jaw, 100, skin)
    for side in (-1, 1):
        ellipse(side * 32, -15, 22, 13, dark)
        ellipse(side * 32, -14, 17, 8, (240, 238, 235))
        ellipse(side * 32, -14, 8, 8, (60, 40, 30))
        ellipse(side * 32, -14, 4, 4, (10, 10, 10))
        line([(side * 12, -38), (side * 30, -44), (side * 54, -36)], (55, 38, 28), 7)
        line([(side * 7, -15), (side * 9, 15), (side * 16, 28)], dark, 5)
        ellipse(side * 9, 32, 6, 4, tuple(v // 2 for v in skin))
    ellipse(0, 26, 13, 9, tuple(min(255, int(v * 1.06)) for v in skin))
    ellipse(0, 62, 27, 11, (170, 80, 80))
    line([(-27, 62), (0, 63), (27, 62)], (90, 35, 40), 3)
    ellipse(0, 85, 20, 5, dark)
    picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(1.2 * scale)))


@pytest.fixture(scope="session")
def draw_face() -> Callable[..., NDArray[np.uint8]]:
    return _draw_face


@pytest.fixture
def celeba(tmp_path: Path) -> Callable[..., Path]:
    """Write a folder in CelebA's layout: pictures drawn, three a person."""

    def write(
        count: int = 6,
        *,
        files: dict[str, bytes | str] | None = None,
        draw: bool = False,
        name: str = "celeba",
    ) -> Path:
        root = tmp_path / name
        pictures = root / "img_align_celeba"
        pictures.mkdir(parents=True)
        images = [f"{n:06d}.jpg" for n in range(1, count + 1)]
        for n, image in enumerate(images):
            skin = (224 - 3 * n, 172, 140)
            drawn = _draw_face(skin=skin) if draw else np.full((8, 8, 3), n, dtype=np.uint8)
            Image.fromarray(drawn).save(pictures / image, quality=92)
        rows = [f"{image} {1 if n % 2 else -1} -1" for n, image in enumerate(images)]
        text = {
            "list_attr_celeba.txt": "\n".join([str(count), "Chubby Pale_Skin ", *rows]) + "\n",
            "identity_CelebA.txt": "".join(f"{image} {100 + n // 3}\n" for n, image in enumerate(images)),
            "list_eval_partition.txt": "".join(f"{image} {n % 3}\n" for n, image in enumerate(images)),
        }
        for file, content in {**text, **(files or {})}.items():
            if isinstance(content, bytes):
                (root / file).write_bytes(content)
            elif content:
                (root / file).write_text(content)
        return root

    return write


@pytest.fixture(scope="session")
def make_table() -> Callable[..., FaceTable]:
    """Build a table in memory whose persons have the given numbers of photos."""

    def make(photos: list[int], marks: list[int] | None = None, seed: int = 0) -> FaceTable:
        rng = np.random.default_rng(seed)
        persons = rng.permutation(np.repeat(np.arange(len(photos)), photos)).astype(np.int64)
        rows = len(persons)
        labels = (
            np.full((rows, 1), -1, np.int8) if marks is None else np.array(marks, np.int8)[persons][:, None]
        )
        return FaceTable(
            image_ids=tuple(f"{row:05d}.jpg" for row in range(rows)),
            persons=persons,
            person_names=tuple(f"person-{n}" for n in range(len(photos))),
            jaw=rng.random((rows, 8)).astype(np.float32),
            skin=rng.integers(0, 256, (rows, 3, 8, 8), dtype=np.uint8),
            nose=rng.integers(0, 256, (rows, 3, 9, 9), dtype=np.uint8),
            face=rng.integers(0, 256, (rows, 3, 10, 10), dtype=np.uint8),
            landmarks=rng.random((rows, 68, 2)).astype(np.float32),
            labels=labels,
            attributes=("Chubby",),
        )

    return make
