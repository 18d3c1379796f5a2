"""The names of the morph targets, and which of them a shape parameter moves.

A *parameter* runs over [-1, 1]: its negative side adds one target (or a left-right pair), its positive side
another. The names are MakeHuman's, so that a reader can look them up there.
"""

from __future__ import annotations

from itertools import product
from typing import TypeAlias

Sides: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]
"""The targets of a parameter's negative side, and those of its positive side."""

BASES = ("african", "asian", "caucasian")
"""MakeHuman's own names of its three shape bases: names of shapes, no statement on anyone's origin."""

GENDERS = ("female", "male")
AGES = ("young", "old")
MUSCLES = ("minmuscle", "averagemuscle", "maxmuscle")
WEIGHTS = ("minweight", "averageweight", "maxweight")


def _single(group: str, names: str, negative: str, positive: str) -> dict[str, Sides]:
    return {n: ((f"{group}/{n}-{negative}",), (f"{group}/{n}-{positive}",)) for n in names.split()}


def _paired(group: str, names: str, negative: str, positive: str) -> dict[str, Sides]:
    def both(name: str) -> tuple[str, ...]:
        return (f"{group}/l-{name}", f"{group}/r-{name}")

    return {n: (both(f"{n}-{negative}"), both(f"{n}-{positive}")) for n in names.split()}


PARAMETERS: dict[str, Sides] = {
    **_single(
        "nose",
        "nose-point-width nose-width1 nose-width2 nose-width3 nose-hump nose-volume nose-scale-vert"
        " nose-scale-depth nose-scale-horiz nose-flaring nose-greek nose-nostrils-width",
        "decr",
        "incr",
    ),
    **_single("nose", "nose-point nose-base nose-nostrils-angle nose-trans", "down", "up"),
    **_single("nose", "nose-curve", "concave", "convex"),
    **_single(
        "chin",
        "chin-width chin-height chin-prominent chin-bones chin-jaw-drop chin-prognathism",
        "decr",
        "incr",
    ),
    **_single("head", "head-fat head-scale-horiz head-scale-vert head-age", "decr", "incr"),
    **_single("neck", "neck-double", "decr", "incr"),
    **_single("forehead", "forehead-scale-vert forehead-temple forehead-nubian", "decr", "incr"),
    **_single("forehead", "forehead-trans", "backward", "forward"),
    **_single(
        "mouth",
        "mouth-scale-horiz mouth-scale-vert mouth-upperlip-height mouth-lowerlip-height"
        " mouth-upperlip-volume mouth-lowerlip-volume mouth-cupidsbow",
        "decr",
        "incr",
    ),
    **_single("mouth", "mouth-trans mouth-angles", "down", "up"),
    **_single("eyebrows", "eyebrows-trans eyebrows-angle", "down", "up"),
    "eyebrows-depth": (("eyebrows/eyebrows-trans-backward",), ("eyebrows/eyebrows-trans-forward",)),
    **_paired("cheek", "cheek-bones cheek-inner cheek-volume", "decr", "incr"),
    **_paired("cheek", "cheek-trans", "down", "up"),
    **_paired("eyes", "eye-height1 eye-height2 eye-height3 eye-scale eye-bag", "decr", "incr"),
    **_paired("eyes", "eye-corner1 eye-corner2 eye-eyefold eye-eyefold-angle eye-trans", "down", "up"),
    **_paired("eyes", "eye-epicanthus eye-push1 eye-push2", "in", "out"),
    "eye-spread": (
        ("eyes/l-eye-trans-in", "eyes/r-eye-trans-in"),
        ("eyes/l-eye-trans-out", "eyes/r-eye-trans-out"),
    ),
    **_paired("ears", "ear-scale ear-wing", "decr", "incr"),
}

HEAD_SHAPES = ("oval", "round", "square", "rectangular", "triangular", "invertedtriangular", "diamond")
"""One-sided shapes of the whole head: weight 0 to 1."""

ASYMMETRIES = tuple(
    f"asym/asym-{place}-{side}"
    for place, side in product(
        ("brown-1", "cheek-1", "eye-1", "eye-3", "jaw-1", "jaw-2", "mouth-1", "nose-1", "nose-2", "temple-1"),
        ("l", "r"),
    )
)

_PAIRED_UNITS = (
    *("browDown", "browOuterUp", "cheekSquint", "eyeBlink", "eyeSquint", "eyeWide"),
    *("mouthFrown", "mouthPress", "mouthSmile", "mouthUpperUp", "noseSneer"),
)
EXPRESSION_UNITS = (
    *("browInnerUp", "jawOpen", "mouthPucker"),
    *(name + side for name, side in product(_PAIRED_UNITS, ("Left", "Right"))),
)

EAR_SUPPORT = ("ears/l-ear-wing-incr", "ears/r-ear-wing-incr")
"""These move exactly the vertices of the ears, so their support says where the ears are."""


def base_target(base: str, gender: str, age: str) -> str:
    """Return the name of the target of one shape base."""
    return f"macrodetails/{base}-{gender}-{age}"


def build_target(gender: str, age: str, muscle: str, weight: str) -> str:
    """Return the name of the target of one bodily build."""
    return f"macrodetails/universal-{gender}-{age}-{muscle}-{weight}"


def head_shape_target(shape: str) -> str:
    """Return the name of the target of one head shape."""
    return f"head/head-{shape}"


def unit_target(unit: str) -> str:
    """Return the name of the target of one expression unit."""
    return f"unit/{unit}"


def all_targets() -> list[str]:
    """Return every target that the recipe can ask for, sorted."""
    names = {name for sides in PARAMETERS.values() for side in sides for name in side}
    names.update(base_target(*key) for key in product(BASES, GENDERS, AGES))
    names.update(build_target(*key) for key in product(GENDERS, AGES, MUSCLES, WEIGHTS))
    names.update(map(head_shape_target, HEAD_SHAPES))
    names.update(map(unit_target, EXPRESSION_UNITS))
    names.update(ASYMMETRIES, EAR_SUPPORT)
    return sorted(names)
