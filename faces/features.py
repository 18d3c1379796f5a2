"""The makeup paper's CSV of face shapes: the label, then eight distances across the jaw, in percent.

A row such as ``1,89,89,88,85,78,65,46,24`` says that a chubby face measures 89 % of the average face's width
at the ears and 24 % near the chin (``faces.crops.jaw_distances`` explains the unit).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from faces.sample import UNKNOWN, FaceTable
from mien.files import write_atomic


def write_features(table: FaceTable, attribute: str, path: Path) -> int:
    """Write one row a photo whose attribute is marked; return how many rows that were.

    The file has no header and holds one person's measures a row, so treat it like the photos themselves.
    Raises DataError where the dataset does not have the attribute.
    """
    marks = table.label(attribute)
    percent = np.rint(table.jaw * 100.0).astype(np.int64)
    marked = np.flatnonzero(marks != UNKNOWN).tolist()
    lines = [",".join(str(value) for value in (int(marks[row]), *percent[row].tolist())) for row in marked]
    write_atomic(path, "".join(f"{line}\n" for line in lines).encode("ascii"), mode=0o600)
    return len(lines)
