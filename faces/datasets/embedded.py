"""The embedded faces: synthetic, drawn on demand, and nobody's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from faces.datasets.base import FaceRecord


class EmbeddedFaces:
    """The synthetic faces that ship with Mien; their persons and labels are known because they were drawn."""

    kind = "embedded"
    synthetic = True
    name = "embedded synthetic faces"

    def __init__(self) -> None:
        # Imported here so that the drawing assets are only read where synthetic faces are wanted.
        import faces.synthetic.dataset as dataset

        self._dataset = dataset

    @cached_property
    def _records(self) -> list[FaceRecord]:
        return [
            FaceRecord(each.image_id, each.person, each.render, each.labels)
            for each in self._dataset.embedded_records()
        ]

    @cached_property
    def attributes(self) -> tuple[str, ...]:
        """Every attribute that some picture is marked with, in alphabetical order."""
        return tuple(sorted({name for record in self._records for name in record.labels}))

    def records(self) -> Sequence[FaceRecord]:
        """Return one record a picture."""
        return self._records

    def content_hash(self) -> str:
        """Return the hash of the recipe that draws the pictures."""
        return str(self._dataset.content_hash())
