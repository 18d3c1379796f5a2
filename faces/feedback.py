"""Feedback on advice as a table: one row is one piece of advice that a person liked, or not.

The rows have no picture. They are a :class:`~faces.sample.FaceTable` all the same, whose picture columns have no
pixels, so that splits, partitions, private training and evaluation, which are about persons and labels, serve
them as they are.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files

import numpy as np

from faces.sample import JAW_DISTANCES, LANDMARKS, FaceTable

LIKED = "liked"
"""The only label: 1 liked, 0 not for me."""

FEATURES: tuple[str, ...] = (
    # the part of the face
    "base", "blush", "contour", "highlight", "brows", "eyes", "lips", "nose", "finish",
    # what the colour looks like and does
    "matte", "satin", "shimmer", "sheer", "lighten", "darken", "colour", "visible",
    # what it takes
    "minutes", "practice", "tools",
    # where it comes from
    "measured", "evidence", "shaping",
    # the same things in a situation
    "visible festive", "visible work", "shimmer festive", "minutes hurry", "visible natural", "visible glam",
)  # fmt: skip
"""Columns of ``advice``, in this order; ``recommend.feedback.features`` says how each is computed."""


SIMULATED = "simulated-feedback"
"""The data source of simulated people."""

STATE_ENTRY, STATE_SCHEMA = "feedback", 1
"""The vault's entry in which a device keeps its owner's opinions, and the version of its form."""

Opinion = tuple[Mapping[str, float], bool]
"""The features of one piece of advice that are not zero, and whether it was liked."""


@functools.cache
def simulated_feedback() -> FaceTable:
    """Return the opinions of simulated people that ship with Mien. They are nobody's; see docs/feedback.md.

    The file holds the distinct rows of features once, and for each person the numbers of the rows: n for the n-th
    one liked, −1 − n for the n-th one not liked.
    """
    content = json.loads(files("faces").joinpath("simulated_feedback.json").read_text("utf-8"))
    names: list[str] = content["features"]
    distinct = [{names[column]: value for column, value in row} for row in content["rows"]]
    return feedback_table(
        {
            name: [(distinct[n if n >= 0 else -1 - n], n >= 0) for n in numbers]
            for name, numbers in content["people"].items()
        }
    )


def feedback_table(people: Mapping[str, Sequence[Opinion]]) -> FaceTable:
    """Return the table of people's opinions; features that this version does not know are left out."""
    names = tuple(people)
    persons = [number for number, name in enumerate(names) for _ in people[name]]
    opinions = [opinion for name in names for opinion in people[name]]
    rows = len(opinions)
    advice = np.zeros((rows, len(FEATURES)), np.float32)
    for row, (features, _) in enumerate(opinions):
        advice[row] = [features.get(name, 0.0) for name in FEATURES]
    no_picture = np.zeros((rows, 3, 0, 0), np.uint8)
    return FaceTable(
        image_ids=tuple(f"{names[person]}/{row}" for row, person in enumerate(persons)),
        persons=np.array(persons, np.int64),
        person_names=names,
        jaw=np.zeros((rows, JAW_DISTANCES), np.float32),
        skin=no_picture,
        nose=no_picture,
        face=no_picture,
        landmarks=np.zeros((rows, LANDMARKS, 2), np.float32),
        labels=np.array([[liked] for _, liked in opinions], np.int8).reshape(rows, 1),
        attributes=(LIKED,),
        advice=advice,
    )
