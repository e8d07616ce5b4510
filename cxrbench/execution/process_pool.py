"""Worker processes that compute calls, and what becomes of a call whose worker dies or breaks a limit."""

from __future__ import annotations

import multiprocessing
from collections import deque
from concurrent.futures import Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from cxrbench.execution.failures import (
    OutOfMemory,
    WorkerLost,
    WorkerTerminated,
    timed_out,
    with_log,
    worker_crashed,
    worker_died,
)
from cxrbench.execution.worker import WorkerCall, WorkerResult, import_keras, run_call, start_worker
from cxrbench.execution.worker_output import PoolFolder, processes_of_calls, shorten_outputs, take_output

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess

    from pebble import ProcessPool

P = ParamSpec("P")
T = TypeVar("T")

GROWTH = 2**31
"""Bytes that a worker may grow by: more than any backbone needs, less than hurts."""
DEFAULT_TIMEOUT = 6 * 3600
"""Seconds that a call may take unless the user sets a limit: no shard and no trial needs that long."""
POLL_SECONDS = 0.25
"""Seconds between two looks at the workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a call may cost, as far as the user said.

    Attributes:
        timeout: seconds of one shard or trial.
        memory: bytes of one worker.
    """

    timeout: float | None = None
    memory: int | None = None


NO_LIMITS = Limits()


@dataclass(slots=True, kw_only=True, eq=False)
class _PendingCall:
    """A call on its way: what is asked, what its caller waits for, and what the pool promised."""

    asked: WorkerCall[Any]
    future: Future[Any]
    pool: ProcessPool | None = None
    computed: Future[WorkerResult[Any]] | None = None
    repeated: bool = False
    lost: int | None = None  # the process that was computing it, when that is gone

    def begin(self) -> bool:
        """Return whether it is still wanted; from now on it cannot be cancelled."""
        return self.future.running() or self.future.set_running_or_notify_cancel()


class _RememberedProcesses:
    """A multiprocessing context that spawns, for TensorFlow does not survive a fork, and knows whom it has started."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._started: list[BaseProcess] = []

    def Process(self, *arguments: Any, **keywords: Any) -> BaseProcess:
        """Make a process and remember it."""
        process = self._context.Process(*arguments, **keywords)
        self._started.append(process)
        return process

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def exit_code(self, process: int | None) -> int | None:
        """Return how a process ended, if it is one of these and that is known."""
        return next((one.exitcode for one in self._started if one.pid == process), None)

    def kill(self) -> None:
        """End all that are still alive."""
        for process in self._started:
            with suppress(ValueError):  # closed, so ended
                if process.pid and process.is_alive():
                    process.kill()
                    process.join()


class WorkerPool:
    """Computes calls in processes of one thread each, so that results do not depend on how many there are.

    A worker that dies or that breaks a limit costs the one call it was working on. When one has grown, all are replaced
    between two calls.
    """

    def __init__(self, workers: int, limits: Limits = NO_LIMITS) -> None:
        """Start `workers` processes, which import Keras while the caller prepares the first call."""
        self._workers = workers
        self._timeout = limits.timeout or DEFAULT_TIMEOUT
        self._memory = limits.memory
        self._lock = RLock()
        self._numbers = count()
        self._queue: deque[_PendingCall] = deque()
        self._running: dict[int, _PendingCall] = {}
        self._has_worked = False  # a pool whose processes never came up is not worth another one
        self._memory_at_first: dict[int, int] = {}
        self._known: set[int] = set()  # processes that have answered a call
        self._retiring: list[tuple[ProcessPool, Thread]] = []
        self._stopped = False
        self._context = _RememberedProcesses()
        self._ended = Event()
        self._folder = PoolFolder()
        self._pool = self._start()
        self._watcher = Thread(target=self._look_after, daemon=True)
        self._watcher.start()

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **keywords: P.kwargs) -> Future[T]:
        """Queue a call."""
        future: Future[T] = Future()
        asked = WorkerCall(
            number=next(self._numbers),
            outputs=self._folder.calls,
            memory=self._memory,
            function=function,
            arguments=arguments,
            keywords=keywords,
        )
        with self._lock:
            if self._stopped:
                raise KeyboardInterrupt
            self._queue.append(_PendingCall(asked=asked, future=future))
            self._feed()
        return future

    def close(self) -> None:
        """End the processes after the queued calls."""
        with self._lock:
            unfinished = [call.future for call in (*self._running.values(), *self._queue)]
        wait(unfinished)
        self._end_processes()

    def stop(self) -> None:
        """End the processes at once; whoever waits for a call gets a KeyboardInterrupt."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            wanted = [call for call in self._queue if call.begin()]
            unfinished = [call.future for call in (*self._running.values(), *wanted)]
            self._queue.clear()
        self._end_processes()
        with self._lock:
            for future in unfinished:
                if not future.done():
                    future.set_exception(KeyboardInterrupt())

    def _end_processes(self) -> None:
        with self._lock:
            self._stopped = True
        self._ended.set()
        for pool in (self._pool, *(pool for pool, _ in self._retiring)):
            pool.stop()
        self._pool.join()
        for _, ending in self._retiring:
            ending.join()
        self._watcher.join()
        self._context.kill()  # who came up while a pool was being stopped would miss its locks, and say so at length
        self._folder.remove()

    def _start(self) -> ProcessPool:
        from pebble import ProcessPool

        context: Any = self._context
        given = (self._folder.scratch, self._memory)
        pool = ProcessPool(max_workers=self._workers, initializer=start_worker, initargs=given, context=context)
        pool.schedule(import_keras).add_done_callback(partial(self._has_come_up, pool))  # a pool starts with its first call
        return pool

    def _has_come_up(self, pool: ProcessPool, imported: Future[None]) -> None:
        with self._lock:
            if pool is self._pool and not imported.cancelled() and not imported.exception():
                self._has_worked = True

    def _feed(self) -> None:
        """Give the pool as many calls as its workers can have at hand; the others can still go to other processes."""
        while self._queue and len(self._running) < 2 * self._workers:
            call = self._queue.popleft()
            if not call.begin():
                continue
            self._running[call.asked.number] = call
            try:
                call.pool = self._pool
                call.computed = self._pool.schedule(run_call, args=(call.asked,), timeout=self._timeout)
            except RuntimeError as error:  # pebble gives a pool up when a process would not start, or died between two calls
                del self._running[call.asked.number]
                if self._has_worked and self._renew():
                    self._queue.appendleft(call)
                else:
                    call.future.set_exception(WorkerLost(f"the pool of worker processes did not start: {error}"))
            else:
                call.computed.add_done_callback(partial(self._pass_on, call))

    def _pass_on(self, call: _PendingCall, computed: Future[WorkerResult[Any]]) -> None:
        with self._lock:
            self._running.pop(call.asked.number, None)
            printed = take_output(call.asked.outputs, call.asked.number)
            returned, error, process = self._outcome(call, computed, begun=printed is not None)
            if not self._stopped:
                again = self._deserves_another(call, process, error)
                if again:
                    call.repeated = True
                    self._queue.appendleft(call)
                elif returned:
                    self._watch(returned)
                self._feed()
                if again:
                    return
            if call.future.done():
                return
            if error is None and returned:
                call.future.set_result(returned.value)
            elif error:  # a pool that is stopped says that it is broken
                call.future.set_exception(KeyboardInterrupt() if self._stopped else with_log(error, printed or ()))

    def _outcome(
        self, call: _PendingCall, computed: Future[WorkerResult[Any]], *, begun: bool
    ) -> tuple[WorkerResult[Any] | None, BaseException | None, int | None]:
        """Return what a worker answered, why the call failed if it did, and which process computed it if that is known."""
        from pebble import ProcessExpired

        if computed.cancelled():
            return None, worker_crashed(self._context.exit_code(call.lost), self._memory), call.lost
        match computed.exception():
            case None:
                return (returned := computed.result()), returned.error, returned.process
            case TimeoutError():
                return None, timed_out(self._timeout), None
            case ProcessExpired() as expired:
                return None, worker_crashed(expired.exitcode, self._memory), expired.pid
            case BrokenProcessPool() if begun:
                return None, worker_died(None), None
            case error:
                return None, error, None

    def _deserves_another(self, call: _PendingCall, process: int | None, error: BaseException | None) -> bool:
        """Return whether a call failed for the sake of others.

        Its pool broke before it began, other calls used its worker up, or somebody asked that process to end.
        """
        if call.repeated:
            return False
        if isinstance(error, OutOfMemory) and process in self._known:
            return call.pool is not self._pool or self._replace()
        return isinstance(error, BrokenProcessPool | WorkerTerminated)

    def _watch(self, returned: WorkerResult[Any]) -> None:
        """Replace the processes if this one has grown since its first call."""
        growth = GROWTH if self._memory is None else min(GROWTH, self._memory // 4)
        self._known.add(returned.process)
        if returned.memory - self._memory_at_first.setdefault(returned.process, returned.memory) > growth:
            self._replace()

    def _replace(self) -> bool:
        """Start other processes for the calls to come; the old ones finish what they have. Return whether that went well."""
        old = self._pool
        if not self._renew():
            return False
        old.close()
        ending = Thread(target=old.join, daemon=True)
        ending.start()
        self._retiring.append((old, ending))
        return True

    def _renew(self) -> bool:
        self._memory_at_first.clear()
        try:
            self._pool = self._start()
        except (OSError, RuntimeError):
            return False
        self._has_worked = False
        return True

    def _look_after(self) -> None:
        """End calls whose process is gone, which pebble does not notice if it left with exit code 0."""
        folder, missing = self._folder.calls, set[int]()
        while not self._ended.wait(POLL_SECONDS):
            shorten_outputs(folder)
            begun = processes_of_calls(folder)
            alive = {process.pid for process in multiprocessing.active_children()}
            gone = {number for number, process in begun.items() if process not in alive}
            with self._lock:
                lost = [self._running[number] for number in gone & missing & self._running.keys()]
            for call in lost:
                call.lost = begun[call.asked.number]
                if call.computed:
                    call.computed.cancel()
            missing = gone
