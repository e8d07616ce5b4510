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
from cxrbench.execution.devices import chosen_gpus, hide_gpus, restored_variables, see_chosen
from cxrbench.execution.keras_process import gpus_of_keras, import_keras, keras_of_results
from cxrbench.execution.limits import NO_LIMITS
from cxrbench.execution.placed import REMEDY, GpuWorkers, PlacedExecutor
from cxrbench.execution.process_pool import WorkerPool
from cxrbench.execution.worker import THREAD_VARIABLES
from cxrbench.storage.files import reporting_full_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from cxrbench.execution.devices import Device
    from cxrbench.execution.limits import Limits

P = ParamSpec("P")
T = TypeVar("T")


class Executor(Protocol):
    """Compute calls of module-level functions, or of methods of records, with picklable arguments.

    Workers of a Dask scheduler compute them in `cluster/executor.py`.
    """

    @property
    def workers(self) -> int:
        """How many calls it computes at once, at least 1."""

    @property
    def processors(self) -> frozenset[str]:
        """The kinds of processor that have computed calls, where there may be several."""

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **keywords: P.kwargs) -> Future[T]:
        """Queue a call and return its future at once. A call that has not started can be cancelled."""

    def for_networks(self) -> Executor:
        """Return where calls belong that run a whole network: on GPUs where there are some.

        Raises:
            ConfigError: the user wants them on GPUs, and no GPU can be used.
        """

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

    @property
    def processors(self) -> frozenset[str]:
        """None: this machine has one kind."""
        return frozenset()

    def for_networks(self) -> InProcessExecutor:
        """Return itself: this process computes all calls."""
        return self

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


def use_device(device: Device, seen: Callable[[], Sequence[str]] = gpus_of_keras) -> None:
    """Let this process see one GPU or none; `seen` as of `open_executor`.

    Raises:
        ConfigError: the user wants a GPU, and none can be used; or wants none, and it is too late.
    """
    see_chosen(device)
    if device == "gpu" and not seen():
        raise ConfigError(f"--device gpu: the Keras backend sees no GPU. {REMEDY}")


@contextmanager
def open_executor(
    workers: int,
    limits: Limits = NO_LIMITS,
    *,
    device: Device = "cpu",
    warn: Callable[[str], None] = lambda message: None,
    warm_up: Callable[[], object] = import_keras,
    seen: Callable[[], Sequence[str]] = gpus_of_keras,
) -> Iterator[Executor]:
    """Yield an executor with `workers` processes, or this process if 0. An exception in the block ends the workers at once.

    Inside the block this process sees no GPU, unless it is the one that computes.

    Args:
        workers: number of processes that see no GPU; with GPUs, each of these has a process besides.
        limits: limits of a call.
        device: where whole networks are computed.
        warn: shows a message to the user, such as that no GPU can be used.
        warm_up: a module-level function that each process calls when it starts.
        seen: a module-level function that returns the GPUs on which its process computes.

    Raises:
        ConfigError: limits are set but there are no worker processes, this process may not start any, or the user wants GPUs
            and has none.
        WorkersUnavailable: this system starts no processes.
    """
    executor: InProcessExecutor | WorkerPool | PlacedExecutor
    if workers:
        _refuse_daemonic_process()
    if not workers and limits != NO_LIMITS:
        raise ConfigError("--timeout and --max-memory need worker processes: pass --workers 1 or more, not 0")
    with restored_variables():
        if not workers:
            use_device(device, seen)
            executor = InProcessExecutor(keras_of_results)
        else:
            gpus = chosen_gpus(device, warn)
            hide_gpus()  # from this process: only workers compute
            executor = pool = WorkerPool(workers, limits, warm_up=warm_up)
            if gpus:
                on_gpus = GpuWorkers(gpus=gpus, required=device == "gpu", limits=limits, warm_up=warm_up, seen=seen, warn=warn)
                executor = PlacedExecutor(pool, on_gpus)
        try:
            if device == "gpu":
                executor.for_networks()  # refuse before any work
            yield executor
        except BaseException:
            executor.stop()
            raise
        executor.close()
