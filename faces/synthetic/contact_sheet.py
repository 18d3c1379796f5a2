"""One picture that shows what the synthetic faces look like, stamped as synthetic.

python -m faces.synthetic.contact_sheet docs/images/synthetic-faces.png
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from faces.synthetic.dataset import SyntheticRecord, records, records_after
from mien.files import write_atomic

STAMP = "SYNTHETIC FACES · drawn by a program · none of them is a person"
BAR = 20
"""Height of the stamp above and below the faces, in pixels."""

COLOURS = 160
"""Colours of the picture: fewer make a smaller file."""

PEOPLE_SEED, ONE_PERSON, OPERATED = 0, 64, (21, 86)
"""Persons shown: the first of many, one in many pictures, and two before and after surgery."""


def contact_sheet(rows: list[list[SyntheticRecord]], size: int) -> Image.Image:
    """Return rows of pictures, each ``size`` pixels wide, between two stamps."""
    faces: NDArray[np.uint8] = np.concatenate(
        [np.concatenate([record.render(size) for record in row], axis=1) for row in rows]
    )
    height, width = faces.shape[:2]
    sheet = Image.new("RGB", (width, height + 2 * BAR), (20, 20, 20))
    sheet.paste(Image.fromarray(faces), (0, BAR))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for top in (0, BAR + height):
        pen.text((width / 2, top + BAR / 2), STAMP, (240, 240, 240), font, anchor="mm")
    return sheet


def sample_rows(columns: int = 8) -> list[list[SyntheticRecord]]:
    """Return three rows of different people, one of one person, and one of two people before and after surgery.

    The pictures of the last row show each person under the same conditions: strengths 0, 0.35, 0.7 and 1.
    """
    people = [records(1, 1, PEOPLE_SEED + number)[0] for number in range(3 * columns)]
    rows = [people[start : start + columns] for start in range(0, len(people), columns)]
    rows.append(records(1, columns, ONE_PERSON))
    strengths = (0.35, 0.7, 1.0)
    rows.append(
        [
            record
            for number in OPERATED
            for record in (*records(1, 1, number), *(records_after(number, s, 1)[0] for s in strengths))
        ]
    )
    return rows


def main(path: Path) -> None:
    """Write the contact sheet of the documentation."""
    buffer = io.BytesIO()
    sheet = contact_sheet(sample_rows(), 112).quantize(COLOURS, dither=Image.Dither.NONE)
    sheet.save(buffer, "PNG", optimize=True)
    write_atomic(path, buffer.getvalue())


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images/synthetic-faces.png"))
