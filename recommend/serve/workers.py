"""A few processes that decode and read pictures, and a short queue in front of them.

Pictures come from anywhere, and decoders have had holes. So they are opened in a process that holds nothing
else and that the kernel has locked down (``recommend.serve.sandbox``); if it hangs or dies, it is replaced,
and the server goes on. Each worker has its own detector and landmark model, so workers do not wait for one
another. Whoever comes when the queue is full is told so at once: under load, answers are refused, never late.

A worker's answers are read as data of the type that the job returns (``recommend.serve.wire``), so a worker that
a picture has taken over cannot make the server run anything: it can give a wrong reading, and no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, TypeVar, get_type_hints

from mien.errors import (
    ConfigError,
    ImageError,
    ImageTooLargeError,
    MienError,
    MissingModelError,
    NoFaceError,
    SeveralFacesError,
    UnreadableImageError,
)
from recommend.serve.limits import MEGABYTE, Limits
from recommend.serve.offline import Traffic, watch
from recommend.serve.problems import BusyError, InternalError, TooSlowError
from recommend.serve.sandbox import lock_down
from recommend.serve.wire import decode, encode

Result = TypeVar("Result")
_STARTING_SECONDS = 60.0
_ANSWER_BYTES = 64 * MEGABYTE
_FAILURE_TEXT = 1000
_ERRORS: tuple[type[MienError], ...] = (
    ConfigError,
    ImageError,
    ImageTooLargeError,
    MissingModelError,
    NoFaceError,
    SeveralFacesError,
    UnreadableImageError,
)


@dataclasses.dataclass(frozen=True)
class _Failure:
    """What a job raised: the error's class by name, and its text."""

    kind: str
    text: str


@dataclasses.dataclass(frozen=True)
class _Hello:
    """What a worker says when it is ready."""

    failure: _Failure | None
    without_network: bool


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
            hello = self._received(_Hello)
            self.without_network = hello.without_network
            self._ready = True
            if hello.failure is not None:
                raise _failure(hello.failure)

    def do(self, job: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Send a job, await the answer, raise what it raised; replace the process when there is none."""
        try:
            self.wait_until_ready()
            self._pipe.send((job, arguments))
            if not self._pipe.poll(self._limits.job_seconds):
                self._replace()
                raise TooSlowError(f"Reading took longer than {self._limits.job_seconds:g} seconds.")
            failure = self._received(_Failure | None)
            if failure is None:
                return self._received(_returned(job))
        except (EOFError, OSError, ValueError) as error:
            self._replace()
            raise InternalError("The process that reads pictures ended unexpectedly on this one.") from error
        raise _failure(failure)

    def _received(self, expected: Any) -> Any:
        """Return the next part of an answer; a worker that stops in the middle of it is ended."""
        watchdog = threading.Timer(self._limits.job_seconds, self.process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            return decode(expected, self._pipe.recv_bytes(_ANSWER_BYTES))
        finally:
            watchdog.cancel()

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

    failure, _ = _attempt(warm_up, ())
    pipe.send_bytes(encode(_Hello(failure, without_network)))
    while True:
        try:
            job, arguments = pipe.recv()
        except (EOFError, OSError):
            return
        failure, result = _attempt(job, arguments)
        pipe.send_bytes(encode(failure))
        if failure is None:
            pipe.send_bytes(encode(result))
        del job, arguments, result


def _attempt(job: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[_Failure | None, Any]:
    try:
        return None, job(*arguments)
    except MienError as error:
        return _Failure(type(error).__name__, str(error)), None
    except MemoryError:
        text = "The picture needs more memory than is allowed. Use a smaller copy."
        return _Failure(ImageTooLargeError.__name__, text), None
    except Exception as error:  # whatever a library raises must not end the worker
        return _Failure(InternalError.__name__, f"{type(error).__name__}: {error}"), None


def _returned(job: Callable[..., Any]) -> Any:
    """Return the type that a job returns; of what is not annotated only None is taken."""
    try:
        return get_type_hints(job).get("return", type(None))
    except TypeError:
        return type(None)


def _failure(failure: _Failure) -> MienError:
    """Return the error that a worker names, where it is one that reading a picture can raise."""
    kinds = {kind.__name__: kind for kind in _ERRORS}
    return kinds.get(failure.kind, InternalError)(failure.text[:_FAILURE_TEXT])
