"""Preparation: same bytes however it is run, killed or doubled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import faces.prepare
from faces.datasets import open_dataset
from faces.prepare import PrepareOptions, cache_key, default_cache, prepare
from faces.shards import prepare_shard
from faces.workers import Shard, run_shards
from mien.errors import ConfigError, DataError, MissingModelError, RunError

ONE = PrepareOptions(workers=1, upsample=0)

SCRIPT = """
import sys
from pathlib import Path

import faces.prepare
from faces.datasets import open_dataset

if __name__ == "__main__":
    faces.prepare.SHARD_SIZE = 4
    options = faces.prepare.PrepareOptions(workers=int(sys.argv[3]), upsample=0)
    table = faces.prepare.prepare(
        open_dataset(sys.argv[1]), options, Path(sys.argv[2]), lambda done, _: print(done, flush=True)
    )
    print(table.content_hash, flush=True)
"""


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(faces.prepare, "SHARD_SIZE", 4)


@pytest.fixture
def script(tmp_path, repository):
    """Start a preparation in a process of its own, and end all of them afterwards."""
    path = tmp_path / "prepare_script.py"
    path.write_text(SCRIPT)
    started = []

    def start(spec: str, cache: Path, workers: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(path), spec, str(cache), str(workers)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=repository,
            env={**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def contents(folder: Path) -> list[str]:
    return sorted(file.name for file in (folder / "faces").iterdir() if not file.name.endswith(".lock"))


def alive_in_session(session: int) -> list[int]:
    """Return the processes of a session that are not zombies (Linux)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def test_every_row_is_the_picture_of_its_id(celeba, tmp_path):
    dataset = open_dataset(f"celeba={celeba(count=6, draw=True)}")
    calls = []
    table = prepare(dataset, ONE, tmp_path / "cache", lambda done, total: calls.append((done, total)))
    assert len(table) == 6
    assert table.image_ids == tuple(r.image_id for r in dataset.records())
    assert [table.person_names[p] for p in table.persons] == [r.person for r in dataset.records()]
    assert table.labels.tolist() == [[r.labels["Chubby"], r.labels["Pale_Skin"]] for r in dataset.records()]
    assert table.face.shape == (6, 3, 64, 64)
    assert table.skin.shape == table.nose.shape == (6, 3, 32, 32)
    # Each picture's skin was drawn three levels less red than the one before.
    cheek = table.face[:, 0, 36:42, 12:18].astype(float).mean(axis=(1, 2))
    np.testing.assert_allclose(np.diff(cheek), -3, atol=2)
    eyes = table.landmarks[:, 36:48].mean(axis=1)
    np.testing.assert_allclose(eyes, np.tile([0.5, 0.46], (6, 1)), atol=0.03)
    assert calls == [(0, 6), (6, 6)]
    assert table.report.kept == table.report.read == 6


def test_a_second_call_opens_the_first_s_files(celeba, tmp_path):
    dataset = open_dataset(f"celeba={celeba(count=2, draw=True)}")
    first = prepare(dataset, ONE, tmp_path)
    files = {f: f.stat().st_mtime_ns for f in (tmp_path / "faces").rglob("*.npy")}
    calls = []
    second = prepare(dataset, PrepareOptions(workers=2, upsample=0), tmp_path, lambda *c: calls.append(c))
    assert calls == []
    assert second.content_hash == first.content_hash
    assert {f: f.stat().st_mtime_ns for f in (tmp_path / "faces").rglob("*.npy")} == files
    assert contents(tmp_path) == [cache_key(dataset, ONE)]
    assert (tmp_path / "faces").stat().st_mode & 0o077 == 0


def test_the_key_depends_on_everything_but_the_number_of_processes(celeba, monkeypatch):
    root = celeba()
    dataset = open_dataset(f"celeba={root}")
    base = cache_key(dataset, PrepareOptions())
    assert cache_key(dataset, PrepareOptions(workers=7)) == base
    others = [
        PrepareOptions(face_size=65),
        PrepareOptions(skin_size=33),
        PrepareOptions(nose_size=33),
        PrepareOptions(face_margin=0.1),
        PrepareOptions(skin_margin=0.1),
        PrepareOptions(upsample=1),
    ]
    keys = {base, *(cache_key(dataset, options) for options in others)}
    picture = root / "img_align_celeba" / "000001.jpg"
    picture.write_bytes(picture.read_bytes() + b" ")
    keys.add(cache_key(open_dataset(f"celeba={root}"), PrepareOptions()))
    monkeypatch.setattr(faces.prepare, "CODE_VERSION", -1)
    keys.add(cache_key(open_dataset(f"celeba={root}"), PrepareOptions()))
    assert len(keys) == 9


def test_pictures_that_cannot_be_used_are_left_out_and_counted(celeba, tmp_path, draw_face):
    root = celeba(count=6, draw=True)
    pictures = root / "img_align_celeba"
    whole = (pictures / "000001.jpg").read_bytes()
    (pictures / "000001.jpg").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(np.full((100, 100, 3), 90, np.uint8)).save(pictures / "000002.jpg")
    two = np.concatenate([draw_face(140, 180, scale=0.45), draw_face(220, 180, scale=0.6)], axis=1)
    Image.fromarray(two).save(pictures / "000003.jpg")
    with (pictures / "000004.jpg").open("ab") as file:
        file.truncate(80_000_000)
    table = prepare(open_dataset(f"celeba={root}"), PrepareOptions(workers=1), tmp_path / "cache")
    assert table.image_ids == ("000003.jpg", "000005.jpg", "000006.jpg")
    report = table.report
    assert (report.read, report.kept, report.several) == (6, 3, 1)
    assert (report.unreadable, report.no_face, report.too_large) == (1, 1, 1)
    assert dict(report.skipped) == {
        "000001.jpg": "unreadable",
        "000002.jpg": "no_face",
        "000004.jpg": "too_large",
    }


def test_a_dataset_without_any_face_is_an_error(celeba, tmp_path):
    with pytest.raises(DataError, match=r"None of the 3 pictures can be used: 3 show no face"):
        prepare(open_dataset(f"celeba={celeba(count=3)}"), ONE, tmp_path / "cache")
    assert not [name for name in contents(tmp_path / "cache") if not name.endswith(".work")]


@pytest.mark.usefixtures("small_shards")
def test_two_processes_make_the_same_bytes_as_one(celeba, tmp_path):
    dataset = open_dataset(f"celeba={celeba(count=14, draw=True)}")
    calls = []
    two = prepare(
        dataset, PrepareOptions(workers=2, upsample=0), tmp_path / "two", lambda done, _: calls.append(done)
    )
    assert sorted(calls) == calls
    assert calls[-1] == 14
    assert len(calls) == 5
    assert two.content_hash == prepare(dataset, ONE, tmp_path / "one").content_hash


@pytest.mark.usefixtures("small_shards")
def test_after_kill_9_the_finished_shards_are_kept_and_nothing_is_left_running(celeba, tmp_path, script):
    spec = f"celeba={celeba(count=40, draw=True)}"
    cache = tmp_path / "cache"
    process = script(spec, cache, 2)
    for line in process.stdout:
        if int(line) >= 8:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    for _ in range(100):
        if not alive_in_session(process.pid):
            break
        time.sleep(0.1)
    assert alive_in_session(process.pid) == []

    (work,) = contents(cache)
    assert work.endswith(".work")
    finished = [file for file in (cache / "faces" / work).glob("*.npz") if not file.name.startswith(".")]
    assert 2 <= len(finished) < 10
    calls = []
    dataset = open_dataset(spec)
    resumed = prepare(dataset, ONE, cache, lambda done, _: calls.append(done))
    assert calls[0] == 4 * len(finished)
    assert calls[-1] == 40
    assert contents(cache) == [cache_key(dataset, ONE)]
    assert resumed.content_hash == prepare(dataset, ONE, tmp_path / "fresh").content_hash


def test_two_preparations_at_once_make_one_table(celeba, tmp_path, script):
    spec = f"celeba={celeba(count=16, draw=True)}"
    both = [script(spec, tmp_path / "cache", 1) for _ in range(2)]
    lines = [process.communicate(timeout=120)[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert lines[0][-1] == lines[1][-1]
    worked = [len(each) > 1 for each in lines]
    assert sorted(worked) == [False, True]  # one prepares, the other waits and opens
    assert len(contents(tmp_path / "cache")) == 1


@pytest.mark.usefixtures("small_shards")
def test_a_damaged_shard_is_made_again(celeba, tmp_path):
    dataset = open_dataset(f"celeba={celeba(count=8, draw=True)}")
    expected = prepare(dataset, ONE, tmp_path / "fresh").content_hash
    key = cache_key(dataset, ONE)
    work = tmp_path / "cache" / "faces" / f"{key}.work"
    work.mkdir(parents=True)
    (work / "00000000-00000003.npz").write_bytes(b"PK\x03\x04 half a shard")
    leftover = work.parent / f".{key}.abc"  # of an assembly that was killed
    leftover.mkdir()
    (leftover / "face.npy").write_bytes(b"half")
    assert prepare(dataset, ONE, tmp_path / "cache").content_hash == expected
    assert contents(tmp_path / "cache") == [key]


def test_shards_of_another_size_are_not_mixed_in(celeba, tmp_path, monkeypatch):
    dataset = open_dataset(f"celeba={celeba(count=6, draw=True)}")
    expected = prepare(dataset, ONE, tmp_path / "fresh").content_hash
    work = tmp_path / "cache" / "faces" / f"{cache_key(dataset, ONE)}.work"
    for size in (4, 3):  # both sizes' last shards start elsewhere; 4 leaves two pictures, 3 leaves three
        monkeypatch.setattr(faces.prepare, "SHARD_SIZE", size)
        work.mkdir(parents=True, exist_ok=True)
        shards = faces.prepare._plan_shards(dataset.records(), work)
        prepare_shard(shards[-1].sources, ONE.sizes, 0, shards[-1].path)
    monkeypatch.setattr(faces.prepare, "SHARD_SIZE", 2)
    assert prepare(dataset, ONE, tmp_path / "cache").content_hash == expected


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_table_is_made_again(celeba, tmp_path, damage):
    dataset = open_dataset(f"celeba={celeba(count=2, draw=True)}")
    first = prepare(dataset, ONE, tmp_path).content_hash
    file = next((tmp_path / "faces").rglob("skin.npy"))
    if damage == "cut":
        content = file.read_bytes()
        file.unlink()
        file.write_bytes(content[:-100])
    else:
        file.unlink()
    assert prepare(dataset, ONE, tmp_path).content_hash == first


def test_a_worker_that_dies_is_explained_and_what_is_finished_is_kept(celeba, tmp_path):
    good = open_dataset(f"celeba={celeba(count=1, draw=True)}").records()[0]
    deadly = replace(good, source=partial(os._exit, 9))
    shards = [
        Shard(tmp_path / f"{number}.npz", (record.source,)) for number, record in enumerate([good, deadly])
    ]
    prepare_shard(shards[0].sources, ONE.sizes, 0, shards[0].path)
    more = [*shards, Shard(tmp_path / "2.npz", (partial(os._exit, 9),))]
    with pytest.raises(RunError, match=r"died: either memory ran out.*workers = 1"):
        run_shards(more, ONE.sizes, 0, 2, None)
    assert [file.name for file in sorted(tmp_path.glob("*.npz"))] == ["0.npz"]


def test_absent_weights_are_noticed_before_any_work(celeba, tmp_path, monkeypatch):
    dataset = open_dataset(f"celeba={celeba(count=2)}")
    monkeypatch.setenv("MIEN_LANDMARKS", str(tmp_path / "gone.dat"))
    with pytest.raises(MissingModelError):
        prepare(dataset, ONE, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written_is_explained(celeba, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match=r"cannot be used.*set MIEN_CACHE"):
        prepare(open_dataset(f"celeba={celeba(count=2)}"), ONE, tmp_path / "file")


def test_the_default_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "mine"))
    assert default_cache() == tmp_path / "mine"
    monkeypatch.delenv("MIEN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "mien"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache() == tmp_path / ".cache" / "mien"


@pytest.mark.parametrize(
    "wrong", [{"face_size": 4}, {"nose_size": 4096}, {"face_margin": -1.0}, {"upsample": 9}, {"workers": 0}]
)
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        PrepareOptions(**wrong)


def test_embedded_faces_are_prepared_too(tmp_path):
    """Drawn pictures travel to the worker processes as recipes."""

    class First:
        def __init__(self):
            whole = open_dataset("embedded")
            self.attributes, self._records = whole.attributes, whole.records()[:8]

        def records(self):
            return self._records

        def content_hash(self):
            return json.dumps([r.image_id for r in self._records])

    table = prepare(First(), PrepareOptions(workers=1), tmp_path)
    assert len(table) >= 7
    assert set(table.attributes) == set(First().attributes)
    assert set(np.unique(table.labels)) <= {-1, 0, 1}
