"""Run shards in several processes that can be killed, or whose parent can be, without a trace."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from faces.datasets.base import Renderer
from faces.shards import CropSizes, prepare_shard, read_shard
from mien.errors import RunError


@dataclass(frozen=True)
class Shard:
    """The pictures of one shard and the file that will hold what was made of them."""

    path: Path
    sources: tuple[Path | Renderer, ...]


def run_shards(
    shards: Sequence[Shard],
    sizes: CropSizes,
    max_upsample: int,
    workers: int | None,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Prepare every shard whose file is not there yet, and report progress in pictures.

    Raises RunError where a worker process dies. What is finished stays: a later call goes on from there.
    """
    report = progress or (lambda _done, _total: None)
    missing = [shard for shard in shards if read_shard(shard.path, len(shard.sources)) is None]
    total = sum(len(shard.sources) for shard in shards)
    done = total - sum(len(shard.sources) for shard in missing)
    report(done, total)

    count = min(workers or _cores(), len(missing))
    if count <= 1:
        for shard in missing:
            done += prepare_shard(shard.sources, sizes, max_upsample, shard.path)
            report(done, total)
        return
    # Fresh interpreters instead of forks: a fork would copy locks that torch's or Flower's threads hold.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_start_worker)
    try:
        futures = [
            pool.submit(prepare_shard, shard.sources, sizes, max_upsample, shard.path) for shard in missing
        ]
        for future in as_completed(futures):
            done += future.result()
            report(done, total)
    except BrokenProcessPool as error:
        raise RunError(
            "A process that prepares faces died: either memory ran out, or the calling script lacks "
            "`if __name__ == '__main__':`. What was finished is kept. Run again with workers = 1."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and end when the parent is gone, even if it was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
