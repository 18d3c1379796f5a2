"""The synthetic faces that ship with Mien: an embedded set of persons, and before-after pairs of surgery.

Nothing here is a picture of anyone. A record holds what is true of a picture and draws it on demand; drawing
depends on the record alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from faces.synthetic import assets, render
from faces.synthetic.geometry import Proportions, on_picture, proportions
from faces.synthetic.identity import Identity, sample_identity
from faces.synthetic.labels import labels_of
from faces.synthetic.photo import Photo, sample_photo
from faces.synthetic.surgery import operate
from mien.files import canonical_json

PERSONS, IMAGES = 160, 8
"""Persons of the embedded set, and pictures of each."""

SIZE = 144
"""Side of a picture in pixels, unless another is asked for."""

SURGERY_PERSONS, SURGERY_IMAGES = 30, 4
"""Persons who are operated on, none of them in the embedded set, and pictures before and after each time."""

SURGERY_STRENGTHS = (0.35, 0.7, 1.0)
SURGERY_SEED = 1_000_000
"""Seed of the first person who is operated on."""

CONDITIONS = 1000
"""Conditions of photographs that each person has of their own."""

NOT_DRAWING = ("build_assets.py", "contact_sheet.py", "export.py")
"""Modules of this package that no picture, label or id depends on."""


@dataclass(frozen=True)
class SyntheticTruth:
    """All that is true of one picture: who is in it and how it was taken."""

    identity: Identity
    photo: Photo

    @property
    def expression(self) -> str:
        """One of ``photo.EXPRESSIONS``."""
        return self.photo.expression

    @property
    def yaw(self) -> float:
        """Degrees; positive turns the face to the right of the picture."""
        return self.photo.pose.yaw

    @property
    def pitch(self) -> float:
        """Degrees; positive lowers the chin."""
        return self.photo.pose.pitch

    @property
    def roll(self) -> float:
        """Degrees; positive turns the head counter-clockwise in the picture."""
        return self.photo.pose.roll

    @property
    def light_direction(self) -> tuple[float, float, float]:
        """Unit vector to the key light: x right, y up, z to the viewer."""
        return self.photo.light.direction

    @property
    def skin_depth(self) -> float:
        """0 is the lightest skin, 1 the darkest."""
        return self.identity.skin.depth

    @property
    def surgery(self) -> float:
        """Strength of the surgery this face has had; 0 is none."""
        return self.identity.surgery

    @property
    def proportions(self) -> Proportions:
        """Lengths measured on the neutral mesh."""
        return proportions(self.identity)


@dataclass(frozen=True)
class SyntheticRecord:
    """One synthetic picture, drawn when it is asked for."""

    image_id: str
    person: str
    truth: SyntheticTruth

    @cached_property
    def labels(self) -> dict[str, int]:
        """CelebA's attribute names with 1 or 0; what the truth does not support is absent."""
        return labels_of(self.truth.identity, self.truth.photo)

    def render(self, size: int = SIZE) -> NDArray[np.uint8]:
        """Return the picture as RGB, uint8 (size, size, 3); the same bits in every process.

        Raises DataError for a size outside ``render.SMALLEST`` to ``render.LARGEST``.
        """
        return render.render(self.truth.identity, self.truth.photo, size)

    def landmarks(self, size: int = SIZE) -> dict[str, NDArray[np.float64]]:
        """Return where the named points of the mesh lie in the picture, (x, y) in pixels."""
        posed = render.pose(self.truth.identity, self.truth.photo)
        return on_picture(posed.screen, size)


class SurgeryPair(NamedTuple):
    """Pictures of one person before surgery and after it, each under conditions of its own."""

    person: str
    strength: float
    before: tuple[SyntheticRecord, ...]
    after: tuple[SyntheticRecord, ...]


def records(persons: int, images: int, seed: int = 0) -> list[SyntheticRecord]:
    """Return ``images`` records of each of ``persons`` people, person by person.

    Person ``seed + i`` and the pictures of that person are the same whatever the numbers asked for.
    """
    people = range(seed, seed + persons)
    return [record for number in people for record in _pictures(sample_identity(number), range(images))]


def records_after(number: int, strength: float, images: int, first: int = 0) -> list[SyntheticRecord]:
    """Return ``images`` records of person ``number`` after surgery of a ``strength``.

    The pictures are taken under the conditions of that person's pictures ``first``, ``first + 1``, …

    Raises DataError for a strength outside [0, 1].
    """
    return _pictures(operate(sample_identity(number), strength), range(first, first + images))


def _pictures(identity: Identity, images: Iterable[int]) -> list[SyntheticRecord]:
    """Return records of one identity; a person has ``CONDITIONS`` pictures before two are taken alike."""
    person = f"synthetic-{identity.seed:06d}"
    name = f"{person}-after-{identity.surgery:g}" if identity.surgery else person
    return [
        SyntheticRecord(
            f"{name}-{image:03d}",
            person,
            SyntheticTruth(identity, sample_photo(identity.seed * CONDITIONS + image)),
        )
        for image in images
    ]


@cache
def _embedded() -> tuple[SyntheticRecord, ...]:
    return tuple(records(PERSONS, IMAGES))


def embedded_records() -> list[SyntheticRecord]:
    """Return the embedded set: the data of every demo that is given no other."""
    return list(_embedded())


def surgery_pairs(persons: int = SURGERY_PERSONS) -> list[SurgeryPair]:
    """Return, for each person, one pair for each of ``SURGERY_STRENGTHS``; "before" is the same in all of them."""
    pairs = []
    for number in range(SURGERY_SEED, SURGERY_SEED + persons):
        before = tuple(records(1, SURGERY_IMAGES, number))
        for step, strength in enumerate(SURGERY_STRENGTHS, start=1):
            after = tuple(records_after(number, strength, SURGERY_IMAGES, first=step * SURGERY_IMAGES))
            pairs.append(SurgeryPair(before[0].person, strength, before, after))
    return pairs


@cache
def content_hash() -> str:
    """Return the SHA-256 of all that the embedded set depends on: the assets and the code that draws.

    It is the same on every machine. Libraries are not in it: whoever caches pixels adds their versions.
    """
    digest = hashlib.sha256(canonical_json([assets.load().digest, PERSONS, IMAGES, SIZE]))
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.name not in NOT_DRAWING:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
