"""What runs in a Dask worker: it checks the machine and computes calls in cxrbench's own worker processes."""

from __future__ import annotations

import asyncio
import multiprocessing
import shutil
import socket
import tempfile
import time
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

from distributed import WorkerPlugin, get_worker

from cxrbench.execution.cluster.payload import run_bytes
from cxrbench.execution.failures import with_log
from cxrbench.storage.local_copy import FOLDER as LOCAL_COPIES
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from distributed import Worker

    from cxrbench.execution.cluster.agreement import Agreement
    from cxrbench.execution.process_pool import WorkerPool
    from cxrbench.execution.worker import Surroundings

    StartPool = Callable[..., WorkerPool]

IDLE_SECONDS = 600.0
"""Worker processes end after so long without a call: their run may have been killed."""
POLL_SECONDS = 0.5
"""Seconds between two looks at whether the run still wants a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a call: its value as bytes, or the exception and the last lines that it printed.

    Attributes:
        seconds: that it took.
    """

    value: bytes | None = None
    error: BaseException | None = None
    log: tuple[str, ...] = ()
    seconds: float

    @property
    def failure(self) -> BaseException | None:
        """The exception with its log."""
        return with_log(self.error, self.log) if self.error else None


class CallWorker(WorkerPlugin):
    """Compute the calls of one run on a machine that agrees with it; say what differs on a machine that does not.

    A machine that agrees gets a resource of the scheduler by which calls find it. Each call runs in a process of its own pool
    of one, so that limits and failures are those of a local run, and one can be stopped without the others.
    """

    def __init__(self, run: str, agreement: Agreement, start_pool: StartPool) -> None:
        """Prepare to travel.

        Args:
            run: name of the run, and of its resource and its events.
            agreement: what a machine must have in common with the run.
            start_pool: returns a pool of one process in given `surroundings`.
        """
        self.name = run
        self._agreement = agreement
        self._start_pool = start_pool

    async def setup(self, worker: Worker) -> None:
        """Check this machine, and start a process for each thread of the worker."""
        self._lock, self._closed = Lock(), Event()
        self._free: list[WorkerPool] = []
        self._busy = 0
        self._used = time.monotonic()
        problems = await asyncio.to_thread(self._agreement.problems)
        about = {"worker": worker.address, "host": socket.gethostname(), "problems": problems}
        if not problems:
            self._folder = Path(tempfile.mkdtemp(prefix="cxrbench-cluster-"))
            self._files = {str(one.path): one.place(self._folder) for one in self._agreement.files}
            self._surroundings = self._surroundings_here()
            _allow_children()
            self._free = await asyncio.to_thread(lambda: [self._start() for _ in range(worker.state.nthreads)])
            Thread(target=self._end_idle, daemon=True).start()
            await worker.set_resources(**{self.name: worker.state.nthreads})
        worker.log_event(self.name, about)

    async def teardown(self, worker: Worker) -> None:
        """End the processes."""
        self._closed.set()
        await asyncio.to_thread(self._stop_free)
        with suppress(AttributeError):  # refused
            shutil.rmtree(self._folder, ignore_errors=True)

    def compute(self, call: bytes, worker: Worker) -> Outcome:
        """Compute a call in this thread's turn; stop it when the run wants it no more, or this worker ends."""
        key, start = worker.get_current_task(), time.perf_counter()
        pool = self._take()
        future = pool.submit(run_bytes, call, self._files)
        while not _is_done(future):
            if self._closed.is_set() or not _is_wanted(worker, key):
                pool.stop()
        with self._lock:
            self._busy -= 1
            self._used = time.monotonic()
            if not self._closed.is_set() and not isinstance(_error_of(future), KeyboardInterrupt):
                self._free.append(pool)
        return _outcome(future, time.perf_counter() - start)

    def _surroundings_here(self) -> Surroundings:
        """Return the surroundings of the run, with what is at another place on this machine."""
        surroundings = self._agreement.surroundings
        copies = {LOCAL_COPIES: str(self._folder)} if self._agreement.local_copies else {}
        searched = tuple(dict.fromkeys(path.parent for path in self._files.values()))
        return replace(surroundings, environment={**surroundings.environment, **copies}, searched=searched)

    def _take(self) -> WorkerPool:
        with self._lock:
            self._busy += 1
            free = self._free.pop() if self._free else None
        return free or self._start()

    def _start(self) -> WorkerPool:
        return self._start_pool(surroundings=self._surroundings)

    def _stop_free(self) -> None:
        with self._lock:
            pools, self._free = self._free, []
        for pool in pools:
            pool.stop()

    def _end_idle(self) -> None:
        while not self._closed.wait(IDLE_SECONDS / 10):
            with self._lock:
                is_idle = not self._busy and time.monotonic() - self._used > IDLE_SECONDS
            if is_idle:
                self._stop_free()


def compute_calls(run: str, calls: Sequence[bytes]) -> list[Outcome]:
    """Compute calls one after the other; this is what Dask runs."""
    worker = get_worker()
    plugin = worker.plugins[run]
    assert isinstance(plugin, CallWorker)
    return list(_computed(plugin, calls, worker))


def _computed(plugin: CallWorker, calls: Sequence[bytes], worker: Worker) -> Iterator[Outcome]:
    for call in calls:
        outcome = plugin.compute(call, worker)
        yield outcome
        if isinstance(outcome.error, KeyboardInterrupt):
            return


def _is_done(future: Future[bytes]) -> bool:
    with suppress(TimeoutError, CancelledError):
        future.exception(timeout=POLL_SECONDS)
    return future.done()


def _is_wanted(worker: Worker, key: Any) -> bool:
    """Return whether the scheduler still wants a task: Dask cannot stop one that runs, and only notes it."""
    task = worker.state.tasks.get(key)
    return task is not None and task.state == "executing"


def _error_of(future: Future[bytes]) -> BaseException | None:
    return CancelledError() if future.cancelled() else future.exception()


def _outcome(future: Future[bytes], seconds: float) -> Outcome:
    error = _error_of(future)
    if error is None:
        return Outcome(value=future.result(), seconds=seconds)
    notes = tuple(map(as_line, map(str, getattr(error, "__notes__", ()))))
    return Outcome(error=error, log=notes, seconds=seconds)


def _allow_children() -> None:
    """Let this process start processes: Dask's nanny marks it as daemonic. Worker processes end with their parent anyway."""
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
