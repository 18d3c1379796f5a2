"""Micro plastic surgery: the same person with a slightly other nose, chin, eyelids and cheeks.

Skin, hair, brows and moles stay as they are. A strength of 0.35 to 0.7 is the "micro" range; 1 is plain to see.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from faces.synthetic.identity import Identity
from mien.errors import DataError

STREAM = 0x5C41
"""Keeps the random streams of operations apart from those of persons and photos."""

CHANGES = {
    "nose-width3": -0.8,
    "nose-width2": -0.6,
    "nose-nostrils-width": -0.5,
    "nose-hump": -0.8,
    "nose-point": 0.5,
    "nose-point-width": -0.7,
    "chin-width": -0.7,
    "eye-eyefold": 0.7,
    "eye-height2": 0.5,
    "eye-bag": -0.6,
    "cheek-bones": 0.7,
}
"""What an operation of strength 1 adds to the shape parameters."""

EITHER_WAY = {"chin-prominent": 0.6, "chin-height": 0.5, "cheek-volume": 0.6}
"""What it adds or takes away, one way or the other for each person."""

BOUND = 1.2
NOSE_BOUND = 1.0
"""Parameters stay within these; a nose that is narrow already would be pinched beyond its bound."""


def operate(identity: Identity, strength: float) -> Identity:
    """Return the person after an operation of a ``strength`` from 0 (no change) to 1.

    Which way ``EITHER_WAY`` goes depends on the person alone, so that strengths are steps on one path.
    Raises DataError for another strength.
    """
    if not 0.0 <= strength <= 1.0:
        raise DataError(f"surgery strength is {strength}, expected 0 to 1; 0.35 to 0.7 is micro surgery")
    random = np.random.default_rng([STREAM, identity.seed])
    signs = random.choice((-1.0, 1.0), len(EITHER_WAY))
    either = {name: size * sign for (name, size), sign in zip(EITHER_WAY.items(), signs, strict=True)}
    shape = identity.shape()
    changed = {}
    for name, change in {**CHANGES, **either}.items():
        bound = NOSE_BOUND if name.startswith("nose") else BOUND
        changed[name] = float(np.clip(shape[name] + strength * change, -bound, bound))
    return replace(identity.with_shape(changed), surgery=float(strength))
