"""Write synthetic faces as a folder in CelebA's layout, for programs that read CelebA.

::

    PATH/README.md                    says that the faces are SYNTHETIC, and how they were made
    PATH/img_align_celeba/*.jpg       the pictures; each file carries a comment that says SYNTHETIC
    PATH/list_attr_celeba.txt         attributes, −1 or 1
    PATH/identity_CelebA.txt          picture, person
    PATH/list_eval_partition.txt      0 train, 1 validation, 2 test; a person is in one part only
    PATH/truth.jsonl                  the ground truth of every picture

The folder appears whole or not at all.
"""

from __future__ import annotations

import dataclasses
import io
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from faces.synthetic import render
from faces.synthetic.dataset import (
    CONDITIONS,
    IMAGES,
    PERSONS,
    SIZE,
    SyntheticRecord,
    content_hash,
    records,
    records_after,
)
from mien.errors import DataError
from mien.files import canonical_json, sync_directory, write_atomic

PICTURES = "img_align_celeba"
JPEG_QUALITY = 92
COMMENT = b"SYNTHETIC face drawn by Mien; this is not a person. CC0 1.0"
LARGEST_SEED = 10**9

README = """# SYNTHETIC faces

**Every face in this folder is SYNTHETIC: drawn by a program from CC0 meshes. None of them is a person.**

{pictures} pictures of {persons} synthetic persons, {size} x {size} pixels, in the layout of CelebA.
Made by `mien data synthesize` with seed {seed}; surgery strengths: {surgery}.
Generator: {digest}

* `list_attr_celeba.txt`: attributes under CelebA's names, −1 or 1, computed from the numbers that drew the
  picture. They are a benchmark of learning, not statements about anyone.
* `identity_CelebA.txt`: the person of each picture. A picture named `...-after-S-...` shows that person after
  simulated surgery of strength S.
* `list_eval_partition.txt`: 0 train, 1 validation, 2 test, by person.
* `truth.jsonl`: what is true of each picture.

Figures measured on these faces do not carry over to photographs of people. The pictures are dedicated to the
public domain (CC0 1.0), as the meshes and morph targets by the MakeHuman community and Mika Suominen are.
"""

Progress = Callable[[int, int], None]
"""Called with (pictures done, pictures in all)."""


def export(
    path: Path,
    persons: int = PERSONS,
    images: int = IMAGES,
    size: int = SIZE,
    seed: int = 0,
    surgery: Sequence[float] = (),
    progress: Progress | None = None,
) -> int:
    """Write ``images`` pictures of each of ``persons`` people to the new folder ``path``; return their number.

    For each strength in ``surgery`` (over 0, up to 1) there are as many pictures again of every person after
    an operation. Person ``seed + i`` is the same for every number of persons.

    Raises DataError for a value out of range and where ``path`` exists.
    """
    _check(path, persons, images, size, seed, surgery)
    rows = records(persons, images, seed)
    for step, strength in enumerate(surgery, start=1):
        for number in range(seed, seed + persons):
            rows += records_after(number, strength, images, first=step * images)
    path.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        for done, record in enumerate(rows, start=1):
            write_atomic(work / PICTURES / _file(record), _jpeg(record, size))
            if progress:
                progress(done, len(rows))
        for name, content in _tables(rows).items():
            write_atomic(work / name, content)
        strengths = ", ".join(f"{strength:g}" for strength in surgery) or "none"
        text = README.format(
            pictures=len(rows),
            persons=persons,
            size=size,
            seed=seed,
            surgery=strengths,
            digest=content_hash(),
        )
        write_atomic(work / "README.md", text.encode())
        work.chmod(0o755)
        work.rename(path)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    sync_directory(path.parent)
    return len(rows)


def _check(path: Path, persons: int, images: int, size: int, seed: int, surgery: Sequence[float]) -> None:
    if path.exists():
        raise DataError(f"{path} exists already; name a folder that does not, or remove it first")
    sets = 1 + len(surgery)
    for name, value, low, high in (
        ("persons", persons, 1, 1_000_000),
        ("images", images, 1, CONDITIONS // sets),
        ("size", size, render.SMALLEST, render.LARGEST),
        ("seed", seed, 0, LARGEST_SEED),
    ):
        if not low <= value <= high:
            raise DataError(f"synthetic faces: {name} is {value}, expected {low} to {high}")
    for strength in surgery:
        if not 0 < strength <= 1:
            raise DataError(f"synthetic faces: surgery strength is {strength}, expected over 0 and up to 1")


def _file(record: SyntheticRecord) -> str:
    return f"{record.image_id}.jpg"


def _jpeg(record: SyntheticRecord, size: int) -> bytes:
    buffer = io.BytesIO()
    picture = Image.fromarray(record.render(size))
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0, comment=COMMENT)
    return buffer.getvalue()


def _tables(rows: Sequence[SyntheticRecord]) -> dict[str, bytes]:
    """Return the text files of the folder by name."""
    attributes = sorted(rows[0].labels)
    marks = [
        " ".join([_file(row), *("1" if row.labels[name] else "-1" for name in attributes)]) for row in rows
    ]
    people = [f"{_file(row)} {row.truth.identity.seed}" for row in rows]
    parts = [f"{_file(row)} {_part(row.truth.identity.seed)}" for row in rows]
    truth = [canonical_json({"synthetic": True, **_truth(row)}).decode() for row in rows]
    return {
        "list_attr_celeba.txt": _lines([str(len(rows)), " ".join(attributes), *marks]),
        "identity_CelebA.txt": _lines(people),
        "list_eval_partition.txt": _lines(parts),
        "truth.jsonl": _lines(truth),
    }


def _part(number: int) -> int:
    """Return 0, 1 or 2: of ten persons eight are for training, one for validation, one for the test."""
    return {8: 1, 9: 2}.get(number % 10, 0)


def _truth(record: SyntheticRecord) -> dict[str, object]:
    truth = record.truth
    return {
        "image": _file(record),
        "person": record.person,
        "identity": dataclasses.asdict(truth.identity),
        "photo": dataclasses.asdict(truth.photo),
        "light_direction": truth.light_direction,
        "proportions": dataclasses.asdict(truth.proportions),
        "surgery": truth.surgery,
    }


def _lines(lines: Sequence[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode("ascii")
