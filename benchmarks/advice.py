"""The adviser measured: speed, share answered, stability, skin depth, fairness of colours, gates.

python benchmarks/advice.py [--quick] [--json FILE] [--check]

Real photos come from the folder named by MIEN_REAL_FACES (photos/ and celeba-faces/, see docs/data.md); the
rows that need them say so when it is absent. No picture and no figure of a single picture is written.
"""

from __future__ import annotations

import dataclasses
import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import _table
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from faces.images import load_image
from mien.errors import ImageError
from recommend.adviser import advise
from recommend.colour import Lab, lab_of_hex, lab_to_linear, linear_to_srgb, srgb_to_linear
from recommend.draw import annotate
from recommend.knowledge.load import shipped
from recommend.knowledge.validate import validate
from recommend.preferences import Preferences
from recommend.reading.geometry import frame_of
from recommend.reading.patches import cheeks, cut_out
from recommend.reading.quality import detail, unevenness
from recommend.reading.reading import Reading, read_face
from recommend.recipes import is_ashy, resolve

Picture = NDArray[np.uint8]
TOP = 6
# Three skins of each ITA class as L*, C*, hue: golden, neutral and rosy.
SKINS = {
    "depth_1": [(86, 14, 62), (82, 17, 60), (80, 18, 66)],
    "depth_2": [(76, 20, 58), (73, 21, 62), (71, 20, 66)],
    "depth_3": [(68, 22, 56), (65, 23, 61), (63, 24, 66)],
    "depth_4": [(60, 24, 56), (57, 25, 60), (55, 26, 66)],
    "depth_5": [(49, 25, 54), (44, 24, 58), (40, 22, 62)],
    "depth_6": [(34, 19, 50), (29, 16, 55), (24, 12, 58)],
}


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
    return [*rows, *stability(usable), *depth(usable), *fairness(usable), *gates(usable)]


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


def jpeg(image: Picture, quality: int) -> bytes:
    """Encode a picture as JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def scaled(image: Picture, factor: float) -> Picture:
    """Resize a picture."""
    size = (max(8, round(image.shape[1] * factor)), max(8, round(image.shape[0] * factor)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def rotated(image: Picture, degrees: float) -> Picture:
    """Turn a picture, keeping its size."""
    turned = Image.fromarray(image).rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128))
    return np.asarray(turned)


def cropped(image: Picture, reading: Reading) -> Picture:
    """Cut away the edges, as far as the face allows, at most 12 %."""
    low, high = reading.points.min(axis=0), reading.points.max(axis=0)
    height, width = image.shape[:2]
    left, top = int(min(0.12 * width, low[0] * 0.5)), int(min(0.08 * height, low[1] * 0.3))
    right, bottom = (
        int(max(0.88 * width, (high[0] + width) / 2)),
        int(max(0.92 * height, (high[1] + height) / 2)),
    )
    return np.ascontiguousarray(image[top:bottom, left:right])


def lit(image: Picture, gains: tuple[float, float, float]) -> Picture:
    """Multiply the light of a picture by a factor a channel."""
    light = srgb_to_linear(image / 255.0) * np.array(gains)
    return np.asarray(np.rint(255 * linear_to_srgb(np.clip(light, 0, 1))), dtype=np.uint8)


def noisy(image: Picture) -> Picture:
    """Add Gaussian noise of 6 levels."""
    noise = np.random.default_rng(0).normal(0, 6, image.shape)
    return np.asarray(np.clip(image + noise, 0, 255), dtype=np.uint8)


WARM, COOL = (1.22, 1.0, 0.68), (0.86, 1.0, 1.20)
CHANGES: dict[str, Callable[[Picture, Reading], Picture]] = {
    "crop": cropped,
    "scale 0.7": lambda image, _: scaled(image, 0.7),
    "scale 1.3": lambda image, _: scaled(image, 1.3),
    "JPEG 40": lambda image, _: load_image(jpeg(image, 40)),
    "mirror": lambda image, _: np.ascontiguousarray(image[:, ::-1]),
    "turn +6°": lambda image, _: rotated(image, 6),
    "turn −6°": lambda image, _: rotated(image, -6),
    "noise": lambda image, _: noisy(image),
    "warm light": lambda image, _: lit(image, WARM),
    "cool light": lambda image, _: lit(image, COOL),
    "exposure −½": lambda image, _: lit(image, (0.7071,) * 3),
    "exposure +½": lambda image, _: lit(image, (1.4142,) * 3),
}


@dataclasses.dataclass
class Agreement:
    """Counts of a comparison of the changed photo with the original."""

    both: int = 0
    same: int = 0
    decided: int = 0
    asked: int = 0
    jaccard: list[float] = dataclasses.field(default_factory=list)
    shape: list[float] = dataclasses.field(default_factory=list)
    shape_top2: list[float] = dataclasses.field(default_factory=list)


def stability(usable: list[tuple[Picture, Reading]]) -> list[_table.Row]:
    """Change each photo in ways that change nothing about the person, and compare the answers."""
    total, each = Agreement(), {}
    lost = 0
    for image, reading in usable:
        cards = top_cards(reading)
        for name, change in CHANGES.items():
            try:
                other = read_face([change(image, reading)])
            except ImageError:
                lost += 1
                continue
            for agreement in (total, each.setdefault(name, Agreement())):
                compare(agreement, reading, other, cards)
    worst = min(each, key=lambda name: np.mean(each[name].jaccard))
    note = f"{len(usable)} photos × {len(CHANGES)} changes"
    return [
        _table.at_least("decided twice: the same answer", total.same / total.both, "share", 0.95, note),
        _table.at_least("measures decided, frontal photos", total.decided / total.asked, "share", 0.6, note),
        _table.at_least(f"top {TOP} cards, Jaccard, mean", float(np.mean(total.jaccard)), "", 0.9, note),
        _table.Row(f"the same for the worst change ({worst})", float(np.mean(each[worst].jaccard)), ""),
        _table.at_least("face shape: the same first", float(np.mean(total.shape)), "share", 0.85),
        _table.at_least(
            "face shape: first among the other two", float(np.mean(total.shape_top2)), "share", 0.97
        ),
        _table.Row("changed photos in which no face was found", lost / (len(usable) * len(CHANGES)), "share"),
    ]


def top_cards(reading: Reading) -> set[str]:
    """Return the rules of the most important cards."""
    return {card.rule for card in advise(reading).cards if card.rank <= TOP}


def compare(agreement: Agreement, first: Reading, second: Reading, cards: set[str]) -> None:
    """Count one comparison."""
    for name, one in first.measurements.items():
        two = second.measurements[name]
        if any(reason != "near_cut" for reason in (*one.undecided, *two.undecided)):
            continue  # the photo itself does not allow it (an open mouth): not a question of stability
        agreement.asked += 2
        agreement.decided += (one.answer is not None) + (two.answer is not None)
        if one.answer is not None and two.answer is not None:
            agreement.both += 1
            agreement.same += one.answer == two.answer
    others = top_cards(second)
    agreement.jaccard.append(len(cards & others) / len(cards | others))
    names, two_names = list(first.shape), list(second.shape)
    agreement.shape.append(names[0] == two_names[0])
    agreement.shape_top2.append(two_names[0] in names[:2])


def depth(usable: list[tuple[Picture, Reading]]) -> list[_table.Row]:
    """Change light and exposure and see whether the interval still covers; put white paper in and compare."""
    covered, paper, swap = [], [], []
    for image, reading in usable:
        if reading.skin is None:
            continue
        for gains in ((1.22, 1, 0.68), (0.86, 1, 1.2), (0.7, 0.7, 0.7), (1.4, 1.4, 1.4), (0.61, 0.5, 0.34)):
            other = try_read(lit(image, gains))
            if other is not None and other.skin is not None:
                covered.append(other.skin.ita_low <= reading.skin.ita <= other.skin.ita_high)
        sheet = image.copy()
        height, width = image.shape[:2]
        corner = (slice(0, max(4, height // 12)), slice(0, max(4, width // 12)))
        sheet[corner] = 242
        region = (0.01, 0.01, 0.06, 0.06)
        try:
            truth = read_face([sheet], paper=region)
        except ImageError:
            continue
        for gains in ((1.22, 1, 0.68), (0.86, 1, 1.02), (0.7, 0.7, 0.7)):
            changed = lit(sheet, gains)  # type: ignore[arg-type]
            try:
                other = read_face([changed], paper=region)
            except ImageError:
                continue
            if truth.skin is not None and other.skin is not None:
                paper.append(abs(truth.skin.ita - other.skin.ita))
        background = try_read(other_background(image, reading))
        if background is not None and background.skin is not None:
            swap.append(abs(background.skin.ita - reading.skin.ita))
    return [
        _table.at_least(
            "skin depth: 90 % interval covers, other light", float(np.mean(covered)), "share", 0.88
        ),
        _table.at_most("with white paper: |ΔITA°|, median", float(np.median(paper)), "°", 3),
        _table.at_most("with white paper: |ΔITA°|, p95", float(np.percentile(paper, 95)), "°", 8),
        _table.at_most("background swapped: |ΔITA°|, median", float(np.median(swap)), "°", 1),
    ]


def try_read(image: Picture) -> Reading | None:
    """Read a face, or None where none is found."""
    try:
        return read_face([image])
    except ImageError:
        return None


def other_background(image: Picture, reading: Reading) -> Picture:
    """Paint everything well outside the face in a strong green."""
    low, high = reading.points.min(axis=0), reading.points.max(axis=0)
    middle, half = (low + high) / 2, (high - low) / 2
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    outside = ((columns - middle[0]) / (1.35 * half[0])) ** 2 + (
        (rows - middle[1]) / (1.6 * half[1])
    ) ** 2 > 1
    changed = image.copy()
    changed[outside] = (40, 150, 60)
    return changed


def retoned(image: Picture, reading: Reading, target: Lab) -> Picture:
    """Give the skin of a face another depth: multiply its light, whites of the eyes left as they are."""
    pixels = cut_out(image, reading.points)
    bare = np.concatenate([pixels.inside(edge) for edge in cheeks(pixels.points)]).mean(axis=0)
    gains = lab_to_linear([target.l, target.a, target.b]) / np.maximum(bare, 1e-3)
    points = reading.points
    frame = frame_of(points)
    crown = [points[i] + frame.up * frame.unit * 0.9 for i in (26, 24, 19, 17)]
    mask = Image.new("L", (image.shape[1], image.shape[0]))
    pen = ImageDraw.Draw(mask)
    pen.polygon([(float(x), float(y)) for x, y in [*points[:17], *crown]], fill=255)
    for eye in (points[36:42], points[42:48]):
        pen.polygon([(float(x), float(y)) for x, y in eye], fill=0)
    soft = mask.filter(ImageFilter.GaussianBlur(0.02 * frame.unit))
    share = np.asarray(soft, dtype=np.float64)[:, :, None] / 255
    light = srgb_to_linear(image / 255.0) * (1 - share + share * gains)
    return np.asarray(np.rint(255 * linear_to_srgb(np.clip(light, 0, 1))), dtype=np.uint8)


def fairness(usable: list[tuple[Picture, Reading]]) -> list[_table.Row]:
    """Read the same faces with skin of every depth: is as much answered for all?"""
    found, decided, cards = [], [], []
    for skins in SKINS.values():
        target = Lab.from_lch(*skins[1])
        readings = [try_read(retoned(image, reading, target)) for image, reading in usable]
        seen = [reading for reading in readings if reading is not None]
        found.append(len(seen) / len(readings))
        decided.append(
            np.mean([found.answer is not None for reading in seen for found in reading.measurements.values()])
        )
        cards.append(min(len(advise(reading).cards) for reading in seen))
    return [
        _table.Row("faces found, least of six depths", min(found), "share", note="the detector's own bias"),
        _table.at_most(
            "measures decided, gap between six depths", 100 * float(max(decided) - min(decided)), "points", 3
        ),
        _table.at_least("fewest cards on any depth", float(min(cards)), "cards", 10),
    ]


def auc(bad: list[float], good: list[float]) -> float:
    """Return how often a bad photo's figure is above a good one's (ties count half)."""
    pairs = np.subtract.outer(np.array(bad), np.array(good))
    return float(np.mean(pairs > 0) + np.mean(pairs == 0) / 2)


def gates(usable: list[tuple[Picture, Reading]]) -> list[_table.Row]:
    """Blur and side-light photos on purpose: can the gates' figures tell?"""
    sharp, blurred, even, side = [], [], [], []
    for image, reading in usable:
        points = reading.points
        sharp.append(-detail(image, points))
        width = float(np.ptp(points[:, 0]))
        radius = 1.5 * width / 128
        soft = np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))
        blurred.append(-detail(soft, points))
        even.append(unevenness(cut_out(image, points)))
        left, right = points[0, 0], points[16, 0]
        share = np.clip((np.arange(image.shape[1]) - left) / (right - left), 0, 1)
        ramp = 2.0 ** (-2.0 * share)[None, :, None]
        dimmed = linear_to_srgb(np.clip(srgb_to_linear(image / 255.0) * ramp, 0, 1))
        side.append(unevenness(cut_out(np.asarray(np.rint(dimmed * 255), dtype=np.uint8), points)))
    return [
        _table.at_least("blur gate (σ 1.5 px at a 128 px face)", auc(blurred, sharp), "AUC", 0.95),
        _table.at_least("side-light gate (2 stops across the face)", auc(side, even), "AUC", 0.85),
    ]


if __name__ == "__main__":
    _table.main("Advice on the device", measure)
