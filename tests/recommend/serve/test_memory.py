"""What is remembered, for how long, and that none of it is on the disk."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from privacy.randomness import TestOnlySource
from recommend.reading.reading import read_face
from recommend.serve.limits import Limits
from recommend.serve.problems import UnknownReadingError
from recommend.serve.store import Store


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture(scope="module")
def one(picture):
    return read_face([picture])


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(clock):
    return Store(
        Limits(readings=3, idle_seconds=60, ticket_seconds=10), source=TestOnlySource(1), clock=clock
    )


def test_the_oldest_reading_makes_room(store, one):
    names = [store.add(one, b"view") for _ in range(3)]
    store.get(names[0])
    names.append(store.add(one, b"view"))
    assert len(store) == 3
    with pytest.raises(UnknownReadingError):
        store.get(names[1])
    for name in (names[0], names[2], names[3]):
        assert store.get(name).reading is one


def test_a_reading_that_nobody_uses_expires_and_one_in_use_does_not(store, one, clock):
    idle, used = store.add(one, b"view"), store.add(one, b"view")
    for _ in range(5):
        clock.now += 59
        store.get(used)
    with pytest.raises(UnknownReadingError):
        store.get(idle)
    clock.now += 60
    assert len(store) == 0


@pytest.mark.parametrize("how", ["forget one", "forget all", "expire", "push out"])
def test_the_photo_is_overwritten_when_it_goes(store, one, clock, how):
    name = store.add(one, b"pixels")
    view = store.get(name).view
    assert view == b"pixels"
    if how == "forget one":
        assert store.forget(name) == 1
        assert store.forget(name) == 0
    elif how == "forget all":
        assert store.forget() == 1
    elif how == "expire":
        clock.now += 61
        store.expire()
    else:
        for _ in range(3):
            store.add(one, b"other")
    assert view == bytes(6)


def test_a_page_is_fetched_once_expires_and_goes_with_its_reading(store, one, clock):
    name = store.add(one, b"view")
    ticket = store.issue("page", name)
    assert store.redeem(ticket) == "page"
    with pytest.raises(UnknownReadingError):
        store.redeem(ticket)
    late, orphan = store.issue("late", name), store.issue("orphan", name)
    clock.now += 11
    with pytest.raises(UnknownReadingError):
        store.redeem(late)
    orphan = store.issue("orphan", name)
    store.forget(name)
    with pytest.raises(UnknownReadingError):
        store.redeem(orphan)


def test_ids_cannot_be_guessed(one):
    store = Store(Limits(readings=200))
    names = [store.add(one, b"") for _ in range(200)]
    assert len(set(names)) == 200
    assert all(len(name) == 32 and int(name, 16) >= 0 for name in names)
    bits = np.unpackbits(np.frombuffer(bytes.fromhex("".join(names)), dtype=np.uint8))
    assert abs(bits.mean() - 0.5) < 5 * 0.5 / np.sqrt(bits.size)


# The disk.


def marked(picture):
    """A photo with noise of its own in a corner: nothing else on this machine holds these bytes."""
    pixels = np.array(picture)
    noise = np.frombuffer(os.urandom(64 * 64 * 3), dtype=np.uint8).reshape(64, 64, 3)
    pixels[:64, :64] = noise
    buffer = io.BytesIO()
    # Large and hardly compressible on purpose: form parsers spool what is larger than a megabyte.
    frame = np.frombuffer(os.urandom(700 * 1200 * 3), dtype=np.uint8).reshape(700, 1200, 3).copy()
    frame[20 : 20 + pixels.shape[0], 20 : 20 + pixels.shape[1]] = pixels
    Image.fromarray(frame).save(buffer, "PNG", compress_level=1)
    content = buffer.getvalue()
    assert len(content) > 1_500_000
    half = len(content) // 2
    return content, [content[half : half + 48], noise[0].tobytes()[:96], frame[-1].tobytes()[:96]]


def traces(markers, folder, processes):
    """Return every file below a folder, and every open file of the processes, that holds a marker."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    for number in processes:
        with contextlib.suppress(OSError):
            for link in Path(f"/proc/{number}/fd").iterdir():
                with contextlib.suppress(OSError):
                    target = str(link.readlink())
                    if target.startswith("/") and not target.startswith(("/dev/", "/proc/")):
                        files.append(link)  # a deleted file can still be read through its descriptor
    found = []
    for path in files:
        with contextlib.suppress(OSError):
            content = path.read_bytes()
            found += [str(path) for marker in markers if marker in content]
    return found


def test_nothing_of_a_photo_is_on_the_disk_while_it_is_held_and_after_forget(start, tmp_path, picture):
    content, markers = marked(picture)
    with start(tmp_path) as server, server.client() as client:
        data = client.post("/reading", files={"photo": ("secret-name.png", content)}).json()["data"]
        name = data["id"]
        view = client.get(f"/reading/{name}/photo").content
        markers += [view[len(view) // 2 :][:48], b"secret-name", name.encode()]
        client.post("/look", json={"reading": name})
        client.get(client.post("/sheet", json={"reading": name}).json()["data"]["url"])
        client.post("/face", files={"image": ("secret-name.png", content)})
        processes = server.processes()
        assert len(processes) >= 2, "the server and its workers"
        assert traces(markers, tmp_path, processes) == []

        planted = tmp_path / "tmp" / "planted"
        with tempfile.TemporaryFile(dir=tmp_path / "tmp") as deleted:
            planted.write_bytes(b"x" + markers[0])
            deleted.write(markers[1])
            deleted.flush()
            found = traces(markers, tmp_path, [*processes, os.getpid()])
            assert len(found) == 2, "the control: both ways of leaving a trace are seen"
        planted.unlink()

        assert client.post("/forget", json={"reading": name}).json()["data"] == {"forgotten": 1}
        assert client.get(f"/reading/{name}/photo").status_code == 404
        assert traces(markers, tmp_path, processes) == []
        written = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert written == [], "the server made no file at all"


def test_a_crash_would_leave_no_core_and_workers_cannot_write_files(running):
    server, *workers = running.processes()

    def limit(number, name):
        lines = Path(f"/proc/{number}/limits").read_text().splitlines()
        return next(line for line in lines if line.startswith(name)).removeprefix(name).split()[:2]

    assert limit(server, "Max core file size") == ["0", "0"]
    readers = [number for number in workers if limit(number, "Max file size") == ["0", "0"]]
    assert len(readers) >= 1
    for number in readers:
        assert limit(number, "Max core file size") == ["0", "0"]
        assert limit(number, "Max address space")[0] != "unlimited"


LOCKED = """
import pathlib, socket, sys
from recommend.serve.sandbox import lock_down
without_network = lock_down(2**30)
try:
    pathlib.Path(sys.argv[1]).write_bytes(b"pixels")
    print("wrote")
except OSError as error:
    print("no file:", error.errno)
try:
    bytearray(2**31)
    print("took")
except MemoryError:
    print("no memory")
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[2])), timeout=2)
    print("connected")
except OSError:
    print("no network")
print(without_network)
"""


def test_a_locked_process_has_no_files_no_memory_and_no_network(running, tmp_path, environment):
    """S1, S3, S4, against a server that is there to be connected to."""
    done = subprocess.run(
        [sys.executable, "-c", LOCKED, str(tmp_path / "file"), str(running.port)],
        env=environment(tmp_path), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    files, memory, network, isolated = done.stdout.splitlines()
    assert files == "no file: 27"
    assert not (tmp_path / "file").exists() or (tmp_path / "file").stat().st_size == 0
    assert memory == "no memory"
    if isolated != "True":
        pytest.skip(
            "this kernel does not let an ordinary user make a network namespace (S4 is then not given)"
        )
    assert network == "no network"
