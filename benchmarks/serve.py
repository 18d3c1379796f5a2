"""What the local server does in a second, and how long one waits: a real `mien serve` process, real HTTP.

The clients run on the same machine and take their share of its cores. Photos are synthetic faces of 512 pixels,
so nothing but the project is needed; ``--photos FOLDER`` takes real ones.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import io
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from _table import Row, at_least, at_most, main
from PIL import Image

from faces.synthetic.dataset import records
from mien.errors import MienError
from recommend.reading.reading import read_face

CLIENTS = 8
START = [sys.executable, "-c", "from cli.main import run; run()", "serve", "--port", "0", "--no-browser"]


def encode(picture: np.ndarray, side: int, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS).save(buffer, kind, quality=92)
    return buffer.getvalue()


def faces(count: int) -> list[np.ndarray]:
    """Return synthetic faces that are found and read."""
    found: list[np.ndarray] = []
    for record in records(4 * count, 1, seed=7):
        picture = record.render(512)
        with contextlib.suppress(MienError):
            read_face([picture])
            found.append(picture)
        if len(found) == count:
            break
    return found


@contextlib.contextmanager
def server() -> Iterator[tuple[httpx.Client, float, int]]:
    """Start `mien serve`; yield a client with the token, the seconds until the link, the process's number."""
    begun = time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(START, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        link = next(line.strip() for line in process.stdout or () if "#token=" in line)
        seconds = time.perf_counter() - begun
        address, _, token = link.partition("/#token=")
        pool = httpx.Limits(max_connections=CLIENTS)
        with httpx.Client(
            base_url=address, headers={"X-Mien-Token": token}, timeout=60, limits=pool, trust_env=False
        ) as client:
            yield client, seconds, process.pid
    finally:
        process.terminate()
        process.wait(20)
        if process.stdout:
            process.stdout.close()


def timed(action: Any) -> tuple[Any, float]:
    begun = time.perf_counter()
    return action(), 1000 * (time.perf_counter() - begun)


def cpu(server: int) -> float:
    """Return the milliseconds of CPU that the server and its workers have used; other load is not in them."""
    ticks: dict[int, int] = {}
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            number = int(stat.parent.name)
            parents.setdefault(int(fields[1]), []).append(number)
            ticks[number] = int(fields[11]) + int(fields[12])
    tree = [server]
    for number in tree:
        tree += parents.get(number, [])
    return 1000 * sum(ticks.get(number, 0) for number in tree) / os.sysconf("SC_CLK_TCK")


def under_load(client: httpx.Client, server: int, photos: list[bytes], requests: int) -> list[Row]:
    """Send ``requests`` photos to /face from eight clients at once."""

    def ask(photo: bytes) -> tuple[bool, float]:
        answer, milliseconds = timed(lambda: client.post("/face", files={"image": ("face.jpg", photo)}))
        return answer.status_code == 200 and answer.json()["code"] == 0, milliseconds

    begun, used = time.perf_counter(), cpu(server)
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as threads:
        answers = list(threads.map(ask, itertools.islice(itertools.cycle(photos), requests)))
    seconds = time.perf_counter() - begun
    waits = [milliseconds for _, milliseconds in answers]
    label = f"/face, {CLIENTS} clients"
    return [
        Row(f"{label}: requests", requests, ""),
        at_most(f"{label}: errors", sum(not right for right, _ in answers), "", 0),
        Row(f"{label}: p50", float(np.percentile(waits, 50)), "ms"),
        Row(f"{label}: p95", float(np.percentile(waits, 95)), "ms"),
        Row(f"{label}: answers", requests / seconds, "/s"),
        Row("/face: CPU of the server", (cpu(server) - used) / requests, "ms"),
    ]


def alone(client: httpx.Client, server: int, photos: list[bytes], rounds: int) -> list[Row]:
    """One person: a photo to cards; then landmarks moved by hand."""
    journeys, moves, used = [], [], 0.0
    for photo in itertools.islice(itertools.cycle(photos), rounds):

        def journey(photo: bytes = photo) -> dict[str, Any]:
            data = client.post("/reading", files={"photo": ("face.jpg", photo)}).json()["data"]
            client.post("/look", json={"reading": data["id"]}).raise_for_status()
            return dict(data)

        data, milliseconds = timed(journey)
        journeys.append(milliseconds)
        points = (np.array(data["reading"]["landmarks"]) + 0.5).tolist()
        body = {"reading": data["id"], "landmarks": points, "hairline": data["hairline"]}
        before = cpu(server)
        answer, milliseconds = timed(lambda body=body: client.post("/look", json=body))
        used += cpu(server) - before
        answer.raise_for_status()
        moves.append(milliseconds)
    return [
        at_most("photo to cards over HTTP, p50", float(np.percentile(journeys, 50)), "ms", 400),
        Row("photo to cards over HTTP, p95", float(np.percentile(journeys, 95)), "ms"),
        at_most("moved landmarks to cards, p50", float(np.percentile(moves, 50)), "ms", 50),
        Row("moved landmarks to cards, p95", float(np.percentile(moves, 95)), "ms"),
        Row("moved landmarks: CPU of the server", used / rounds, "ms"),
    ]


def tracking(client: httpx.Client, frames: list[bytes], seconds: float) -> list[Row]:
    """The camera's preview: one frame after the other, as the page sends them."""
    found, waits, begun = 0, [], time.perf_counter()
    for frame in itertools.cycle(frames):
        answer, milliseconds = timed(
            lambda frame=frame: client.post("/track", content=frame, headers={"Content-Type": "image/jpeg"})
        )
        found += answer.json()["data"]["landmarks"] is not None
        waits.append(milliseconds)
        if time.perf_counter() - begun > seconds:
            break
    rate = len(waits) / (time.perf_counter() - begun)
    return [
        at_least("/track, frames of 320 px", rate, "/s", 15),
        Row("/track, p95", float(np.percentile(waits, 95)), "ms"),
        Row("/track, frames with a face", found / len(waits), "share"),
    ]


def memory(client: httpx.Client) -> list[Row]:
    status = client.get("/status").json()["data"]
    return [
        at_most("bytes sent off the device", status["bytes_sent_off_device"], "bytes", 0),
        Row("readings in memory at the end", status["readings_in_memory"], ""),
    ]


def measure(quick: bool) -> list[Row]:
    folder = PHOTOS.photos
    if folder is None:
        pictures = faces(6)
        photos = [encode(picture, 720) for picture in pictures]
        frames = [encode(picture, 320) for picture in pictures]
    else:
        photos = [path.read_bytes() for path in sorted(folder.iterdir())[:12]]
        frames = [encode(np.asarray(Image.open(io.BytesIO(photo)).convert("RGB")), 320) for photo in photos]
    with server() as (client, seconds, number):
        rows = [
            Row("other load at the start", os.getloadavg()[0], f"of {os.cpu_count()} cores"),
            Row("start to link", seconds, "s"),
        ]
        rows += alone(client, number, photos, 10 if quick else 40)
        rows += tracking(client, frames, 4.0 if quick else 15.0)
        rows += under_load(client, number, photos, 200 if quick else 2000)
        rows += memory(client)
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--photos", type=Path, help="a folder of real photos, one face each")
    PHOTOS, sys.argv[1:] = parser.parse_known_args()
    main("mien serve", measure)
