"""The same faces at six skin depths: is as much answered for all, and is the same measured?

Two experiments, each with what the other lacks. Real faces are *re-toned*: the shape is a real one, the deep skin
is made from a photo of other skin. Synthetic faces are *drawn* at each depth: nothing is painted over, the faces
are nobody's. What both say is the reader's doing.
"""

from __future__ import annotations

import dataclasses

import _table
import numpy as np
from _advice_changes import SKINS, Picture, retoned
from numpy.typing import NDArray

from faces.synthetic import render
from faces.synthetic.dataset import records
from mien.errors import ImageError
from recommend.adviser import advise
from recommend.colour import Lab
from recommend.reading.reading import Reading, read_face
from recommend.reading.reference import reference_table

DEPTHS = len(SKINS)
DRAWN_SIDE = 256
FRONTAL = 8.0  # degrees


def fairness(usable: list[tuple[Picture, Reading]], drawn: int) -> list[_table.Row]:
    """Compare the depths on re-toned real faces and on ``drawn`` synthetic ones."""
    targets = [Lab.from_lch(*skins[1]) for skins in SKINS.values()]
    rows = [[try_read(retoned(image, reading, target)) for target in targets] for image, reading in usable]
    found = np.array([[reading is not None for reading in row] for row in rows]).mean(axis=0)
    whole = complete(rows)
    cards = min(len(advise(reading).cards) for row in whole for reading in row)
    return [
        _table.Row("faces found, least of six re-toned depths", float(found.min()), "share"),
        *_compared("re-toned", whole),
        *_compared("drawn", complete(_drawn(drawn))),
        _table.at_least("fewest cards on any depth", float(cards), "cards", 10),
    ]


def try_read(image: Picture) -> Reading | None:
    """Read a face, or None where none is found."""
    try:
        return read_face([image])
    except ImageError:
        return None


def complete(rows: list[list[Reading | None]]) -> list[list[Reading]]:
    """Return the faces that were found at every depth."""
    return [[reading for reading in row if reading is not None] for row in rows if None not in row]


def _drawn(count: int) -> list[list[Reading | None]]:
    """Draw synthetic people who look at the camera with skin of six depths, all else the same, and read them."""
    rows: list[list[Reading | None]] = []
    people: set[str] = set()
    for record in records(6 * count, 4, seed=3000):
        truth = record.truth
        frontal = abs(truth.yaw) < FRONTAL and abs(truth.pitch) < FRONTAL and truth.expression == "neutral"
        if not frontal or record.person in people:
            continue
        people.add(record.person)
        row = []
        for depth in np.linspace(0, 1, DEPTHS):
            skin = dataclasses.replace(truth.identity.skin, depth=float(depth))
            identity = dataclasses.replace(truth.identity, skin=skin)
            row.append(try_read(render.render(identity, truth.photo, DRAWN_SIDE)))
        rows.append(row)
        if len(rows) == count:
            break
    return rows


def _compared(how: str, whole: list[list[Reading]]) -> list[_table.Row]:
    decided = 100 * np.array([[share(reading, blocked=False) for reading in row] for row in whole])
    stopped = 100 * np.array([[share(reading, blocked=True) for reading in row] for row in whole]).mean(
        axis=0
    )
    each = ", ".join(f"{value:.1f}" for value in decided.mean(axis=0))
    note = f"{len(whole)} faces; depths 1 to {DEPTHS}: {each}"
    shifts = _shifts(whole)
    name, depth = max(
        ((n, d) for n in shifts for d in range(DEPTHS)), key=lambda at: abs(shifts[at[0]][at[1]])
    )
    return [
        _table.at_most(f"{how}: measures decided, gap between depths", gap(decided), "points", 3, note),
        _table.Row(f"{how}: such a gap by chance alone, mean", gap_by_chance(decided), "points"),
        _table.Row(f"{how}: measures stopped by a gate, gap", float(np.ptp(stopped)), "points"),
        _table.Row(
            f"{how}: shift of a measure at the outer depths, root mean square",
            float(np.sqrt(np.mean([values[[0, -1]] ** 2 for values in shifts.values()]))),
            "SD",
            note="of one photo of a person",
        ),
        _table.Row(f"{how}: the largest shift ({name}, depth {depth + 1})", float(shifts[name][depth]), "SD"),
    ]


def gap(decided: NDArray[np.float64]) -> float:
    """Return how far the means of the depths lie apart; ``decided`` is [faces, depths]."""
    return float(np.ptp(decided.mean(axis=0)))


def gap_by_chance(decided: NDArray[np.float64], draws: int = 1000) -> float:
    """Return the mean gap that as many faces would show if no depth differed: the bootstrap of what is left.

    Six means with an error each always lie apart, by 2.5 standard errors on average.
    """
    random = np.random.default_rng(0)
    left = decided - decided.mean(axis=1, keepdims=True)
    left = left - left.mean(axis=0)
    return float(np.mean([gap(left[random.integers(0, len(left), len(left))]) for _ in range(draws)]))


def _shifts(whole: list[list[Reading]]) -> dict[str, NDArray[np.float64]]:
    """Return how far each measure moves at each depth, from the face's own mean, in within-person deviations."""
    found = {}
    for name, known in reference_table().items():
        rows = [row for row in whole if all(name in reading.measurements for reading in row)]
        if not rows:
            continue  # a measure that needs more of the face than these photos show
        values = np.array([[reading.measurements[name].value for reading in row] for row in rows])
        apart = (values - values.mean(axis=1, keepdims=True)) / known.within_person_sd
        found[name] = apart.mean(axis=0)
    return found


def share(reading: Reading, *, blocked: bool) -> float:
    """Return the share of a reading's measures that are decided, or that the photo does not allow."""
    found = reading.measurements.values()
    if blocked:
        return float(np.mean([any(reason != "near_cut" for reason in one.undecided) for one in found]))
    return float(np.mean([one.answer is not None for one in found]))
