"""How alike the answers are when a photo is changed: stability, depth of the skin, gates."""

from __future__ import annotations

import dataclasses

import _table
import numpy as np
from _advice_changes import CHANGES, Picture, lit, other_background
from _advice_fairness import try_read
from PIL import Image, ImageFilter

from mien.errors import ImageError
from recommend.adviser import advise
from recommend.colour import linear_to_srgb, srgb_to_linear
from recommend.knowledge.load import shipped
from recommend.reading.patches import cut_out
from recommend.reading.quality import detail, unevenness
from recommend.reading.reading import Reading, read_face

TOP = 6
READ = {attribute.id for attribute in shipped().attributes if attribute.kind in ("measured", "estimated")}


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
    lost, personal = 0, []
    rests = {rule.id for rule in shipped().rules if any(c.attribute in READ for c in rule.when)}
    for image, reading in usable:
        cards = top_cards(reading)
        personal.append(len(cards & rests))
        for name, change in CHANGES.items():
            try:
                other = read_face([change(image, reading)])
            except ImageError:
                lost += 1
                continue
            others = top_cards(other)
            for agreement in (total, each.setdefault(name, Agreement())):
                compare(agreement, reading, other, cards, others)
    worst = min(each, key=lambda name: np.mean(each[name].jaccard))
    note = f"{len(usable)} photos × {len(CHANGES)} changes"
    return [
        _table.at_least("decided twice: the same answer", total.same / total.both, "share", 0.95, note),
        _table.at_least("measures decided, frontal photos", total.decided / total.asked, "share", 0.6, note),
        _table.at_least(f"top {TOP} cards, Jaccard, mean", float(np.mean(total.jaccard)), "", 0.9, note),
        _table.Row(f"the same for the worst change ({worst})", float(np.mean(each[worst].jaccard)), ""),
        _table.Row(f"of the top {TOP}, cards that rest on this face", float(np.mean(personal)), "cards"),
        _table.at_least("face shape: the same first", float(np.mean(total.shape)), "share", 0.85),
        _table.at_least(
            "face shape: first among the other two", float(np.mean(total.shape_top2)), "share", 0.97
        ),
        _table.Row("changed photos in which no face was found", lost / (len(usable) * len(CHANGES)), "share"),
    ]


def top_cards(reading: Reading) -> set[str]:
    """Return the rules of the most important cards."""
    return {card.rule for card in advise(reading).cards if card.rank <= TOP}


def compare(agreement: Agreement, first: Reading, second: Reading, cards: set[str], others: set[str]) -> None:
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
