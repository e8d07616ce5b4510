"""Where shards and trials are computed: in worker processes, or in this one."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
from collections import deque
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from threading import RLock, Thread
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar

from cxrbench.errors import ConfigError, CxrbenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pebble import ProcessPool

P = ParamSpec("P")
T = TypeVar("T")

GROWTH = 2**31
"""Bytes that a worker may grow by: more than any backbone needs, less than hurts."""
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Executor(Protocol):
    """Computes calls of module-level functions with picklable arguments; the seam for a cluster."""

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **keywords: P.kwargs) -> Future[T]:
        """Return at once; the future holds what the call returned or raised."""
        ...


class ThisProcess:
    """Computes each call at once, in the calling thread."""

    def __init__(self) -> None:
        """Ask for the one thread that workers have, as long as TensorFlow still listens."""
        if "tensorflow" not in sys.modules:
            os.environ.update(dict.fromkeys(THREADS, "1"))
        self._stopped = False

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **keywords: P.kwargs) -> Future[T]:
        """Call `function` and return a finished future."""
        if self._stopped:
            raise KeyboardInterrupt
        future: Future[T] = Future()
        try:
            future.set_result(function(*arguments, **keywords))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Do nothing; every call is over."""

    def stop(self) -> None:
        """Refuse further calls with a KeyboardInterrupt."""
        self._stopped = True


class WorkerProcesses:
    """Computes calls in processes of one thread each, so that results do not depend on how many there are.

    A worker that dies costs the one call it was working on. When one has grown, all are replaced between two calls.
    """

    def __init__(self, workers: int) -> None:
        """Start `workers` processes, which import Keras while the caller prepares the first call."""
        self._workers = workers
        self._lock = RLock()
        self._queue: deque[tuple[Future[Any], tuple[Any, ...]]] = deque()
        self._running: set[Future[Any]] = set()
        self._served = 0  # calls that this pool has answered
        self._memory_at_first: dict[int, int] = {}
        self._retiring: list[ProcessPool] = []
        self._stopped = False
        self._pool = self._start()

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **keywords: P.kwargs) -> Future[T]:
        """Queue a call."""
        future: Future[T] = Future()
        with self._lock:
            if self._stopped:
                raise KeyboardInterrupt
            self._queue.append((future, (function, arguments, keywords)))
            self._feed()
        return future

    def close(self) -> None:
        """End the processes after the queued calls."""
        with self._lock:
            unfinished = [*self._running, *(future for future, _ in self._queue)]
        wait(unfinished)
        self._end_processes()

    def stop(self) -> None:
        """End the processes at once; whoever waits for a call gets a KeyboardInterrupt."""
        with self._lock:
            self._stopped = True
            unfinished = [*self._running, *(future for future, _ in self._queue)]
            self._queue.clear()
        self._end_processes()
        with self._lock:
            for future in unfinished:
                if not future.done():
                    future.set_exception(KeyboardInterrupt())

    def _end_processes(self) -> None:
        with self._lock:
            self._stopped = True
            pools = [*self._retiring, self._pool]
        for pool in pools:
            pool.stop()
            pool.join()

    def _start(self) -> ProcessPool:
        from pebble import ProcessPool

        context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
        pool = ProcessPool(max_workers=self._workers, initializer=start_worker, context=context)
        pool.schedule(import_keras)  # a pool starts with its first call
        return pool

    def _feed(self) -> None:
        """Give the pool as many calls as its workers can have at hand; the others can still go to other processes."""
        while self._queue and len(self._running) < 2 * self._workers:
            future, call = self._queue.popleft()
            self._running.add(future)
            try:
                computed = self._pool.schedule(_call, args=call)
            except RuntimeError as error:  # pebble gives a pool up when a process would not start, or died between two calls
                self._running.discard(future)
                if self._served and self._renew():
                    self._queue.appendleft((future, call))
                else:
                    future.set_exception(error)
            else:
                computed.add_done_callback(partial(self._pass_on, future))

    def _pass_on(self, future: Future[T], computed: Future[_Returned[T]]) -> None:
        error = computed.exception()
        with self._lock:
            self._running.discard(future)
            if not self._stopped:
                if error is None:
                    self._served += 1
                    self._watch(computed.result())
                self._feed()
            if future.done():
                return
            if error is None:
                future.set_result(computed.result().value)
            else:  # a pool that is stopped says that it is broken
                future.set_exception(KeyboardInterrupt() if self._stopped else error)

    def _watch(self, returned: _Returned[Any]) -> None:
        """Replace the processes if this one has grown since its first call; the old ones finish what they have."""
        if returned.memory - self._memory_at_first.setdefault(returned.process, returned.memory) > GROWTH:
            old = self._pool
            if self._renew():
                old.close()
                self._retiring.append(old)
                Thread(target=old.join, daemon=True).start()

    def _renew(self) -> bool:
        """Start other processes for the calls to come; return whether that went well."""
        self._memory_at_first.clear()
        try:
            self._pool = self._start()
        except (OSError, RuntimeError):
            return False
        self._served = 0
        return True


def refuse_inside_worker() -> None:
    """Raise ConfigError if this process is a worker that imports the user's script, which would start a run within the run."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise ConfigError("cxrbench.run was called while a worker imports your script: put it under if __name__ == '__main__':")


@contextmanager
def open_executor(workers: int) -> Iterator[Executor]:
    """Yield an executor of `workers` processes, or of this process if 0; an exception inside ends the workers at once."""
    executor = WorkerProcesses(workers) if workers else ThisProcess()
    try:
        yield executor
    except BaseException:
        executor.stop()
        raise
    executor.close()


def start_worker() -> None:
    """Give the process one thread and no more GPU memory than it needs, leave Ctrl-C to the parent, and import Keras."""
    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(dict.fromkeys(THREADS, "1"))
    threadpool_limits(1)  # of what a user's script, which workers import, has loaded before
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with suppress(Exception):  # a call that needs it will say what is wrong
        import_keras()


def anonymous_memory() -> int:
    """Return how many bytes of memory are this process's own, without mapped files; 0 where the system does not tell."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0
    words = status.partition("RssAnon:")[2].split()
    return int(words[0]) * 1024 if words else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Returned(Generic[T]):
    """What a call returned, and how many bytes of memory the worker has since."""

    value: T
    process: int
    memory: int


def _call(function: Callable[..., T], arguments: tuple[Any, ...], keywords: dict[str, Any]) -> _Returned[T]:
    """Call `function` in a worker; what it raises is made fit for the way back to the parent."""
    import_keras()
    try:
        value = function(*arguments, **keywords)
    except SystemExit as error:  # a plugin ends its own call, not the run
        raise CxrbenchError(reason_of(error)) from None
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            raise CxrbenchError(reason_of(error)) from None
        raise
    return _Returned(value=value, process=os.getpid(), memory=anonymous_memory())


@cache
def import_keras() -> None:
    """Import Keras; what TensorFlow says of itself on the way comes before its log level counts, and goes nowhere."""
    with _native_stderr_closed():
        import keras  # noqa: F401


@contextmanager
def _native_stderr_closed() -> Iterator[None]:
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def reason_of(error: BaseException) -> str:
    """Return in one line why a call failed."""
    from pebble import ProcessExpired

    if isinstance(error, ProcessExpired):
        return f"the worker process died (exit code {error.exitcode})"
    text: Any = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
