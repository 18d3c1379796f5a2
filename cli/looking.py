"""What `mien look` shows: cards in the terminal or JSON, and the photo with the zones drawn on it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from faces.synthetic.dataset import records
from mien.errors import ImageError
from mien.files import write_atomic
from recommend.look import LookResult, look
from recommend.preferences import Preferences
from recommend.present import lines

Format = Literal["text", "json"]

_DEMO_PERSON, _DEMO_SIZE = 3, 512  # a synthetic face from another seed than the embedded dataset's


def show_look(
    console: Console, photos: list[Path], preferences: Preferences, format_: Format, save: Path | None
) -> LookResult:
    """Read the photos of one person, print the advice, and save the annotated picture beside the first photo."""
    result = look(photos, preferences=preferences)
    place = save or photos[0].with_name(f"{photos[0].stem}-look.png")
    save_picture(place, result.annotated)
    if format_ == "json":
        console.print_json(json.dumps(result.to_json(), ensure_ascii=False))
        return result
    for part in lines(result):
        console.print(part)
    console.print(f"The photo with the zones: {place}", soft_wrap=True)
    return result


def look_at_synthetic_face(console: Console, folder: Path) -> None:
    """Draw a face of nobody, advise it, and leave both pictures in ``folder``."""
    face = records(_DEMO_PERSON + 1, 1, seed=7)[-1].render(_DEMO_SIZE)
    photo = folder / "synthetic-face.png"
    save_picture(photo, face)
    show_look(console, [photo], Preferences(), "text", folder / "synthetic-face-look.png")


def save_picture(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write RGB pixels as PNG (or what the suffix says), whole or not at all."""
    suffix = path.suffix.lower() or ".png"
    formats = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
    if suffix not in formats:
        raise ImageError(f"{path}: pictures are saved as {', '.join(formats)}; choose one of these endings")
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format=formats[suffix])
    write_atomic(path, buffer.getvalue())
