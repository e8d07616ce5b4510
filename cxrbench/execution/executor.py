"""Executors: they compute shards and trials in worker processes or in this process."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

from cxrbench.errors import ConfigError
from cxrbench.execution.keras_process import import_keras, keras_of_results
from cxrbench.execution.process_pool import NO_LIMITS, Limits, WorkerPool
from cxrbench.execution.worker import THREAD_VARIABLES
from cxrbench.storage.files import reporting_full_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

P = ParamSpec("P")
T = TypeVar("T")


class Executor(Protocol):
    """Compute calls of module-level functions, or of methods of records, with picklable arguments.

    Workers of a Dask scheduler compute them in `cluster/executor.py`.
    """

    @property
    def workers(self) -> int:
        """How many calls it computes at once, at least 1."""

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **keywords: P.kwargs) -> Future[T]:
        """Queue a call and return its future at once. A call that has not started can be cancelled."""

    def stop(self) -> None:
        """End all calls at once. Their futures raise KeyboardInterrupt."""


class InProcessExecutor:
    """Compute each call immediately in the calling thread."""

    def __init__(self, surroundings: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        """Limit libraries to one thread, as in workers. TensorFlow reads this setting only when it is imported.

        Args:
            surroundings: the context in which each call is computed.
        """
        self._surroundings = surroundings
        if "tensorflow" not in sys.modules:
            os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
        self._stopped = False

    @property
    def workers(self) -> int:
        """One: this process."""
        return 1

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **keywords: P.kwargs) -> Future[T]:
        """Call `function` and return a finished future; raise KeyboardInterrupt after `stop`."""
        if self._stopped:
            raise KeyboardInterrupt
        future: Future[T] = Future()
        try:
            with (
                self._surroundings(),
                reporting_full_disk(Path(tempfile.gettempdir())),
            ):  # writers to other folders report those themselves
                future.set_result(function(*arguments, **keywords))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Do nothing: all calls have finished."""

    def stop(self) -> None:
        """Make further calls raise KeyboardInterrupt."""
        self._stopped = True


def refuse_inside_import() -> None:
    """Raise ConfigError if this process is one of the user's own that imports the script. It would start the run again."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise ConfigError(
            "your script calls cxrbench.run while a process of yours imports it: put the call under if __name__ == '__main__':"
        )


def _refuse_daemonic_process() -> None:
    """Raise ConfigError if Python lets this process start no processes."""
    process = multiprocessing.current_process()
    if process.daemon:
        raise ConfigError(
            f"no workers can start in {process.name}: it is daemonic, as all processes of multiprocessing.Pool are. Use "
            "concurrent.futures.ProcessPoolExecutor, or pass workers=0"
        )


@contextmanager
def open_executor(
    workers: int, limits: Limits = NO_LIMITS, *, warm_up: Callable[[], object] = import_keras
) -> Iterator[Executor]:
    """Yield an executor with `workers` processes, or this process if 0. An exception in the block ends the workers at once.

    Args:
        workers: number of processes.
        limits: limits of a call.
        warm_up: a module-level function that each process calls when it starts.

    Raises:
        ConfigError: limits are set but there are no worker processes, or this process may not start any.
        WorkersUnavailable: this system starts no processes.
    """
    if workers:
        _refuse_daemonic_process()
    if not workers and limits != NO_LIMITS:
        raise ConfigError("--timeout and --max-memory need worker processes: pass --workers 1 or more, not 0")
    executor = WorkerPool(workers, limits, warm_up=warm_up) if workers else InProcessExecutor(keras_of_results)
    try:
        yield executor
    except BaseException:
        executor.stop()
        raise
    executor.close()
