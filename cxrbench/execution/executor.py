"""Where shards and trials are computed: in worker processes, or in this one."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

from cxrbench.errors import ConfigError
from cxrbench.execution.process_pool import NO_LIMITS, Limits, WorkerPool
from cxrbench.execution.worker import THREAD_VARIABLES
from cxrbench.storage.files import reporting_full_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

P = ParamSpec("P")
T = TypeVar("T")


class Executor(Protocol):
    """Computes calls of module-level functions with picklable arguments; the seam for a cluster."""

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **keywords: P.kwargs) -> Future[T]:
        """Return at once; the future holds what the call returned or raised. One that has not begun can be cancelled."""
        ...

    def stop(self) -> None:
        """End what is being computed, at once; whoever waits for it gets a KeyboardInterrupt."""
        ...


class InProcessExecutor:
    """Computes each call at once, in the calling thread."""

    def __init__(self) -> None:
        """Ask for the one thread that workers have, as long as TensorFlow still listens."""
        if "tensorflow" not in sys.modules:
            os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
        self._stopped = False

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **keywords: P.kwargs) -> Future[T]:
        """Call `function` and return a finished future."""
        if self._stopped:
            raise KeyboardInterrupt
        future: Future[T] = Future()
        try:
            with reporting_full_disk(Path(tempfile.gettempdir())):  # what is written elsewhere names its own folder
                future.set_result(function(*arguments, **keywords))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Do nothing; every call is over."""

    def stop(self) -> None:
        """Refuse further calls with a KeyboardInterrupt."""
        self._stopped = True


def refuse_inside_worker() -> None:
    """Raise ConfigError if this process is a worker that imports the user's script, which would start a run within the run."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise ConfigError("cxrbench.run was called while a worker imports your script: put it under if __name__ == '__main__':")


@contextmanager
def open_executor(workers: int, limits: Limits = NO_LIMITS) -> Iterator[Executor]:
    """Yield an executor of `workers` processes, or of this process if 0; an exception inside ends the workers at once.

    Raises:
        ConfigError: limits for this process, which nobody could end.
    """
    if not workers and limits != NO_LIMITS:
        raise ConfigError("--timeout and --max-memory need processes that can be ended: give --workers 1 or more, not 0")
    executor = WorkerPool(workers, limits) if workers else InProcessExecutor()
    try:
        yield executor
    except BaseException:
        executor.stop()
        raise
    executor.close()
