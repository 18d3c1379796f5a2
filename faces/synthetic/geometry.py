"""What can be measured on a head: named points of the mesh, their places in a picture, and proportions.

The proportions are taken on the neutral face, so that they belong to the person and not to the expression.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from faces.synthetic import assets
from faces.synthetic.identity import Identity
from faces.synthetic.morphs import neutral_shape
from faces.synthetic.planes import Planes, column

MIDDLE = {
    "nose tip": (0.0, 6.93, 1.68),
    "nose base": (0.0, 6.80, 1.57),
    "chin": (0.0, 6.227, 1.455),
    "upper lip": (0.0, 6.72, 1.56),
    "lower lip": (0.0, 6.47, 1.53),
}
PAIRED = {
    "outer eye corner": (0.435, 7.277, 1.308),
    "inner eye corner": (0.204, 7.268, 1.35),
    "upper lid": (0.31, 7.325, 1.38),
    "lower lid": (0.31, 7.247, 1.36),
    "nose wing": (0.171, 6.92, 1.50),
    "nose tip side": (0.114, 6.92, 1.61),
    "mouth corner": (0.25, 6.615, 1.374),
    "jaw 1": (0.474, 6.432, 0.938),
    "jaw 2": (0.554, 6.579, 0.969),
    "jaw 3": (0.601, 6.726, 0.980),
    "jaw 4": (0.597, 6.787, 1.055),
}
"""Named points on the head at rest, in decimetres; of a pair, the one on the right of the picture."""


@cache
def named_vertices() -> dict[str, int]:
    """Return the vertex of the skin nearest to each named point; pairs are ``right …`` and ``left …``.

    Right and left are sides of the picture.
    """
    mesh = assets.load()
    skin = np.flatnonzero(mesh.on_body & (mesh.mouth_cavity < 1) & (mesh.eye_socket < 1))
    places = dict(MIDDLE)
    for name, (x, y, z) in PAIRED.items():
        places |= {f"right {name}": (x, y, z), f"left {name}": (-x, y, z)}
    return {
        name: int(skin[np.argmin(((mesh.rest[:, skin] - column(place)) ** 2).sum(0))])
        for name, place in places.items()
    }


@dataclass(frozen=True)
class Proportions:
    """Lengths on the neutral face, divided by the distance between the outer eye corners."""

    jaw: float
    """Mean width of the lower face from the corner of the mouth down to the chin."""
    nose: float
    """Mean of the width across the nostrils and the width of the tip."""
    mouth: float
    lips: float
    """Height of both lips."""
    eye_opening: float
    """Gap between the lids, mean of both eyes, divided by the width of an eye instead."""


@lru_cache(maxsize=1024)
def proportions(identity: Identity) -> Proportions:
    """Return the proportions of a person's neutral face."""
    points = neutral_shape(identity)

    def distance(first: str, second: str) -> float:
        difference = points[:, named_vertices()[first]] - points[:, named_vertices()[second]]
        return float(np.sqrt((difference.astype(np.float64) ** 2).sum()))

    def width(name: str) -> float:
        return distance(f"left {name}", f"right {name}")

    eyes = width("outer eye corner")
    openings = [
        distance(f"{side} upper lid", f"{side} lower lid")
        / distance(f"{side} outer eye corner", f"{side} inner eye corner")
        for side in ("left", "right")
    ]
    return Proportions(
        jaw=sum(width(f"jaw {level}") for level in (1, 2, 3, 4)) / 4 / eyes,
        nose=(width("nose wing") + width("nose tip side")) / 2 / eyes,
        mouth=width("mouth corner") / eyes,
        lips=distance("upper lip", "lower lip") / eyes,
        eye_opening=sum(openings) / 2,
    )


def on_picture(screen: Planes, size: int) -> dict[str, NDArray[np.float64]]:
    """Return where the named points lie, (x, y) in pixels of a ``size`` x ``size`` picture.

    ``screen`` (2, V) are the vertices as ``render.pose`` projects them. A hidden point has a place too.
    """
    return {name: screen[:, vertex].astype(np.float64) * size for name, vertex in named_vertices().items()}
