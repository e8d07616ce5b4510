"""What runs in a Dask worker: it checks the machine and computes calls in cxrbench's own worker processes."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import platform
import shutil
import socket
import tempfile
import time
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed import WorkerPlugin, get_worker

from cxrbench.execution.cluster.payload import run_bytes
from cxrbench.execution.cluster.places import Places, resources_of
from cxrbench.execution.devices import find_gpus
from cxrbench.execution.failures import with_log
from cxrbench.execution.placed import start_on_each
from cxrbench.storage.local_copy import FOLDER as LOCAL_COPIES
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from distributed import Worker

    from cxrbench.execution.cluster.agreement import Agreement
    from cxrbench.execution.cluster.connection import Scheduler
    from cxrbench.execution.devices import DeviceKind
    from cxrbench.execution.process_pool import WorkerPool
    from cxrbench.execution.surroundings import Surroundings

    StartPool = Callable[..., WorkerPool]

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

    A machine that agrees gets resources of the scheduler by which calls find it. Each call runs in a process of cxrbench's own,
    so that limits and failures are those of a local run.
    """

    def __init__(self, run: str, agreement: Agreement, start_pool: StartPool, scheduler: Scheduler) -> None:
        """Prepare to travel.

        Args:
            run: name of the run, and of its resources and its events.
            agreement: what a machine must have in common with the run.
            start_pool: returns a pool of one process in given `surroundings`, which sees none but the given `gpus`.
            scheduler: of the run, which says where whole networks are computed.
        """
        self.name = run
        self._agreement = agreement
        self._start_pool = start_pool
        self._scheduler = scheduler

    async def setup(self, worker: Worker) -> None:
        """Check this machine, and start a process for each thread of the worker."""
        self._places: Places | None = None
        problems, unusable = await asyncio.to_thread(self._agreement.problems), ""
        if not problems:
            self._folder = Path(tempfile.mkdtemp(prefix="cxrbench-cluster-"))
            self._files = {str(one.path): one.place(self._folder) for one in self._agreement.files}
            _prepare_for_children()
            threads = worker.state.nthreads
            start = partial(self._start_pool, surroundings=self._surroundings())
            ids, unusable = await asyncio.to_thread(self._usable_gpus, start)
            self._places = await asyncio.to_thread(Places, start, threads, ids)
            names = resources_of(self.name)
            await worker.set_resources(**{names["cpu"]: threads, names["gpu"]: len(ids)})
        about: dict[str, Any] = {"worker": worker.address, "host": socket.gethostname(), "processor": _processor()}
        about |= {"problems": problems, "unusable": unusable}
        worker.log_event(self.name, about)

    async def teardown(self, worker: Worker) -> None:
        """End the processes."""
        if self._places:
            await asyncio.to_thread(self._places.close)
            shutil.rmtree(self._folder, ignore_errors=True)

    def compute(self, kind: DeviceKind, call: bytes, worker: Worker) -> Outcome:
        """Compute a call in this thread's turn; stop it when the run wants it no more, or this worker ends."""
        places, key, start = self._places, worker.get_current_task(), time.perf_counter()
        assert places is not None
        with places.taken(kind) as pool:
            future = pool.submit(run_bytes, call, self._files)
            while not _is_done(future):
                if places.is_closed or not _is_wanted(worker, key):
                    pool.stop()
        return _outcome(future, time.perf_counter() - start)

    def _usable_gpus(self, start: StartPool) -> tuple[tuple[str, ...], str]:
        """Return the GPUs of this machine on which Keras computes, and why it does not on others."""
        if self._scheduler.device == "cpu":
            return (), ""
        found = find_gpus()
        pools, problems = start_on_each(start, found.ids, self._scheduler.seen)
        for pool in pools.values():
            pool.stop()
        return tuple(pools), f"there may be a GPU: {found.asked}" if found.missed else problems

    def _surroundings(self) -> Surroundings:
        """Return the surroundings of the run, with what is at another place on this machine."""
        surroundings = self._agreement.surroundings
        copies = {LOCAL_COPIES: str(self._folder)} if self._agreement.local_copies else {}
        searched = tuple(dict.fromkeys(path.parent for path in self._files.values()))
        return replace(surroundings, environment={**surroundings.environment, **copies}, searched=searched)


def compute_calls(run: str, kind: DeviceKind, calls: Sequence[bytes]) -> list[Outcome]:
    """Compute calls one after the other; this is what Dask runs."""
    worker = get_worker()
    plugin = worker.plugins[run]
    assert isinstance(plugin, CallWorker)
    outcomes: list[Outcome] = []
    for call in calls:
        outcomes.append(plugin.compute(kind, call, worker))
        if isinstance(outcomes[-1].error, KeyboardInterrupt):
            break
    return outcomes


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


def _processor() -> str:
    """Return the name of the kind of processor of this machine."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next((as_line(line.partition(": ")[2]) for line in lines if line.startswith("model name")), platform.machine())
    return platform.processor() or platform.machine()


def _prepare_for_children() -> None:
    """Let this process start processes, as a run starts them.

    Dask's nanny marks it as daemonic; worker processes end with their parent anyway. It also has the C library give memory back
    at once, for processes that keep results. In ours, which train, a third of the time would go into that.
    """
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    os.environ.pop("MALLOC_TRIM_THRESHOLD_", None)
