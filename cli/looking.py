"""What `mien look` shows: cards in the terminal or JSON, the photo with the zones, and a page to print."""

from __future__ import annotations

import dataclasses
import io
import json
import locale
import os
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from cli.feedback import own_taste
from cli.printing import find_browser, print_page
from faces.synthetic.dataset import records
from mien.errors import (
    ConfigError,
    ImageTooLargeError,
    MienError,
    MissingModelError,
    NoFaceError,
    SeveralFacesError,
    UnreadableImageError,
)
from mien.files import write_atomic
from recommend.describe import Describer
from recommend.look import LookResult, look
from recommend.preferences import Preferences
from recommend.present import lines
from recommend.reading.reading import Region
from recommend.sheet import TYPE_SIZES, sheet

Format = Literal["text", "json"]

_DEMO_PERSON, _DEMO_SIZE = 3, 512  # a synthetic face from another seed than the embedded dataset's
_SPOKEN: dict[type[MienError], str] = {
    UnreadableImageError: "unreadable", ImageTooLargeError: "too_large", NoFaceError: "no_face",
    SeveralFacesError: "several_faces", MissingModelError: "no_model",
}  # fmt: skip
_PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


@dataclasses.dataclass(frozen=True)
class Output:
    """What to show and to write: ``picture`` None means beside the first photo, unless ``draw`` is False."""

    format: Format = "text"
    details: bool = False
    draw: bool = True
    picture: Path | None = None
    sheet: Path | None = None

    def check(self) -> None:
        """Raise ConfigError now, not after the work, where something could not be written."""
        if self.picture is not None and self.picture.suffix.lower() not in _PICTURES:
            raise ConfigError(
                f"{self.picture}: expected a picture ending in {', '.join(_PICTURES)}. Choose one."
            )
        if self.sheet is not None:
            if self.sheet.suffix.lower() not in (".html", ".pdf"):
                raise ConfigError(
                    f"{self.sheet}: expected a page ending in .html or .pdf. Choose one of these."
                )
            if self.sheet.suffix.lower() == ".pdf":
                find_browser()
        for path in (self.picture, self.sheet):
            if path is not None and not path.parent.is_dir():
                raise ConfigError(
                    f"{path.parent} is not a folder: expected one to write {path.name} in. Make it."
                )


def show_look(
    console: Console,
    photos: list[Path],
    preferences: Preferences,
    output: Output | None = None,
    paper: Region | None = None,
    model: Path | None = None,
) -> LookResult:
    """Read the photos of one person, print the advice, and write the picture and the page that were asked for."""
    output = output or Output()
    output.check()
    speak = Describer(preferences.language)
    try:
        result = look(photos, preferences=preferences, paper=paper, taste=own_taste(), model=model)
    except MienError as error:
        _say_in_chinese(error, speak)
        raise
    written = []
    if output.draw:
        place = output.picture or photos[0].with_name(f"{photos[0].stem}-look.png")
        save_picture(place, result.annotated)
        written.append(f"{speak.say('label.picture')}{speak.dash}{place}")
    if output.sheet is not None:
        save_sheet(output.sheet, result)
        written.append(f"{speak.say('label.sheet_title')}{speak.dash}{output.sheet}")
    if output.format == "json":
        console.file.write(json.dumps(result.to_json(), ensure_ascii=False, indent=1) + "\n")
        return result
    for part in lines(result, details=output.details):
        console.print(part)
    for line in written:
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    return result


def _say_in_chinese(error: MienError, speak: Describer) -> None:
    """Say what was wrong and what to do in Chinese where that is the language; the English details follow."""
    key = _SPOKEN.get(type(error))
    if key and speak.language == "zh":
        words = f"{speak.say(f'error.{key}')}{speak.say(f'remedy.{key}')}"
        Console(stderr=True).print(words, markup=False, highlight=False, soft_wrap=True)


def look_at_synthetic_face(console: Console, folder: Path) -> None:
    """Draw a face of nobody, advise it, and leave both pictures in ``folder``."""
    face = records(_DEMO_PERSON + 1, 1, seed=7)[-1].render(_DEMO_SIZE)
    photo = folder / "synthetic-face.png"
    save_picture(photo, face)
    show_look(console, [photo], Preferences(), Output(picture=folder / "synthetic-face-look.png"))


def save_picture(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write RGB pixels as PNG (or what the suffix says), whole or not at all."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format=_PICTURES[path.suffix.lower() or ".png"])
    write_atomic(path, buffer.getvalue())


def save_sheet(path: Path, result: LookResult) -> None:
    """Write the page as HTML, or as PDF in the largest type that fits one A4 page."""
    if path.suffix.lower() == ".html":
        write_atomic(path, sheet(result).encode())
        return
    for size in TYPE_SIZES:
        if print_page(sheet(result, size), path) == 1:
            return


def language_of_locale() -> Literal["en", "zh"]:
    """Return the language that the environment asks for: Chinese, or else English."""
    chosen = next((os.environ[v] for v in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(v)), "")
    chosen = chosen or locale.getlocale()[0] or ""
    return "zh" if chosen.lower().startswith(("zh", "chinese")) else "en"


def parse_confirmed(answers: list[str]) -> dict[str, str]:
    """Turn ``KEY=VALUE`` answers into a dictionary; raise ConfigError for anything else."""
    confirmed: dict[str, str] = {}
    for answer in answers:
        key, equals, value = (part.strip() for part in answer.partition("="))
        if not (key and equals and value):
            raise ConfigError(
                f"--confirm {answer!r}: expected KEY=VALUE, such as lid_type=monolid. The questions under a "
                "look say which keys and values there are."
            )
        if confirmed.setdefault(key, value) != value:
            raise ConfigError(f"--confirm says {key} twice: {confirmed[key]!r} and {value!r}. Give one.")
    return confirmed


def parse_paper(text: str | None) -> Region | None:
    """Turn ``left,top,right,bottom`` (fractions) into a region; raise ConfigError for anything else."""
    if text is None:
        return None
    try:
        left, top, right, bottom = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(
            f"--paper {text!r}: expected LEFT,TOP,RIGHT,BOTTOM as fractions of the photo, such as "
            "0.02,0.7,0.2,0.95. Give the place of the white paper again."
        ) from error
    return left, top, right, bottom
