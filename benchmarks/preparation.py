"""How fast pictures become a table: faces found, landmarks fitted, crops cut, files written.

    python benchmarks/preparation.py [--quick] [--json FILE] [--check]

The pictures are real photos of 160 pixels where MIEN_REAL_FACES (or ../shared/data) has them, else the embedded
synthetic faces, whose drawing is then part of the time and which have no goal.
"""

from __future__ import annotations

import os
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _table import Row, at_least, at_most, main

from faces import dlib_models
from faces.datasets import FaceRecord, open_dataset
from faces.images import load_image
from faces.landmarks import find_faces, fit_landmarks
from faces.prepare import PrepareOptions, prepare
from faces.shards import prepare_picture

WORKERS = 2


class Part:
    """The first pictures of a dataset."""

    name, kind, synthetic = "part", "part", False

    def __init__(self, spec: str, count: int) -> None:
        whole = open_dataset(spec)
        self.attributes = whole.attributes
        self._records = whole.records()[:count]
        self._hash = f"{whole.content_hash()}/{count}"

    def records(self) -> Sequence[FaceRecord]:
        """Return these pictures."""
        return self._records

    def content_hash(self) -> str:
        """Return a hash that no other part has."""
        return self._hash


def real_faces() -> Path | None:
    """Return the folder of real faces in CelebA's layout, if it is here."""
    beside = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
    for place in (os.environ.get("MIEN_REAL_FACES"), str(beside)):
        if place and (Path(place) / "celeba-faces").is_dir():
            return Path(place) / "celeba-faces"
    return None


def measure(quick: bool) -> list[Row]:
    """Prepare pictures with two processes, then look at where the time goes in one."""
    faces = real_faces()
    part = Part(f"celeba={faces}" if faces else "embedded", (1000 if quick else 6000) if faces else 100)
    total = len(part.records())
    with tempfile.TemporaryDirectory() as cache:
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        table = prepare(part, PrepareOptions(workers=WORKERS), Path(cache))
        wall = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        prepare(part, PrepareOptions(workers=WORKERS), Path(cache))
        reopened = time.perf_counter() - start
    cpu = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
    kind = "real photos, 160 px" if faces else "synthetic faces, drawing included"
    rate, free = total / wall, WORKERS * total / cpu
    load = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    label = f"pictures a second, {WORKERS} free cores"
    rows = [
        Row(
            f"pictures a second, {WORKERS} processes", rate, "1/s", note=f"{total} {kind}; wall time, {load}"
        ),
        # What other programs take is no property of this one, so the goal is on the processes' own time.
        at_least(label, max(rate, free), "1/s", 100, f"from CPU time ({free:.0f}) or wall, the better")
        if faces
        else Row(label, max(rate, free), "1/s", note="no real photos here, so no goal"),
        Row("CPU a picture", 1000 * cpu / total, "ms", note="of the two processes, start-up included"),
        Row("pictures kept", 100 * len(table) / total, "%"),
        at_most("opening it again", 1000 * reopened, "ms", 500, "pictures hashed beforehand"),
    ]
    return rows + (against_dlib(part.records()[: 200 if quick else 600]) if faces else [])


def against_dlib(records: Sequence[FaceRecord]) -> list[Row]:
    """Compare a whole preparation with dlib's part of it alone, picture by picture, in CPU time."""
    sizes = PrepareOptions().sizes
    dlib_models.landmarks_digest()
    whole, alone = [], []
    for record in records:
        assert isinstance(record.source, Path)
        image = load_image(record.source)
        start = time.thread_time()
        boxes = find_faces(image)
        if boxes:
            fit_landmarks(image, boxes[0])
        middle = time.thread_time()
        prepare_picture(record.source, sizes, 2)
        if boxes:
            alone.append(middle - start)
            whole.append(time.thread_time() - middle)
    return [
        Row("dlib alone, detection and landmarks", 1000 * statistics.median(alone), "ms CPU", note="median"),
        at_most(
            "whole preparation / dlib alone",
            float(np.median(np.array(whole) / np.array(alone))),
            "×",
            2.0,
            "median of paired ratios; reading, aligning, three crops",
        ),
    ]


if __name__ == "__main__":
    main("Preparation of faces", measure)
