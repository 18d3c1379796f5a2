"""Who a synthetic person is: every number that stays the same from picture to picture, drawn from a seed.

This is data, not privacy: numpy's generator is the right source here. Each person has a generator of its own,
so that a person does not change when others are added. Two *traits* move several shape parameters together
(fullness of the face, fineness of the nose), as they go together in people; the rest are independent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.random import Generator

from faces.synthetic.targets import ASYMMETRIES, BASES, HEAD_SHAPES, PARAMETERS
from mien.errors import DataError

Weights: TypeAlias = tuple[tuple[str, float], ...]
Triple: TypeAlias = tuple[float, float, float]

STREAM = 0x5E1F
"""Keeps the random streams of persons apart from those of photos."""

HAIR_COLOURS = ("black", "dark brown", "brown", "light brown", "blond", "red", "grey")
SPREAD = 0.31
"""Standard deviation of a shape parameter before the factors below."""

LIMIT = 0.9
"""A sampled shape parameter lies within this distance of the average face."""

NARROWER = {
    0.5: "head-age nose-trans mouth-trans chin-prognathism eye-scale eye-trans chin-jaw-drop head-scale-vert"
    " head-scale-horiz eye-height2 nose-scale-horiz head-fat cheek-volume forehead-trans nose-hump",
    0.6: "forehead-scale-vert forehead-nubian forehead-temple chin-height nose-point nose-scale-depth"
    " mouth-angles eye-epicanthus eyebrows-angle nose-width3 nose-point-width nose-flaring neck-double"
    " nose-greek eye-corner1 eye-corner2",
}
"""Parameters that look wrong at the full spread, or that a trait moves already: their factor."""

FULLNESS = {
    "head-fat": 0.42,
    "cheek-volume": 0.34,
    "neck-double": 0.30,
    "cheek-inner": 0.12,
    "chin-bones": 0.10,
}
"""What one standard deviation of the trait *fullness* adds."""

FINENESS = {
    "nose-width3": -0.34,
    "nose-point-width": -0.34,
    "nose-scale-horiz": -0.26,
    "nose-flaring": -0.22,
    "nose-nostrils-width": -0.20,
    "nose-volume": -0.16,
    "nose-width2": -0.12,
}
"""What one standard deviation of the trait *fineness* (of the nose) adds."""


@dataclass(frozen=True)
class Skin:
    """The look of the skin; ``depth`` runs from 0 (lightest) to 1 (darkest)."""

    depth: float
    tint: Triple
    blush: float
    """How red the cheeks get, 0 to 1, in a picture in which they are flushed."""
    eye_bags: float
    freckles: float
    oiliness: float
    lid_shade: float
    moles: tuple[Triple, ...]
    """x, y and radius of each mole, decimetres on the head at rest."""


@dataclass(frozen=True)
class Hair:
    """The hair of the head. ``long`` hair hangs as a curtain below the cap; ``bald`` shows no hair at all."""

    colour: str
    volume: float
    """Thickness of the cap in decimetres."""
    line: float
    """Degrees by which the front hairline lies above (+) or below (-) the common one."""
    recession: float
    bangs: bool
    bald: bool
    long: bool
    length: float
    """Height of the lower end of a curtain, decimetres (lower is longer)."""
    parting: float
    """Azimuth in degrees at which a curtain starts on either side of the face."""
    flare: float


@dataclass(frozen=True)
class Brows:
    """The eyebrows: lengths in decimetres on the head at rest, ``density`` 0 to 1."""

    colour: str
    height: float
    arch: float
    thickness: float
    end: float
    density: float


@dataclass(frozen=True)
class Identity:
    """One synthetic person. Hashable, so that what depends on it alone is computed once."""

    seed: int
    gender: float
    """0 female to 1 male, MakeHuman's axis between its two shapes."""
    age: float
    """0.5 is a young adult, 1 is old (MakeHuman's axis)."""
    muscle: float
    weight: float
    bases: Triple
    """Weights of MakeHuman's three shape bases, in the order of ``targets.BASES``."""
    fullness: float
    fineness: float
    parameters: Weights
    head_shapes: Weights
    asymmetries: Weights
    skin: Skin
    hair: Hair
    brows: Brows
    beard: float
    lips: Triple
    """Colour of the lips as factors of the skin's red, green and blue."""
    iris: int
    lashes: int
    surgery: float = 0.0
    """Strength of the surgery that made this identity from ``seed``'s own; 0 is none."""

    @property
    def male(self) -> bool:
        """True where the shape is MakeHuman's male one."""
        return self.gender > 0.5

    def shape(self) -> dict[str, float]:
        """Return the shape parameters by name, each in [-1.2, 1.2]."""
        return dict(self.parameters)

    def with_shape(self, shape: Mapping[str, float]) -> Identity:
        """Return the same person with other shape parameters; raise DataError for an unknown name."""
        unknown = set(shape) - set(PARAMETERS)
        if unknown:
            raise DataError(
                f"synthetic faces: no such shape parameters: {sorted(unknown)}; faces.synthetic.targets lists them"
            )
        return replace(self, parameters=tuple((self.shape() | dict(shape)).items()))


def sample_identity(seed: int) -> Identity:
    """Draw the person that belongs to ``seed``; the same seed always gives the same person.

    Raises DataError for a negative seed.
    """
    if seed < 0:
        raise DataError(f"synthetic faces: seed is {seed}, expected 0 or more")
    random = np.random.default_rng([STREAM, seed])
    base = seed % len(BASES)
    own = random.uniform(0.6, 1.0)
    bases = random.dirichlet([0.35] * len(BASES)) * (1 - own)
    bases[base] += own
    male = bool(random.random() < 0.5)
    age = float(min(0.5 + abs(random.normal(0, 0.16)), 0.95))
    fullness, fineness = (float(np.clip(random.normal(), -2.2, 2.2)) for _ in range(2))
    skin = _skin(random, base, age, male)
    colour = _hair_colour(random, base, age)
    return Identity(
        seed=seed,
        gender=float(random.uniform(0.85, 1.0) if male else random.uniform(0.0, 0.15)),
        age=age,
        muscle=float(random.uniform(0.35, 0.75)),
        weight=float(np.clip(random.normal(0.48 + 0.08 * fullness, 0.08), 0.2, 0.85)),
        bases=(float(bases[0]), float(bases[1]), float(bases[2])),
        fullness=fullness,
        fineness=fineness,
        parameters=_parameters(random, fullness, fineness),
        head_shapes=_head_shapes(random),
        asymmetries=tuple(
            (str(name), float(random.uniform(0, 0.3)))
            for name in random.choice(ASYMMETRIES, 4, replace=False)
        ),
        skin=skin,
        hair=_hair(random, colour, age, male),
        brows=_brows(random, colour, male),
        beard=_beard(random, male),
        lips=_lips(random, male),
        iris=int(random.integers(0, 5) if skin.depth < 0.4 and base == 2 else random.integers(0, 2)),
        lashes=int(random.integers(25, 60) if male else random.integers(70, 150)),
    )


def _parameters(random: Generator, fullness: float, fineness: float) -> Weights:
    factor = {name: value for value, names in NARROWER.items() for name in names.split()}
    drawn = {name: random.normal(0, SPREAD) * factor.get(name, 1.0) for name in PARAMETERS}
    for trait, effects in ((fullness, FULLNESS), (fineness, FINENESS)):
        for name, effect in effects.items():
            drawn[name] += trait * effect
    drawn["mouth-angles"] += 0.12
    return tuple((name, float(np.clip(value, -LIMIT, LIMIT))) for name, value in drawn.items())


def _head_shapes(random: Generator) -> Weights:
    first, second = random.choice(HEAD_SHAPES, 2, replace=False)
    return ((str(first), float(random.uniform(0, 0.35))), (str(second), float(random.uniform(0, 0.15))))


def _skin(random: Generator, base: int, age: float, male: bool) -> Skin:
    lightest, darkest = ((0.5, 1.0), (0.06, 0.55), (0.0, 0.42))[base]
    depth = float(random.uniform(lightest, darkest))
    rosy = random.random() < 0.55
    return Skin(
        depth=depth,
        tint=(
            float(1 + random.normal(0, 0.03)),
            float(1 + random.normal(0, 0.015)),
            float(1 + random.normal(0, 0.04)),
        ),
        blush=float(random.uniform(0.65, 1.0) if rosy else random.uniform(0.0, 0.35)),
        eye_bags=float(random.uniform(0, 1) * (0.4 + age * 0.6)),
        freckles=float(max(0.0, random.normal(-0.1, 0.5)) * (depth < 0.4)),
        oiliness=float(random.uniform(0.3, 0.75)),
        lid_shade=float(random.uniform(0.1, 0.9) if male else random.uniform(0.3, 1.2)),
        moles=tuple(_mole(random) for _ in range(random.poisson(0.8))),
    )


def _mole(random: Generator) -> Triple:
    """A mole on a cheek or the jaw: never in the middle of the forehead or on the lips."""
    side = 1 if random.random() < 0.5 else -1
    return (
        float(side * random.uniform(0.33, 0.55)),
        float(random.uniform(6.35, 7.15)),
        float(random.uniform(0.012, 0.02)),
    )


def _hair_colour(random: Generator, base: int, age: float) -> str:
    if age > 0.72 and random.random() < 0.75:
        return "grey"
    chances = (
        (0.14, 0.20, 0.18, 0.14, 0.26, 0.08, 0.0) if base == 2 else (0.6, 0.28, 0.12, 0.0, 0.0, 0.0, 0.0)
    )
    return str(random.choice(HAIR_COLOURS, p=chances))


def _hair(random: Generator, colour: str, age: float, male: bool) -> Hair:
    bald = bool(male and random.random() < 0.08 + 0.25 * (age > 0.7))
    bangs = bool(not bald and random.random() < (0.12 if male else 0.38))
    return Hair(
        colour=colour,
        volume=float(random.uniform(0.05, 0.14) if male else random.uniform(0.09, 0.18)),
        line=float(random.uniform(-17, -12) if bangs else np.clip(random.normal(-1, 3), -6, 6)),
        recession=0.0 if bangs else float(max(0.0, random.normal(0, 7)) * male),
        bangs=bangs,
        bald=bald,
        long=bool(not male and random.random() < 0.7),
        length=float(random.uniform(5.0, 6.5)),
        parting=float(random.uniform(50, 74)),
        flare=float(random.uniform(-0.02, 0.2)),
    )


def _brows(random: Generator, colour: str, male: bool) -> Brows:
    bushy = random.random() < (0.4 if male else 0.12)
    own = {"light brown": "brown", "blond": "light brown", "red": "brown"}.get(colour, colour)
    return Brows(
        colour=own if own != "grey" or random.random() < 0.5 else "brown",
        height=float(random.normal(7.51, 0.015)),
        arch=float(random.uniform(0.01, 0.055)),
        thickness=float(random.uniform(0.066, 0.085) if bushy else random.uniform(0.030, 0.052)),
        end=float(random.uniform(0.54, 0.62)),
        density=float(random.uniform(0.85, 1.0) if bushy else random.uniform(0.6, 0.9)),
    )


def _beard(random: Generator, male: bool) -> float:
    """Density of the beard: none, a shadow, or a full one."""
    if not male or random.random() < 0.5:
        return 0.0
    return float(random.uniform(0.25, 0.45) if random.random() < 0.5 else random.uniform(0.75, 0.95))


def _lips(random: Generator, male: bool) -> Triple:
    red, green, blue = (
        ((0.80, 0.95), (0.50, 0.66), (0.55, 0.72)) if male else ((0.80, 1.0), (0.36, 0.58), (0.45, 0.66))
    )
    return (float(random.uniform(*red)), float(random.uniform(*green)), float(random.uniform(*blue)))
