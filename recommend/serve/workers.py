"""A few processes that decode and read pictures, and a short queue in front of them.

Pictures come from anywhere, and decoders have had holes. So they are opened in a process that holds nothing
else and that the kernel has locked down (``recommend.serve.sandbox``); if it hangs or dies, it is replaced,
and the server goes on. Each worker has its own detector and landmark model, so workers do not wait for one
another. Whoever comes when the queue is full is told so at once: under load, answers are refused, never late.

A worker is trusted with its answers (they are pickled): S1 to S4 limit what a broken one can do by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from mien.errors import ImageTooLargeError, MienError
from recommend.serve.limits import Limits
from recommend.serve.offline import Traffic, watch
from recommend.serve.problems import BusyError, InternalError, TooSlowError
from recommend.serve.sandbox import lock_down

Result = TypeVar("Result")
_STARTING_SECONDS = 60.0


class Workers:
    """``limits.workers`` processes; ``run`` awaits a job's result."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(limits.workers, thread_name_prefix="worker")
        self._pending = 0
        self._closed = False
        self._all = [_Worker(limits) for _ in range(limits.workers)]
        for worker in self._all:
            worker.wait_until_ready()
            self._idle.put(worker)

    @property
    def without_network(self) -> bool:
        """Whether every worker lives in a network namespace without a network (S4)."""
        return all(worker.without_network for worker in self._all)

    @property
    def processes(self) -> list[int]:
        """The numbers of the worker processes."""
        return [worker.process.pid for worker in self._all if worker.process.pid is not None]

    async def run(self, job: Callable[..., Result], *arguments: Any, waiting: int | None = None) -> Result:
        """Run a function of ``recommend.serve.jobs`` in a worker.

        Raises what the job raises; BusyError when more than ``waiting`` jobs wait already; TooSlowError when
        it takes longer than is allowed.
        """
        room = self._limits.workers + (self._limits.waiting if waiting is None else waiting)
        if self._pending >= room or self._closed:
            raise BusyError(f"{self._pending} pictures are being read or wait: at most {room} may.")
        self._pending += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, self._do, job, arguments)
        future.add_done_callback(self._leave)
        # A request that is given up leaves its job running; the job still counts until it is done.
        result: Result = await asyncio.shield(future)
        return result

    def _leave(self, _: object) -> None:
        self._pending -= 1

    def _do(self, job: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        worker = self._idle.get()
        try:
            return worker.do(job, arguments)
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """End all workers."""
        self._closed = True
        for worker in self._all:
            worker.end()
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Worker:
    """One process, replaced when it hangs or dies."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._ended = False
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy what the server holds in memory
        self._pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, self._limits), daemon=True)
        self.process.start()
        theirs.close()
        self.without_network = False
        self._ready = False

    def wait_until_ready(self) -> None:
        if not self._ready:
            if not self._pipe.poll(_STARTING_SECONDS):
                raise InternalError(
                    f"A worker did not start within {_STARTING_SECONDS:g} seconds. Start again."
                )
            failure, self.without_network = self._pipe.recv()
            self._ready = True
            if failure is not None:
                raise failure

    def do(self, job: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Send a job, await the answer, raise what it raised; replace the process when there is none."""
        try:
            self.wait_until_ready()
            self._pipe.send((job, arguments))
            if not self._pipe.poll(self._limits.job_seconds):
                self._replace()
                raise TooSlowError(f"Reading took longer than {self._limits.job_seconds:g} seconds.")
            failure, result = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._replace()
            raise InternalError("The process that reads pictures ended unexpectedly on this one.") from error
        if failure is not None:
            raise failure
        return result

    def _replace(self) -> None:
        with self._lock:
            self._stop()
            if not self._ended:
                self._start()

    def end(self) -> None:
        with self._lock:
            self._ended = True
            self._stop()

    def _stop(self) -> None:
        with contextlib.suppress(OSError):
            self._pipe.close()
        self.process.kill()
        self.process.join(5)


def _work(pipe: Connection, limits: Limits) -> None:
    """Do jobs until the pipe closes: the main loop of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")  # the workers are the parallelism
    without_network = lock_down(limits.worker_memory)
    watch(Traffic())  # where the kernel does not take the network away, this refuses it
    from recommend.serve.jobs import warm_up

    pipe.send((_attempt(warm_up, ())[0], without_network))
    while True:
        try:
            job, arguments = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(_attempt(job, arguments))
        del job, arguments


def _attempt(job: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[MienError | None, Any]:
    try:
        return None, job(*arguments)
    except MienError as error:
        return type(error)(str(error)), None
    except MemoryError:
        return ImageTooLargeError("The picture needs more memory than is allowed. Use a smaller copy."), None
    except Exception as error:  # whatever a library raises must not end the worker
        return InternalError(f"{type(error).__name__}: {error}"), None
