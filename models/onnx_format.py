"""What an ONNX file of Mien says about itself: written by ``models.export``, read by ``models.inference``.

It is one canonical JSON object under the key ``mien`` of the file's metadata, so that a file needs no other
file beside it: which columns the graph reads and how a photo becomes these columns, what the results are
called, and where the weights came from. ``weights`` names the PyTorch weights that were exported; it finds
mix-ups and is no signature.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Literal

from mien.errors import ModelError
from mien.files import canonical_json
from models.inputs import COLUMNS, PICTURES

KEY = "mien"
FORMAT = "mien-onnx-1"
OPSET = 18
RESULT = "results"
"""Name of the graph's one output."""

LICENCE = (
    "Weights learnt from CelebA are for non-commercial research only (CelebA's terms); dlib's "
    "68-point landmarks, which "
    "cut the inputs, are for research use. Weights learnt from Mien's own synthetic data carry neither limit."
)

Precision = Literal["float32", "int8"]


@dataclasses.dataclass(frozen=True)
class OnnxAbout:
    """The metadata of one file.

    ``columns`` gives each input's shape without the batch: pictures are uint8 [3, H, W] RGB as
    ``faces.prepare`` cuts them (sizes here, margins 0 unless ``margins`` says otherwise), vectors float32 [D].
    The graph itself does what ``models.inputs`` does. ``outputs`` name the results, logits for attributes.
    """

    model: str
    options: Mapping[str, Any]
    columns: Mapping[str, tuple[int, ...]]
    outputs: tuple[str, ...]
    weights: str
    precision: Precision
    run: str = ""
    margins: Mapping[str, float] = dataclasses.field(default_factory=lambda: {"face": 0.0, "skin": 0.0})
    opset: int = OPSET
    licence: str = LICENCE

    def to_json(self) -> str:
        """Return the canonical JSON text."""
        fields = {
            **dataclasses.asdict(self),
            "columns": list(self.columns.items()),
        }  # canonical JSON sorts keys
        return canonical_json({"format": FORMAT, **fields}).decode()

    @classmethod
    def from_json(cls, text: str, where: str) -> OnnxAbout:
        """Read the JSON text. Raises ModelError, which names ``where``, for anything but this format."""
        try:
            content = json.loads(text)
            found = content.pop("format")
            if found != FORMAT:
                raise ModelError(f"{where}: expected ONNX metadata of format {FORMAT!r}, found {found!r}")
            columns = {str(name): tuple(int(n) for n in shape) for name, shape in content["columns"]}
            about = cls(**{**content, "columns": columns, "outputs": tuple(content["outputs"])})
            known = all(isinstance(name, str) for name in about.outputs)
            complete = columns and about.outputs and set(about.margins) == {"face", "skin"}
            if not known or not complete or not set(columns) <= set(COLUMNS):
                raise ValueError("its columns or results are not known")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(f"{where}: its metadata are damaged ({error}); export the run anew") from error
        return about

    def dtype(self, column: str) -> str:
        """Return the type of an input column, ``uint8`` or ``float32``."""
        return "uint8" if column in PICTURES else "float32"
