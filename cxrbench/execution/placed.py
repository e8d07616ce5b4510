"""Two pools of workers: one that sees no GPU, for heads, and one with a process for each GPU, for whole networks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from threading import Lock
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from cxrbench.errors import ConfigError, CxrbenchError
from cxrbench.execution.failures import failure_log, failure_reason
from cxrbench.execution.process_pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from cxrbench.execution.limits import Limits

P = ParamSpec("P")
T = TypeVar("T")

REMEDY = "Install a build of the Keras backend that computes on it (pip install 'cxrbench[gpu]'), or use --device cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuWorkers:
    """How the processes for GPUs start.

    Attributes:
        gpus: one for each process.
        required: whether no other place will do.
        warm_up: as of `WorkerPool`.
        seen: a module-level function that returns the GPUs on which its process computes.
        warn: shows a message to the user.
    """

    gpus: tuple[str, ...]
    required: bool
    limits: Limits
    warm_up: Callable[[], object]
    seen: Callable[[], Sequence[str]]
    warn: Callable[[str], None]

    def start(self) -> WorkerPool | None:
        """Start the processes, with a warning for each GPU that cannot be used; return None if no GPU can.

        Raises:
            ConfigError: likewise, and no other place will do.
        """
        start = partial(WorkerPool, limits=self.limits, warm_up=self.warm_up)
        pools, problems = start_on_each(partial(start, 1), self.gpus, self.seen)
        if not pools and self.required:
            raise ConfigError(f"--device gpu: {problems}. {REMEDY}")
        if problems:
            place = f"GPU {' and '.join(pools)}" if pools else "the CPU"
            self.warn(f"networks are computed on {place}. {problems}. {REMEDY}")
        if len(pools) < 2:
            return next(iter(pools.values()), None)
        for pool in pools.values():
            pool.stop()
        return start(len(pools), gpus=tuple(pools))


def start_on_each(
    start: Callable[..., WorkerPool], gpus: Sequence[str], seen: Callable[[], Sequence[str]]
) -> tuple[dict[str, WorkerPool], str]:
    """Start a process on each GPU, and ask it whether it sees one; return the pools of those that do, and why others do not.

    Args:
        start: returns a pool of one process that sees none but the given `gpus`.
        gpus: the GPUs.
        seen: a module-level function that returns the GPUs on which its process computes.

    Raises:
        WorkersUnavailable: this system starts no process.
    """
    pools: dict[str, WorkerPool] = {}
    problems: dict[str, list[str]] = {}
    try:
        for gpu in gpus:
            pools[gpu] = start(gpus=(gpu,))
        for gpu, asked in [(gpu, pool.submit(_require_gpu, seen)) for gpu, pool in pools.items()]:
            try:
                asked.result()
            except Exception as error:
                problems.setdefault(_problem(error), []).append(gpu)
                pools.pop(gpu).stop()
    except BaseException:
        for pool in pools.values():
            pool.stop()
        raise
    return pools, "; ".join(f"GPU {' and '.join(of)} cannot be used: {problem}" for problem, of in problems.items())


def _problem(error: Exception) -> str:
    """Return why a process cannot compute on its GPU, with the last line that it printed before it failed."""
    reason = str(error) if isinstance(error, CxrbenchError) else failure_reason(error)
    printed = takewhile(lambda line: not line.startswith("Traceback"), failure_log(error))
    return ": ".join([reason, *list(printed)[-1:]])


def _require_gpu(seen: Callable[[], Sequence[str]]) -> None:
    if not seen():
        raise ConfigError("the Keras backend of a worker sees no GPU")


class PlacedExecutor:
    """Compute calls in workers that see no GPU, but those of whole networks in a process for each GPU.

    The processes for GPUs start when the first of these calls comes: a run that needs none opens no GPU.
    """

    def __init__(self, workers: WorkerPool, on_gpus: GpuWorkers) -> None:
        """Take the pool of workers that see no GPU, and how to start the other one."""
        self._on_cpus = workers
        self._on_gpus = on_gpus
        self._networks: WorkerPool | None = None
        self._is_asked = False
        self._lock = Lock()
        self._stopped = False

    @property
    def workers(self) -> int:
        """How many calls the pool without GPUs computes at once."""
        return self._on_cpus.workers

    @property
    def processors(self) -> frozenset[str]:
        """None: this machine has one kind."""
        return frozenset()

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **keywords: P.kwargs) -> Future[T]:
        """Queue a call that needs no GPU; raise KeyboardInterrupt after `stop`."""
        return self._on_cpus.submit(function, *arguments, **keywords)

    def for_networks(self) -> WorkerPool | PlacedExecutor:
        """Return the pool with a process for each GPU, or itself, with a warning, if no GPU can be used.

        Raises:
            ConfigError: the user wants GPUs, and none can be used.
        """
        with self._lock:
            if self._stopped:
                raise KeyboardInterrupt
            if not self._is_asked:
                self._networks = self._on_gpus.start()
                self._is_asked = True
            if self._stopped:  # meanwhile, by another thread
                self.stop()
                raise KeyboardInterrupt
            return self._networks or self

    def close(self) -> None:
        """Finish the queued calls, then end the processes."""
        for pool in self._pools():
            pool.close()

    def stop(self) -> None:
        """End the processes at once. The futures of unfinished calls raise KeyboardInterrupt."""
        self._stopped = True
        for pool in self._pools():
            pool.stop()

    def _pools(self) -> list[WorkerPool]:
        return [self._networks, self._on_cpus] if self._networks else [self._on_cpus]
