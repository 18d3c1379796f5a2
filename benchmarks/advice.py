"""The adviser measured: speed, share answered, stability, skin depth, fairness of colours, gates.

python benchmarks/advice.py [--quick] [--json FILE] [--check]

Real photos come from the folder named by MIEN_REAL_FACES (photos/ and celeba-faces/, see docs/data.md); the
rows that need them say so when it is absent. No picture and no figure of a single picture is written.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import _table
import numpy as np
from _advice_agreement import depth, gates, stability
from _advice_changes import SKINS, Picture, jpeg
from _advice_fairness import fairness
from PIL import Image

from faces.images import load_image
from mien.errors import ImageError
from recommend.adviser import advise
from recommend.colour import Lab, lab_of_hex
from recommend.draw import annotate
from recommend.knowledge.load import shipped
from recommend.knowledge.validate import validate
from recommend.preferences import Preferences
from recommend.reading.reading import Reading, read_face
from recommend.recipes import is_ashy, resolve


def measure(quick: bool) -> list[_table.Row]:
    """Measure everything; the quick run uses fewer photos."""
    rows = [*knowledge(quick), *colours()]
    folder = Path(os.environ.get("MIEN_REAL_FACES", "../shared/data"))
    if not (folder / "photos").is_dir():
        return [*rows, _table.Row("real photos", 0, "photos", note="absent: set MIEN_REAL_FACES")]
    photos = sorted((folder / "photos" / "img_align_celeba").glob("*.jpg"))
    crops = sorted((folder / "celeba-faces" / "img_align_celeba").glob("*.jpg"))
    rows += speed(photos[: 40 if quick else 150])
    rows += answered(crops[:: max(1, len(crops) // (80 if quick else 200))])
    usable = list(readable(photos, 12 if quick else 40)) + list(
        readable(crops[:: len(crops) // 40], 8 if quick else 40)
    )
    # Six means are told apart by numbers of faces, not by care: as many again, of other people.
    more = [*usable, *readable(crops[len(crops) // 80 :: len(crops) // 80], 4 if quick else 60)]
    rows += [*stability(usable), *depth(usable), *gates(usable)]
    return [*rows, *fairness(more, drawn=6 if quick else 50)]


def knowledge(quick: bool) -> list[_table.Row]:
    """Count the rules and prove the knowledge base."""
    profiles = 1000 if quick else 5000
    problems = validate(shipped(), profiles=profiles)
    return [
        _table.at_least("rules", len(shipped().rules), "rules", 100),
        _table.at_most("problems found by the validator", len(problems), "problems", 0, f"{profiles} people"),
    ]


def colours() -> list[_table.Row]:
    """Resolve every recipe on skins of all depths: even visibility, nothing ashy."""
    worst, ashy, count = 1.0, 0, 0
    for recipe in shipped().recipes:
        if recipe.base != "skin" or recipe.visible == 0:
            continue
        means = []
        for skins in SKINS.values():
            made = []
            for skin in skins:
                own = Lab.from_lch(*skin)
                swatch = resolve(recipe, own)
                made.append(swatch.difference)
                ashy += is_ashy(own, lab_of_hex(swatch.on_hex))
                count += 1
            means.append(np.mean(made))
        worst = max(worst, max(means) / min(means))
    return [
        _table.at_most("ΔE2000 of a recipe, most to least visible depth", float(worst), "ratio", 1.5),
        _table.at_most("ashy results", float(ashy), f"of {count}", 0),
    ]


def readable(paths: list[Path], limit: int) -> Iterator[tuple[Picture, Reading]]:
    """Yield photos with one face that looks at the camera, with their readings."""
    found = 0
    for path in paths:
        try:
            image = load_image(path)
            reading = read_face([image])
        except ImageError:
            continue
        if any("facing" in notice.blocks for notice in reading.notices):
            continue
        yield image, reading
        found += 1
        if found == limit:
            return


def speed(paths: list[Path]) -> list[_table.Row]:
    """Time bytes → cards on photos whose longer side is brought to 720 pixels; CPU time of this thread."""
    times, drawing, read = [], [], 0
    for path in paths:
        picture = Image.fromarray(load_image(path))
        factor = 720 / max(picture.size)
        size = (round(picture.width * factor), round(picture.height * factor))
        content = jpeg(np.asarray(picture.resize(size)), 90)
        started = time.thread_time()
        try:
            image = load_image(content)
            reading = read_face([image])
            advice = advise(reading)
        except ImageError:
            continue
        times.append(1000 * (time.thread_time() - started))
        read += 1
        started = time.thread_time()
        annotate(image, advice, reading.points)
        drawing.append(1000 * (time.thread_time() - started))
    note = f"{len(times)} photos of 720 px, one core, CPU time"
    return [
        _table.at_most("bytes to cards, p50", float(np.percentile(times[1:], 50)), "ms", 150, note),
        _table.at_most("bytes to cards, p95", float(np.percentile(times[1:], 95)), "ms", 400, note),
        _table.Row("drawing the zones, p50", float(np.percentile(drawing, 50)), "ms"),
        _table.Row("photos with exactly one face found", read / len(paths), "share"),
    ]


def answered(paths: list[Path]) -> list[_table.Row]:
    """Count what is answered on face crops, and that everybody gets ten cards."""
    decided, cards, shapes, depths, read = [], [], 0, 0, 0
    for path in paths:
        try:
            reading = read_face([load_image(path)])
        except ImageError:
            continue
        read += 1
        decided.append(np.mean([found.answer is not None for found in reading.measurements.values()]))
        shapes += reading.shape_answer is not None
        depths += reading.depth_answer is not None
        for language in ("en", "zh"):
            cards.append(len(advise(reading, Preferences(language=language)).cards))
    note = f"{read} of {len(paths)} crops read"
    return [
        _table.at_least("fewest cards, default preferences", float(min(cards)), "cards", 10, note),
        _table.Row("measures decided, all photos", float(np.mean(decided)), "share", note="gates included"),
        _table.Row("face shape decided", shapes / read, "share"),
        _table.Row("skin depth decided", depths / read, "share"),
    ]


if __name__ == "__main__":
    _table.main("Advice on the device", measure)
