"""Split a table by person: nobody's photos are on both sides.

G-SPLIT-1. The persons of the two parts that ``split_by_person`` returns are disjoint, and together the parts
hold every row exactly once. Assumption: the dataset's identities are right; two names for one person, or two
persons under one name, cannot be seen here.

G-SPLIT-2. The order in which persons are drawn depends on the seed and on their names alone (SHA-256), not on
the order of the files, the machine, or the version of a library. It is no secret: it hides nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from faces.sample import UNKNOWN, FaceTable
from mien.errors import ConfigError, DataError

Rows = NDArray[np.int64]


def split_by_person(
    table: FaceTable, test_fraction: float, seed: int, *, stratify: str | None = None
) -> tuple[Rows, Rows]:
    """Return (train rows, test rows), int64, ascending; ``test_fraction`` of the persons are test.

    The number of test persons is rounded, and each side gets at least one. With ``stratify`` the persons who
    mostly have that attribute are split apart from those who do not, so that a rare one is on both sides.

    Raises ConfigError for a fraction outside (0, 1) and DataError where there are fewer than two persons.
    """
    if not 0.0 < test_fraction < 1.0:
        raise ConfigError(f"test_fraction is {test_fraction}: expected more than 0 and less than 1.")
    persons = table.persons_present().tolist()
    if len(persons) < 2:
        raise DataError(
            f"A split by person needs at least 2 persons: the dataset has {len(persons)}. "
            "Add pictures of other people."
        )
    order = in_drawn_order(table, persons, seed, "split")
    if stratify is not None:
        order = _spread(order, mostly(table, stratify))
    count = min(max(round(test_fraction * len(order)), 1), len(order) - 1)
    # Every 1/test_fraction-th place of the order: an even comb, so that each stratum gives its share.
    places = np.floor((np.arange(count) + 0.5) * len(order) / count).astype(np.int64)
    in_test = np.isin(table.persons, [order[place] for place in places])
    return np.flatnonzero(~in_test).astype(np.int64), np.flatnonzero(in_test).astype(np.int64)


def hold_out_photos(table: FaceTable, rows: Rows, share: float, seed: int) -> tuple[Rows, Rows]:
    """Split ``rows`` into (kept, held out), both ascending: ``share`` of each person's photos, rounded down.

    Other photos of the same persons are what a device's own model is for, so here a person is on both sides; a
    person with too few photos is held out with none. The draw depends on the seed and the names of the photos.
    """
    if not share:
        return rows, rows[:0]
    held: list[int] = []
    for person in np.unique(table.persons[rows]):
        own = rows[table.persons[rows] == person].tolist()
        draw = {
            row: hashlib.sha256(f"hold out\0{seed}\0{table.image_ids[row]}".encode()).digest() for row in own
        }
        held += sorted(own, key=draw.__getitem__)[: int(share * len(own))]
    out = np.isin(rows, held)
    return rows[~out], rows[out]


def in_drawn_order(table: FaceTable, persons: Iterable[int], seed: int, purpose: str) -> list[int]:
    """Return the persons in an order that only the seed, the purpose and their names decide."""

    def draw(person: int) -> bytes:
        return hashlib.sha256(f"{purpose}\0{seed}\0{table.person_names[person]}".encode()).digest()

    return sorted(persons, key=draw)


def mostly(table: FaceTable, attribute: str) -> NDArray[np.int8]:
    """Return, for each of ``person_names``, what most of their marked photos say: int8, 1, 0 or −1 (unmarked).

    A tie counts as yes, because yes is the rarer mark.
    """
    marks = table.label(attribute)
    count = len(table.person_names)
    yes = np.bincount(table.persons[marks == 1], minlength=count)
    no = np.bincount(table.persons[marks == 0], minlength=count)
    return np.where(yes + no == 0, UNKNOWN, yes >= no).astype(np.int8)


def _spread(order: list[int], mark: NDArray[np.int8]) -> list[int]:
    """Put persons of one mark next to each other, each group still in the drawn order."""
    return sorted(order, key=lambda person: int(mark[person]))
