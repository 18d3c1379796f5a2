"""Compute models/public_directions.json: the fixed, public part of the model ``public_head``.

    python benchmarks/public_directions.py celeba=PATH OUT

PATH must hold faces of the public alone: persons on whom nothing is measured. No label is read. What is written is
a mean and 32 principal directions over all of the faces, to five digits.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from configs.schema import Data
from faces.federation import prepare_table
from models.inputs import to_inputs
from models.public_head import public_features
from models.registry import spec

DIRECTIONS = 32


def main(source: str, out: Path) -> None:
    """Prepare the faces, find the directions, write the file."""
    table = prepare_table(Data(source=source, embedding=True))
    columns = spec("public_head").inputs
    inputs = to_inputs({name: getattr(table, name) for name in columns})
    features = public_features(*(inputs[name] for name in columns)).numpy().astype(np.float64)
    mean, spread = features.mean(axis=0), features.std(axis=0)
    variances, directions = np.linalg.eigh(np.corrcoef(features.T))
    strongest = np.argsort(variances)[::-1][:DIRECTIONS]
    projection = directions[:, strongest] / np.sqrt(variances[strongest]) / spread[:, None]
    projection *= np.sign(projection.sum(axis=0))  # the sign of a direction is free
    content = {
        "faces": len(table),
        "mean": [float(f"{value:.5g}") for value in mean],
        "projection": [[float(f"{value:.5g}") for value in row] for row in projection],
    }
    out.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python benchmarks/public_directions.py celeba=PATH OUT")
    main(sys.argv[1], Path(sys.argv[2]))
