"""The original interface: three values of a face, as its clients know them.

``nose``        是否高挺鼻子: 1 where the nose reads narrow between the eyes, 0 where it does not.
``skin``        肤色检测均值: the mean lightness of the skin, CIELAB L* from 0 to 100, the photo's light taken out.
``face_shape``  脸型胖瘦均值: how wide the outline is, 0 (slender) to 100 (wide): the mean of four percentiles.

A front photo does not show how high the bridge of a nose is; its narrowness is what 68 landmarks can say.
``face_shape`` says nothing of weight. A value is None where the photo does not decide it.
"""

from __future__ import annotations

from typing import Literal, TypedDict

import numpy as np

from recommend.reading.reading import Reading

WIDE = (
    "jaw_width",
    "jaw_taper",
    "chin_angle",
)  # wider, straighter, broader: the larger, the wider the outline
LONG = "face_length"  # the larger, the more slender


class Face(TypedDict):
    """The ``data`` of the original interface's answer."""

    nose: Literal[0, 1] | None
    skin: int | None
    face_shape: int | None


def face_of(reading: Reading) -> Face:
    """Return the original interface's three values of a reading."""
    return {"nose": _nose(reading), "skin": _skin(reading), "face_shape": _width(reading)}


def _nose(reading: Reading) -> Literal[0, 1] | None:
    answer = reading.measurements["nose_width"].answer
    return None if answer is None else 1 if answer == "narrow" else 0


def _skin(reading: Reading) -> int | None:
    blocked = {need for notice in reading.notices for need in notice.blocks}
    if reading.skin is None or "lit" in blocked:
        return None
    return round(min(max(reading.skin.skin.l, 0.0), 100.0))


def _width(reading: Reading) -> int | None:
    measures = [reading.measurements[name] for name in (*WIDE, LONG)]
    if any(set(found.undecided) - {"near_cut"} for found in measures):
        return None
    return round(
        float(np.mean([*(found.percentile for found in measures[:-1]), 100 - measures[-1].percentile]))
    )
