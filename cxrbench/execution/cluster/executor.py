"""An executor whose calls are computed by the workers of a Dask scheduler."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from cxrbench.errors import ConfigError, WorkersUnavailable
from cxrbench.execution.cluster.connection import connected
from cxrbench.execution.cluster.payload import call_as_bytes, value_of
from cxrbench.execution.failures import RESUME_REMEDY, RemoteError, WorkerLost, failure_kind, failure_reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from distributed import Future as DaskFuture

    from cxrbench.execution.cluster.agreement import Agreement
    from cxrbench.execution.cluster.connection import Connection
    from cxrbench.execution.cluster.remote import Outcome, StartPool
    from cxrbench.execution.progress import Progress

P = ParamSpec("P")
T = TypeVar("T")

POLL_SECONDS = 1.0
"""Seconds between two looks at which workers are there."""
TRAVEL_SECONDS = 1.0
"""Calls that take less travel together, as many as take so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduler:
    """A Dask scheduler.

    Attributes:
        address: such as ``tcp://host:8786``, or the path of a scheduler file.
        patience: seconds to wait while it has no worker that can compute for the run.
    """

    address: str
    patience: float = 600.0


@dataclass(slots=True, kw_only=True, eq=False)
class _Call:
    """A call that is not finished, with what it calls and the future of the caller."""

    name: str
    bytes: bytes
    future: Future[Any]
    was_repeated: bool = False


class DaskExecutor:
    """Compute calls on the workers of a scheduler that agree with this process.

    Two groups of calls for each of their threads are under way, the others wait here, where they can be cancelled. A call
    whose worker dies is computed once more elsewhere. If the scheduler ends, all calls raise KeyboardInterrupt.
    """

    def __init__(self, connection: Connection, files: Iterable[Path], patience: float, progress: Progress) -> None:
        """Watch which workers are there.

        Args:
            connection: to the scheduler.
            files: the one-file plugins of the run.
            patience: seconds to wait while there is no worker.
            progress: hears which workers are refused, and what is waited for.
        """
        self._connection = connection
        self._files = frozenset(files)
        self._patience = patience
        self._progress = progress
        self._lock = RLock()
        self._queue: deque[_Call] = deque()
        self._under_way: dict[DaskFuture[list[Outcome]], list[_Call]] = {}
        self._seconds: dict[str, float] = {}
        self._slots = 0
        self._heard = 0
        self._refusal: WorkersUnavailable | None = None
        self._stopped = Event()
        self._look()
        self._watcher = Thread(target=self._watch, daemon=True)
        self._watcher.start()

    @property
    def workers(self) -> int:
        """How many calls the workers that are there compute at once, or 1."""
        return max(self._slots, 1)

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **keywords: P.kwargs) -> Future[T]:
        """Queue a call; raise KeyboardInterrupt after `stop`."""
        future: Future[T] = Future()
        call = _Call(
            name=getattr(function, "__qualname__", ""),
            bytes=call_as_bytes(function, arguments, keywords, self._files),
            future=future,
        )
        with self._lock:
            if self._stopped.is_set():
                raise KeyboardInterrupt
            if self._refusal:
                future.set_exception(self._refusal)
                return future
            self._queue.append(call)
            self._send()
        return future

    def close(self) -> None:
        """Finish the queued calls."""
        with self._lock:
            unfinished = [call.future for calls in self._under_way.values() for call in calls]
            unfinished += [call.future for call in self._queue]
        wait(unfinished)
        self._stopped.set()
        self._watcher.join()

    def stop(self) -> None:
        """End all calls at once, also on the workers. Their futures raise KeyboardInterrupt."""
        self._end(KeyboardInterrupt())

    def refused(self) -> list[str]:
        """Return one line for each worker that is refused."""
        return [_refusal_of(machine) for machine in self._connection.machines() if machine["problems"]]

    @property
    def has_workers(self) -> bool:
        """Whether a worker agrees with the run."""
        return self._slots > 0

    def _send(self) -> None:
        """Send queued calls, in groups where they are quick, until two groups for each thread are under way."""
        while self._queue and self._connection.is_alive and len(self._under_way) < 2 * self._slots:
            if group := self._next_group():
                future = self._connection.submit([call.bytes for call in group])
                self._under_way[future] = group
                future.add_done_callback(self._on_done)

    def _next_group(self) -> list[_Call]:
        """Take calls of one kind from the queue, which together take about a second and leave some to other threads."""
        name = self._queue[0].name
        share = -(-len(self._queue) // max(1, self._slots))
        quick = int(TRAVEL_SECONDS / self._seconds[name]) if self._seconds.get(name) else 1
        group: list[_Call] = []
        while self._queue and self._queue[0].name == name and len(group) < max(1, min(share, quick)):
            call = self._queue.popleft()
            if call.future.running() or call.future.set_running_or_notify_cancel():
                group.append(call)
        return group

    def _on_done(self, future: DaskFuture[list[Outcome]]) -> None:
        if future.cancelled():
            self._on_scheduler_lost()
            return
        outcomes, error = _result(future)
        with self._lock:
            group = self._under_way.pop(future, [])
            for number, call in enumerate(group):
                outcome = outcomes[number] if number < len(outcomes) else None
                self._finish(call, outcome, error)
            self._send()

    def _finish(self, call: _Call, outcome: Outcome | None, error: BaseException | None) -> None:
        """Give a call its value or its failure; repeat it, once, if its worker was told to end."""
        if call.future.done():
            return
        failure = outcome.failure if outcome else error
        if outcome and outcome.value is not None:
            self._seconds[call.name] = max(outcome.seconds, 1e-3)
            call.future.set_result(value_of(outcome.value))
        elif failure is None or isinstance(failure, KeyboardInterrupt):
            if call.was_repeated:
                call.future.set_exception(WorkerLost("its worker was ended twice"))
            else:
                call.was_repeated = True
                self._queue.appendleft(call)
        else:
            call.future.set_exception(failure)

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
            with self._lock:
                self._send()
                needed = bool(self._queue or self._under_way) and not self._slots
            waited = waited + POLL_SECONDS if needed else 0.0
            if waited == POLL_SECONDS:
                self._progress.say(f"waiting up to {self._patience:g} s for a worker of {self._connection.address}")
            if waited > self._patience:
                problem = f"no worker of {self._connection.address} could compute for {self._patience:g} s"
                self._refuse(WorkersUnavailable(". ".join([problem, *self.refused(), RESUME_REMEDY])))

    def _look(self) -> None:
        """Count the threads of workers, and tell of workers that are refused."""
        if not self._connection.is_alive:
            raise ConnectionError
        before, self._slots = self._slots, self._connection.slots()
        if self._slots > before:
            self._connection.reconsider()
        machines = self._connection.machines()
        for machine in machines[self._heard :]:
            if machine["problems"]:
                self._progress.warn(_refusal_of(machine))
        self._heard = len(machines)

    def _on_scheduler_lost(self) -> None:
        """End the run: the scheduler has forgotten its calls."""
        with self._lock:
            if self._stopped.is_set() or self._refusal:
                return
            self._stopped.set()
        self._progress.warn(f"the scheduler {self._connection.address} does not answer any more. {RESUME_REMEDY}")
        self._end(KeyboardInterrupt())

    def _refuse(self, error: WorkersUnavailable) -> None:
        self._refusal = error
        self._end(error)

    def _end(self, error: BaseException) -> None:
        """Raise an error in all unfinished calls, and stop those that run."""
        with self._lock:
            if self._refusal is None:
                self._stopped.set()
            queued = [call for call in self._queue if call.future.running() or call.future.set_running_or_notify_cancel()]
            unfinished = [*queued, *(call for calls in self._under_way.values() for call in calls)]
            under_way = list(self._under_way)
            self._queue.clear()
            self._under_way.clear()
        self._connection.cancel(under_way)
        for call in unfinished:
            if not call.future.done():
                call.future.set_exception(error)


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
    with connected(scheduler.address, agreement, start_pool) as connection:
        files = (file.path for file in agreement.files)
        executor = DaskExecutor(connection, files, scheduler.patience, progress)
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


def _result(future: DaskFuture[list[Outcome]]) -> tuple[list[Outcome], BaseException | None]:
    """Return the outcomes of a group of calls, or why there are none."""
    from distributed import KilledWorker

    if future.status == "finished":
        try:
            return future.result(), None
        except Exception as lost:  # its machine vanished with the result
            return [], WorkerLost(f"the result was lost ({type(lost).__name__})")
    error = future.exception()
    if isinstance(error, KilledWorker):
        return [], WorkerLost("the worker process died, and another one that computed it again, too")
    return [], RemoteError(failure_reason(error), failure_kind(error))
