"""From a dataset to a FaceTable: once, in parallel, on disk.

The table is cached under the SHA-256 of everything that it depends on: each picture's bytes, persons, labels,
the options, the landmark weights, and the versions of this code and of the libraries that touch pixels. Two
preparations with the same key give the same bytes, whatever the number of processes.

It can be killed at any moment. Pictures are prepared in shards, each written whole or not at all; a later
call goes on with the shards that are missing, and only then is the table assembled and moved to its name.
One process at a time works on a key; another one waits and then opens what the first has made.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray

from faces import dlib_models
from faces.datasets.base import Dataset, FaceRecord
from faces.sample import UNKNOWN, FaceTable, PrepareReport
from faces.shards import SHARD_COLUMNS, CropSizes, Outcome, column_shapes, read_shard
from faces.table_store import load_table, write_table
from faces.workers import Shard, run_shards
from mien.errors import ConfigError, DataError, RunError
from mien.files import canonical_json

CODE_VERSION = 3
"""Raise this whenever the same picture would give other crops: every cached table then is made anew."""

CACHE_VARIABLE = "MIEN_CACHE"
SHARD_SIZE = 128

Progress = Callable[[int, int], None]
"""Called with (pictures done, pictures in all), in the process that called ``prepare``."""


@dataclass(frozen=True)
class PrepareOptions:
    """How faces are cut out. Sizes are pixels; margins are explained in ``faces.alignment.align``.

    ``upsample`` is how many doublings may be tried on a small picture in which no face was found.
    ``workers`` is the number of processes, by default one for each core; it does not change the result.
    """

    face_size: int = 64
    skin_size: int = 32
    nose_size: int = 32
    face_margin: float = 0.0
    skin_margin: float = 0.0
    upsample: int = 2
    workers: int | None = None

    def __post_init__(self) -> None:
        for name in ("face_size", "skin_size", "nose_size"):
            if not 8 <= getattr(self, name) <= 1024:
                raise ConfigError(f"{name} is {getattr(self, name)}: expected 8 to 1024 pixels.")
        for name in ("face_margin", "skin_margin"):
            if not -0.25 <= getattr(self, name) <= 2.0:
                raise ConfigError(f"{name} is {getattr(self, name)}: expected −0.25 to 2.")
        if not 0 <= self.upsample <= 3:
            raise ConfigError(f"upsample is {self.upsample}: expected 0 to 3 doublings.")
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"workers is {self.workers}: expected at least 1 process.")

    @property
    def sizes(self) -> CropSizes:
        """The sizes of the crops alone."""
        return CropSizes(self.face_size, self.skin_size, self.nose_size, self.face_margin, self.skin_margin)


def prepare(
    dataset: Dataset,
    options: PrepareOptions | None = None,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> FaceTable:
    """Return the prepared faces of a dataset, from the cache where they are there.

    Pictures in which no face is found, and those that cannot be read, are left out and counted in the
    table's ``report``; where there are several faces the largest is taken. Rows keep the dataset's order.

    ``cache_dir`` is by default $MIEN_CACHE, else $XDG_CACHE_HOME/mien, else ~/.cache/mien. The cache holds
    crops of the pictures in clear and is readable by its owner only.

    Raises MissingModelError where the landmark weights are absent, DataError where no picture has a face,
    RunError where the cache cannot be written or a worker dies, and what the dataset itself raises.
    """
    options = options or PrepareOptions()
    home = (cache_dir or default_cache()) / "faces"
    key = cache_key(dataset, options)
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with alone(home / f"{key}.lock"):
            return _load_or_make(dataset, options, home, key, progress)
    except OSError as error:
        raise RunError(
            f"The cache of prepared faces at {home} cannot be used: {error}. "
            f"Free some space, or set {CACHE_VARIABLE} to a folder that can be written."
        ) from error


def default_cache() -> Path:
    """Return the folder for everything that can be made again."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "mien"


def cache_key(dataset: Dataset, options: PrepareOptions) -> str:
    """Return the SHA-256 of everything that the prepared table depends on, 64 hexadecimal digits."""
    sizes = options.sizes
    inputs = {
        "code": CODE_VERSION,
        "dlib": dlib_models.DLIB_VERSION,
        "pillow": PIL.__version__,
        "landmarks": dlib_models.landmarks_digest(),
        "dataset": dataset.content_hash(),
        "attributes": list(dataset.attributes),
        "sizes": [sizes.face_size, sizes.skin_size, sizes.nose_size],
        "margins": [sizes.face_margin, sizes.skin_margin],
        "upsample": options.upsample,
    }
    return hashlib.sha256(canonical_json(inputs)).hexdigest()


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; the system frees it when the process ends, however it ends."""
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _load_or_make(
    dataset: Dataset, options: PrepareOptions, home: Path, key: str, progress: Progress | None
) -> FaceTable:
    folder = home / key
    if folder.is_dir():
        try:
            return load_table(folder)
        except DataError:  # damaged on the disk: it can be made again
            shutil.rmtree(folder)
    for leftover in home.glob(f".{key}.*"):  # of an assembly that was killed
        shutil.rmtree(leftover, ignore_errors=True)

    records = dataset.records()
    work = home / f"{key}.work"
    work.mkdir(mode=0o700, exist_ok=True)
    shards = _plan_shards(records, work)
    run_shards(shards, options.sizes, options.upsample, options.workers, progress)
    _assemble(records, dataset.attributes, shards, options.sizes, folder)
    shutil.rmtree(work)
    return load_table(folder)


def _plan_shards(records: Sequence[FaceRecord], work: Path) -> list[Shard]:
    return [
        Shard(
            # Named by first and last picture, so that a shard of another size is never taken for it.
            path=work / f"{start:08d}-{min(start + SHARD_SIZE, len(records)) - 1:08d}.npz",
            sources=tuple(record.source for record in records[start : start + SHARD_SIZE]),
        )
        for start in range(0, len(records), SHARD_SIZE)
    ]


def _assemble(
    records: Sequence[FaceRecord],
    attributes: tuple[str, ...],
    shards: Sequence[Shard],
    sizes: CropSizes,
    folder: Path,
) -> None:
    """Join the shards into the table's folder."""
    outcomes: list[Outcome] = []
    for shard in shards:
        outcomes.extend(_whole_shard(shard)[0])
    kept = [
        record
        for record, outcome in zip(records, outcomes, strict=True)
        if outcome in (Outcome.KEPT, Outcome.KEPT_LARGEST)
    ]
    if not kept:
        raise DataError(
            f"None of the {len(records)} pictures can be used: {_reasons(outcomes)}. "
            "Expected photos of faces seen from the front, at least 40 pixels wide."
        )
    names = tuple(sorted({record.person for record in kept}))
    number_of = {name: number for number, name in enumerate(names)}

    def fill(columns: Mapping[str, NDArray[Any]]) -> None:
        columns["persons"][:] = [number_of[record.person] for record in kept]
        for row, record in enumerate(kept):
            columns["labels"][row] = [record.labels.get(attribute, UNKNOWN) for attribute in attributes]
        start = 0
        for shard in shards:
            _, values = _whole_shard(shard)
            stop = start + len(values["jaw"])
            for name in SHARD_COLUMNS:
                columns[name][start:stop] = values[name]
            start = stop

    rows = len(kept)
    shapes: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
        "persons": (np.int64, (rows,)),
        "labels": (np.int8, (rows, len(attributes))),
    }
    shapes |= {name: (dtype, (rows, *shape)) for name, (dtype, shape) in column_shapes(sizes).items()}
    write_table(
        folder,
        shapes,
        fill,
        image_ids=tuple(record.image_id for record in kept),
        person_names=names,
        attributes=attributes,
        report=_report(records, outcomes),
    )


def _whole_shard(shard: Shard) -> tuple[list[Outcome], dict[str, NDArray[Any]]]:
    content = read_shard(shard.path, len(shard.sources))
    if content is None:
        raise RunError(f"{shard.path} was damaged while it was in use. Prepare again.")
    return content


def _report(records: Sequence[FaceRecord], outcomes: Sequence[Outcome]) -> PrepareReport:
    skipped = tuple(
        (record.image_id, outcome.name.lower())
        for record, outcome in zip(records, outcomes, strict=True)
        if outcome not in (Outcome.KEPT, Outcome.KEPT_LARGEST)
    )
    return PrepareReport(
        read=len(records),
        kept=len(records) - len(skipped),
        several=outcomes.count(Outcome.KEPT_LARGEST),
        no_face=outcomes.count(Outcome.NO_FACE),
        unreadable=outcomes.count(Outcome.UNREADABLE),
        too_large=outcomes.count(Outcome.TOO_LARGE),
        skipped=skipped,
    )


def _reasons(outcomes: Sequence[Outcome]) -> str:
    counts = {outcome: outcomes.count(outcome) for outcome in Outcome}
    return (
        f"{counts[Outcome.NO_FACE]} show no face, {counts[Outcome.UNREADABLE]} cannot be read, "
        f"{counts[Outcome.TOO_LARGE]} are too large"
    )
