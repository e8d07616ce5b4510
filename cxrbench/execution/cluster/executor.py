"""An executor whose calls are computed by the workers of a Dask scheduler."""

from __future__ import annotations

from concurrent.futures import Future, wait
from contextlib import contextmanager
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from cxrbench.errors import ConfigError, WorkersUnavailable
from cxrbench.execution.cluster.connection import Scheduler, connected
from cxrbench.execution.cluster.lane import Call, Lane
from cxrbench.execution.cluster.payload import call_as_bytes
from cxrbench.execution.failures import RESUME_REMEDY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from cxrbench.execution.cluster.agreement import Agreement
    from cxrbench.execution.cluster.connection import Connection
    from cxrbench.execution.cluster.remote import StartPool
    from cxrbench.execution.devices import DeviceKind
    from cxrbench.execution.progress import Progress

P = ParamSpec("P")
T = TypeVar("T")

POLL_SECONDS = 1.0
"""Seconds between two looks at which workers are there."""


class DaskExecutor:
    """Compute calls on the workers of a scheduler that agree with this process.

    A call whose worker dies is computed once more elsewhere. If the scheduler ends, all calls raise KeyboardInterrupt.
    """

    def __init__(self, connection: Connection, scheduler: Scheduler, files: Iterable[Path], progress: Progress) -> None:
        """Watch which workers are there.

        Args:
            connection: to the scheduler.
            scheduler: how long to wait for its workers, and where networks are computed.
            files: the one-file plugins of the run.
            progress: hears which workers are refused, and what is waited for.
        """
        self._connection = connection
        self._scheduler = scheduler
        self._files = frozenset(files)
        self._progress = progress
        self._lock = RLock()
        self._heard = 0
        self._processors: frozenset[str] = frozenset()
        self._refusal: WorkersUnavailable | None = None
        self._stopped = Event()
        self._lanes = {
            kind: Lane(connection=connection, kind=kind, lock=self._lock, on_lost=self._on_scheduler_lost)
            for kind in connection.resources
        }
        self._look()
        self._watcher = Thread(target=self._watch, daemon=True)
        self._watcher.start()

    @property
    def workers(self) -> int:
        """How many calls the workers that are there compute at once, or 1."""
        return max(self.slots("cpu"), 1)

    @property
    def has_workers(self) -> bool:
        """Whether a worker agrees with the run."""
        return self.slots("cpu") > 0

    def slots(self, kind: DeviceKind) -> int:
        """Return how many calls the workers that are there compute at once, without or with a GPU."""
        return self._lanes[kind].slots

    @property
    def processors(self) -> frozenset[str]:
        """The kinds of processor of the workers that agreed with the run so far."""
        return self._processors

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **keywords: P.kwargs) -> Future[T]:
        """Queue a call that needs no GPU; raise KeyboardInterrupt after `stop`."""
        return self.queue("cpu", function, arguments, keywords)

    def for_networks(self) -> DaskExecutor | _OnGpus:
        """Return where calls belong that run a whole network: on GPUs, if workers have some now or the user wants no others."""
        wants_gpus = self._scheduler.device == "gpu" or (self._scheduler.device == "auto" and self.slots("gpu"))
        return _OnGpus(self) if wants_gpus else self

    def queue(
        self, kind: DeviceKind, function: Callable[..., T], arguments: tuple[Any, ...], keywords: Mapping[str, Any]
    ) -> Future[T]:
        """Queue a call for workers without or with a GPU."""
        future: Future[T] = Future()
        name = getattr(function, "__qualname__", "")
        call = Call(name=name, bytes=call_as_bytes(function, arguments, keywords, self._files), future=future)
        with self._lock:
            if self._stopped.is_set():
                raise KeyboardInterrupt
            if self._refusal:
                future.set_exception(self._refusal)
                return future
            self._lanes[kind].queue.append(call)
            self._lanes[kind].send()
        return future

    def close(self) -> None:
        """Finish the queued calls."""
        with self._lock:
            unfinished = [call.future for lane in self._lanes.values() for call in lane.unfinished]
        wait(unfinished)
        self._stopped.set()
        self._watcher.join()

    def stop(self) -> None:
        """End all calls at once, also on the workers. Their futures raise KeyboardInterrupt."""
        self._stopped.set()
        self._end(KeyboardInterrupt())

    def refused(self) -> list[str]:
        """Return one line for each worker that is refused."""
        return [_refusal_of(machine) for machine in self._connection.machines() if machine["problems"]]

    def _watch(self) -> None:
        """Notice workers that come, go or are refused, and a scheduler that ends."""
        waited = 0.0
        while not self._stopped.wait(POLL_SECONDS):
            try:
                self._look()
            except Exception:  # of a connection that breaks, of any type
                if not self._connection.is_alive:
                    self._on_scheduler_lost()
                    return
            for lane in self._lanes.values():
                lane.send()
            needed = any(lane.unfinished and not lane.slots for lane in self._lanes.values())
            waited = waited + POLL_SECONDS if needed else 0.0
            if waited == POLL_SECONDS:
                self._progress.say(f"waiting up to {self._scheduler.patience:g} s for a worker of {self._connection.address}")
            if waited > self._scheduler.patience:
                self._give_up()

    def _look(self) -> None:
        """Count the threads of workers, and tell of workers that are refused."""
        if not self._connection.is_alive:
            raise ConnectionError
        counts = [(lane, self._connection.slots(lane.kind)) for lane in self._lanes.values()]
        for lane, slots in reversed(counts):  # who sees a worker must also see its GPUs: they are asked last and noted first
            lane.slots = slots
        if any(lane.unfinished and lane.slots for lane in self._lanes.values()):
            self._connection.reconsider()  # a worker may have come, also in place of one that left since the last look
        machines = self._connection.machines()
        for machine in machines[self._heard :]:
            if machine["problems"]:
                self._progress.warn(_refusal_of(machine))
            if machine["unusable"]:
                self._progress.warn(f"worker {machine['worker']} on {machine['host']}: {machine['unusable']}")
        self._heard = len(machines)
        self._processors = frozenset(machine["processor"] for machine in machines if not machine["problems"])

    def _on_scheduler_lost(self) -> None:
        """End the run: the scheduler has forgotten its calls."""
        with self._lock:
            if self._stopped.is_set() or self._refusal:
                return
            self._stopped.set()
        self._progress.warn(f"the scheduler {self._connection.address} does not answer any more. {RESUME_REMEDY}")
        self._end(KeyboardInterrupt())

    def _give_up(self) -> None:
        """Raise WorkersUnavailable in all unfinished and further calls."""
        problem = f"no worker of {self._connection.address} could compute for {self._scheduler.patience:g} s"
        self._refusal = WorkersUnavailable(". ".join([problem, *self.refused(), RESUME_REMEDY]))
        self._end(self._refusal)

    def _end(self, error: BaseException) -> None:
        """Raise an error in all unfinished calls, and stop those that run."""
        for lane in self._lanes.values():
            for call in lane.clear():
                if not call.future.done():
                    call.future.set_exception(error)


class _OnGpus:
    """Compute calls on the GPUs of workers."""

    def __init__(self, executor: DaskExecutor) -> None:
        self._executor = executor

    @property
    def workers(self) -> int:
        """How many GPUs the workers that are there have, or 1."""
        return max(self._executor.slots("gpu"), 1)

    @property
    def processors(self) -> frozenset[str]:
        """Those of the executor."""
        return self._executor.processors

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **keywords: P.kwargs) -> Future[T]:
        """Queue a call; raise KeyboardInterrupt after `stop`."""
        return self._executor.queue("gpu", function, arguments, keywords)

    def for_networks(self) -> _OnGpus:
        """Return itself."""
        return self

    def stop(self) -> None:
        """End all calls at once, those without GPUs, too."""
        self._executor.stop()


@contextmanager
def open_dask_executor(
    scheduler: Scheduler, agreement: Agreement, start_pool: StartPool, progress: Progress
) -> Iterator[DaskExecutor]:
    """Yield an executor on the workers of a scheduler. An exception in the block ends its calls at once.

    Args:
        scheduler: where it is, and how long to wait for its workers.
        agreement: what workers must have in common with this process.
        start_pool: returns a pool of one process in given `surroundings`, on the machine of a worker.
        progress: hears which workers are refused, and what is waited for.

    Raises:
        ConfigError: no scheduler answers, or none of the workers that are there agrees with this process.
    """
    with connected(scheduler, agreement, start_pool) as connection:
        connection.wait_for_answers()
        files = (file.path for file in agreement.files)
        executor = DaskExecutor(connection, scheduler, files, progress)
        if not executor.has_workers and (refused := executor.refused()):
            executor.stop()
            raise ConfigError(f"--scheduler {scheduler.address}: no worker can compute for this run. " + ". ".join(refused))
        try:
            yield executor
        except BaseException:
            executor.stop()
            raise
        executor.close()


def _refusal_of(machine: dict[str, Any]) -> str:
    return f"worker {machine['worker']} on {machine['host']} is refused: {'; '.join(machine['problems'])}"
