"""The shape of a head: the rest mesh plus a weighted sum of morph targets (MakeHuman's rule)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from faces.synthetic import assets
from faces.synthetic.identity import Identity
from faces.synthetic.planes import Planes
from faces.synthetic.targets import (
    AGES,
    BASES,
    GENDERS,
    MUSCLES,
    PARAMETERS,
    WEIGHTS,
    base_target,
    build_target,
    head_shape_target,
    unit_target,
)


def _between(value: float, knots: tuple[str, ...], low: float = 0.0) -> dict[str, float]:
    """Return the weights of the two knots around ``value``, the knots lying evenly on [low, 1]."""
    place = np.clip((value - low) / (1 - low), 0, 1) * (len(knots) - 1)
    first = min(int(place), len(knots) - 2)
    share = float(place - first)
    return {knots[first]: 1 - share, knots[first + 1]: share}


def base_weights(identity: Identity) -> dict[str, float]:
    """Return the weight of each macro target: products over gender, age, shape base, muscle and weight."""
    genders = dict(zip(GENDERS, (1 - identity.gender, identity.gender), strict=True))
    ages = _between(identity.age, AGES, low=0.5)
    muscles, weights = _between(identity.muscle, MUSCLES), _between(identity.weight, WEIGHTS)
    result = {}
    for gender, of_gender in genders.items():
        for age, of_age in ages.items():
            share = of_gender * of_age
            for base, of_base in zip(BASES, identity.bases, strict=True):
                result[base_target(base, gender, age)] = share * of_base
            for muscle, of_muscle in muscles.items():
                for weight, of_weight in weights.items():
                    result[build_target(gender, age, muscle, weight)] = share * of_muscle * of_weight
    return result


def identity_weights(identity: Identity) -> dict[str, float]:
    """Return the weight of every target that makes the neutral face of ``identity``."""
    result = base_weights(identity)
    for name, value in identity.parameters:
        for target in PARAMETERS[name][1 if value > 0 else 0]:
            result[target] = abs(value)
    for name, value in identity.head_shapes:
        result[head_shape_target(name)] = value
    result.update(identity.asymmetries)
    return result


def add_targets(points: Planes, weights: Iterable[tuple[str, float]]) -> None:
    """Add weighted targets to ``points`` (3, V) in place; its first columns are the vertices of the mesh."""
    targets = assets.load().targets
    for name, weight in weights:
        if weight:
            vertices, moves = targets[name]
            points[:, vertices] += np.float32(weight) * moves


def neutral_shape(identity: Identity) -> Planes:
    """Return the vertices (3, V) of ``identity`` with a neutral face, in decimetres."""
    points = assets.load().rest.copy()
    add_targets(points, identity_weights(identity).items())
    return points


def add_expression(points: Planes, units: Iterable[tuple[str, float]]) -> None:
    """Add expression units to ``points`` in place."""
    add_targets(points, ((unit_target(name), weight) for name, weight in units))
