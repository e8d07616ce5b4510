"""A pool of worker processes. It handles workers that die, grow, or exceed a limit."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from concurrent.futures import Future, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import count
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from cxrbench.execution.failures import (
    OutOfMemory,
    WorkerTerminated,
    exit_failure,
    timed_out,
    with_log,
    workers_unavailable,
)
from cxrbench.execution.keras_process import import_keras
from cxrbench.execution.limits import DEFAULT_TIMEOUT, NO_LIMITS, Limits
from cxrbench.execution.pending_call import PendingCall
from cxrbench.execution.spawning import TrackingContext
from cxrbench.execution.surroundings import SAME_SURROUNDINGS, Surroundings
from cxrbench.execution.worker import WorkerCall, WorkerResult, WorkerStart, run_call, start_worker
from cxrbench.execution.worker_output import PoolFolder, processes_of_calls, shorten_outputs, take_output

if TYPE_CHECKING:
    from collections.abc import Callable

    from pebble import ProcessPool

    from cxrbench.errors import WorkersUnavailable

P = ParamSpec("P")
T = TypeVar("T")

LARGEST_GROWTH_BYTES = 2**31
"""A worker that has grown by more is replaced. No backbone needs as much."""
POLL_SECONDS = 0.25
"""Seconds between two checks of the workers."""
FAILED_STARTS = 3
"""Processes in a row that end before they are ready, after which no further ones are started. One may end by chance."""


class WorkerPool:
    """Compute calls in processes of one thread each, so that results do not depend on the number of processes.

    A process sees a GPU that no other one sees, or none. If a worker dies or exceeds a limit, only its current call fails. If a
    worker grows too large, all are replaced. If workers cannot start, all unfinished and further calls raise
    WorkersUnavailable, because none of them is the cause.
    """

    def __init__(
        self,
        workers: int,
        limits: Limits = NO_LIMITS,
        *,
        warm_up: Callable[[], object] = import_keras,
        growth: int = LARGEST_GROWTH_BYTES,
        surroundings: Surroundings = SAME_SURROUNDINGS,
        gpus: tuple[str, ...] = (),
    ) -> None:
        """Start `workers` processes. They call `warm_up` while the caller prepares the first call.

        Args:
            workers: number of processes.
            limits: limits of a call.
            warm_up: a module-level function, usually one that imports what all calls need.
            growth: bytes by which a process may grow before it is replaced.
            surroundings: of the run, if that is in another process.
            gpus: at least one for each process, or none for any.

        Raises:
            WorkersUnavailable: this system starts no process, or has no room for its files.
        """
        self.workers = workers
        self._warm_up = warm_up
        self._surroundings = surroundings
        self._growth = growth if limits.memory is None else min(growth, limits.memory // 4)
        self._timeout = limits.timeout or DEFAULT_TIMEOUT
        self._memory = limits.memory
        self._gpus = gpus
        self._lock = RLock()
        self._numbers = count()
        self._queue: deque[PendingCall] = deque()
        self._running: dict[int, PendingCall] = {}
        self._first_memory: dict[int, int] = {}
        self._used_processes: set[int] = set()  # processes that have finished a call
        self._old_pools: list[tuple[ProcessPool, Thread]] = []
        self._stopped = False
        self._refusal: WorkersUnavailable | None = None
        self._broken_in_a_row = 0  # pools in which no call started
        self._stop_watching = Event()
        try:
            self._folder = PoolFolder()
            self._context = TrackingContext(self._folder.starts)
            self._pool = self._start_pool()
        except (OSError, RuntimeError) as error:
            raise workers_unavailable(cause=error) from error
        self._watcher = Thread(target=self._watch_processes, daemon=True)
        self._watcher.start()

    @property
    def is_stopped(self) -> bool:
        """Whether it was stopped or closed."""
        return self._stopped

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **keywords: P.kwargs) -> Future[T]:
        """Queue a call; raise KeyboardInterrupt after `stop`."""
        future: Future[T] = Future()
        request = WorkerCall(
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
            if self._refusal:
                future.set_exception(self._refusal)
                return future
            self._queue.append(PendingCall(request=request, future=future))
            self._schedule_queued()
        return future

    @property
    def processors(self) -> frozenset[str]:
        """None: this machine has one kind."""
        return frozenset()

    def for_networks(self) -> WorkerPool:
        """Return itself: its processes compute all calls."""
        return self

    def close(self) -> None:
        """Finish the queued calls, then end the processes."""
        with self._lock:
            unfinished = [call.future for call in (*self._running.values(), *self._queue)]
        wait(unfinished)
        self._end_processes()

    def stop(self) -> None:
        """End the processes at once. The futures of unfinished calls raise KeyboardInterrupt."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            unfinished = self._take_unfinished()
        self._end_processes()
        with self._lock:
            for future in unfinished:
                if not future.done():
                    future.set_exception(KeyboardInterrupt())

    def _take_unfinished(self) -> list[Future[Any]]:
        """Empty the queue; return the futures of the queued calls that are not cancelled, and of the running ones."""
        queued = [call for call in self._queue if call.start()]
        self._queue.clear()
        return [call.future for call in (*self._running.values(), *queued)]

    def _refuse(self, error: WorkersUnavailable) -> None:
        """Raise an error in all unfinished and further calls, and start no more processes."""
        with self._lock:
            if self._stopped or self._refusal:
                return
            self._refusal = error
            unfinished = self._take_unfinished()
            self._pool.stop()
        for future in unfinished:
            if not future.done():
                future.set_exception(error)

    def _end_processes(self) -> None:
        with self._lock:
            self._stopped = True
        self._stop_watching.set()
        for pool in (self._pool, *(pool for pool, _ in self._old_pools)):
            pool.stop()
        self._pool.join()
        for _, joining in self._old_pools:
            joining.join()
        self._watcher.join()
        self._context.kill_all()  # a process that started while the pool stopped would print a long traceback
        self._folder.remove()

    def _start_pool(self) -> ProcessPool:
        from pebble import ProcessPool

        context: Any = self._context
        folder, memory = self._folder, self._memory
        start = WorkerStart(
            scratch=folder.scratch, marks=folder.starts, memory=memory, gpus=self._gpus, surroundings=self._surroundings
        )
        arguments = (start, self._warm_up)
        pool = ProcessPool(max_workers=self.workers, initializer=start_worker, initargs=arguments, context=context)
        pool.schedule(os.getpid)  # the first call starts the processes
        return pool

    def _schedule_queued(self) -> None:
        """Schedule two calls for each worker. The others stay queued, so that they can go to a replacement pool."""
        while self._queue and len(self._running) < 2 * self.workers:
            call = self._queue.popleft()
            if not call.start():
                continue
            self._running[call.request.number] = call
            try:
                call.pool = self._pool
                call.pool_future = self._pool.schedule(run_call, args=(call.request,), timeout=self._timeout)
            except RuntimeError:  # pebble closes a pool if a process does not start, or dies between two calls
                del self._running[call.request.number]
                self._queue.appendleft(call)
                self._replace_broken_pool()
            else:
                call.pool_future.add_done_callback(partial(self._on_call_done, call))

    def _replace_broken_pool(self) -> None:
        """Start a new pool, unless its processes would not start either."""
        failed = self._context.failed_starts()
        self._broken_in_a_row += 1
        if max(len(failed), self._broken_in_a_row) >= FAILED_STARTS:
            self._refuse(workers_unavailable(failed))
            return
        broken = self._pool
        try:
            self._start_new_pool()
        except (OSError, RuntimeError) as error:
            self._refuse(workers_unavailable(cause=error))
        else:
            self._retire(broken)  # processes that are left keep their GPUs

    def _on_call_done(self, call: PendingCall, pool_future: Future[WorkerResult[Any]]) -> None:
        with self._lock:
            self._running.pop(call.request.number, None)
            started_by, output = take_output(call.request.outputs, call.request.number) or (None, ())
            if started_by is not None:  # it started, so workers do
                self._broken_in_a_row = 0
            result, error, process = self._outcome(call, pool_future, started_by)
            if not self._stopped and not self._refusal:
                is_moved = pool_future.cancelled() and call.dead_process is None  # from an old pool to the new one
                retry = is_moved or self._should_retry(call, process, error)
                if retry:
                    call.was_retried |= not is_moved
                    call.dead_process = None
                    self._queue.appendleft(call)
                elif result:
                    self._replace_if_grown(result)
                self._schedule_queued()
                if retry:
                    return
            if call.future.done():
                return
            if error is None and result:
                call.future.set_result(result.value)
            elif error:  # the error of a stopped pool only says that the pool is broken
                stopped = KeyboardInterrupt() if self._stopped else self._refusal
                call.future.set_exception(stopped or with_log(error, output))

    def _outcome(
        self, call: PendingCall, pool_future: Future[WorkerResult[Any]], started_by: int | None
    ) -> tuple[WorkerResult[Any] | None, BaseException | None, int | None]:
        """Return the worker's result, the failure of the call, and the ID of the process, each None if there is none."""
        from pebble import ProcessExpired

        if pool_future.cancelled():
            return None, exit_failure(self._context.exit_code(call.dead_process), self._memory), call.dead_process
        match pool_future.exception():
            case None:
                return (result := pool_future.result()), result.error, result.process
            case TimeoutError():
                return None, timed_out(self._timeout), None
            case ProcessExpired() as expired:
                return None, exit_failure(expired.exitcode, self._memory), expired.pid
            case BrokenProcessPool() if (code := self._context.exit_code(started_by)) is not None:  # it died at once
                return None, exit_failure(code, self._memory), started_by
            case error:
                return None, error, None

    def _should_retry(self, call: PendingCall, process: int | None, error: BaseException | None) -> bool:
        """Return whether a call is repeated, once: it failed because of something other than itself.

        That is so if its pool broke before it started, if earlier calls used up the memory of its worker, or if somebody asked
        its process to end. While workers fail to start, it is repeated until they are given up. Out of memory is retried
        elsewhere, in retry.py.
        """
        if isinstance(error, BrokenProcessPool) and self._context.failed_starts():
            return True
        if call.was_retried:
            return False
        if isinstance(error, OutOfMemory) and process in self._used_processes:
            return call.pool is not self._pool or self._replace_processes()
        return isinstance(error, BrokenProcessPool | WorkerTerminated)

    def _replace_if_grown(self, result: WorkerResult[Any]) -> None:
        """Replace the processes if the memory of this one has grown too much since its first call."""
        self._used_processes.add(result.process)
        if result.memory - self._first_memory.setdefault(result.process, result.memory) > self._growth:
            self._replace_processes()

    def _replace_processes(self) -> bool:
        """Start new processes for later calls; the old ones finish their calls. Return whether the new ones started."""
        old = self._pool
        self._context.release()
        try:
            self._start_new_pool()
        except (OSError, RuntimeError):
            return False
        self._retire(old)
        return True

    def _retire(self, pool: ProcessPool) -> None:
        """End the processes of a pool when their calls are done."""
        pool.close()
        joining = Thread(target=pool.join, daemon=True)
        joining.start()
        self._old_pools.append((pool, joining))

    def _start_new_pool(self) -> None:
        self._first_memory.clear()
        self._pool = self._start_pool()

    def _watch_processes(self) -> None:
        """Cancel calls whose process has ended and those that an old pool has not started; give up processes that do not start.

        Pebble does not notice a process that ends with exit code 0, and starts processes again for ever while one is busy. A
        process that an old pool starts again may wait for a GPU that the new pool has: calls that wait for it are moved there.
        """
        folder, dead_before = self._folder.calls, set[int]()
        while not self._stop_watching.wait(POLL_SECONDS):
            shorten_outputs(folder)
            if len(failed := self._context.failed_starts()) >= FAILED_STARTS:
                self._refuse(workers_unavailable(failed))
            processes = processes_of_calls(folder)
            alive = {process.pid for process in multiprocessing.active_children()}
            dead = {number for number, process in processes.items() if process not in alive}
            with self._lock:
                lost = [self._running[number] for number in dead & dead_before & self._running.keys()]
                stranded = [call for pool, _ in self._old_pools for call in self._running.values() if call.waits_for(pool)]
            for call in lost:
                call.dead_process = processes[call.request.number]
            for call in (*lost, *stranded):
                call.cancel()
            dead_before = dead
