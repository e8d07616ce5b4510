"""Where shards and trials are computed: in worker processes, or in this one."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from cxrbench.errors import ConfigError, CxrbenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

P = ParamSpec("P")
T = TypeVar("T")

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

    A worker that dies costs the one call it was working on.
    """

    def __init__(self, workers: int) -> None:
        """Start `workers` processes when the first call comes."""
        from pebble import ProcessPool

        context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
        self._pool = ProcessPool(max_workers=workers, initializer=start_worker, context=context)
        self._open: set[Future[Any]] = set()
        self._stopped = False

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **keywords: P.kwargs) -> Future[T]:
        """Queue a call."""
        if self._stopped:
            raise KeyboardInterrupt
        future: Future[T] = Future()
        self._open.add(future)
        computed = self._pool.schedule(_call, args=(function, arguments, keywords))
        computed.add_done_callback(lambda _: self._pass_on(computed, future))
        return future

    def close(self) -> None:
        """End the processes after the queued calls."""
        self._pool.close()
        self._pool.join()

    def stop(self) -> None:
        """End the processes at once; whoever waits for a call gets a KeyboardInterrupt."""
        self._stopped = True
        self._pool.stop()
        self._pool.join()
        for future in tuple(self._open):
            if not future.done():
                future.set_exception(KeyboardInterrupt())

    def _pass_on(self, computed: Future[T], future: Future[T]) -> None:
        self._open.discard(future)
        error = computed.exception()
        if error is None:
            future.set_result(computed.result())
        else:
            future.set_exception(error)


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
    """Give the process one thread and no more GPU memory than it needs, and leave Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(dict.fromkeys(THREADS, "1"))
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _call(function: Callable[..., T], arguments: tuple[Any, ...], keywords: dict[str, Any]) -> T:
    """Call `function` in a worker; what it raises is made fit for the way back to the parent."""
    _import_keras()
    try:
        return function(*arguments, **keywords)
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            raise CxrbenchError(reason_of(error)) from None
        raise


@cache
def _import_keras() -> None:
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
