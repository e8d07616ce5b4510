"""Where the calls of a run are computed: this process, worker processes, or the workers of a Dask scheduler."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from cxrbench.execution.executor import open_executor
from cxrbench.execution.limits import Limits
from cxrbench.execution.process_pool import WorkerPool
from cxrbench.execution.worker import memory_can_be_limited
from cxrbench.storage.versions import name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cxrbench.benchmark.request import Request
    from cxrbench.config.part import Part
    from cxrbench.config.settings import Settings
    from cxrbench.execution.executor import Executor
    from cxrbench.execution.progress import Progress


@contextmanager
def open_workers(request: Request, progress: Progress) -> Iterator[Executor]:
    """Yield the executor that the settings of a run name.

    Raises:
        ConfigError: the settings contradict each other, no scheduler answers, or none of its workers can compute for the run.
        MissingRequirement: a package for the scheduler is not installed.
        WorkersUnavailable: this system starts no processes.
    """
    settings = request.settings
    limits = _limits(settings, progress.warn)
    if settings.scheduler is None:
        opened = open_executor(settings.workers, limits, device=settings.device, warn=progress.warn)
    else:
        opened = _open_cluster(request, limits, progress)
    with opened as executor:
        yield executor


@contextmanager
def _open_cluster(request: Request, limits: Limits, progress: Progress) -> Iterator[Executor]:
    from cxrbench.execution.cluster.agreement import agreed
    from cxrbench.execution.cluster.connection import Scheduler
    from cxrbench.execution.cluster.executor import open_dask_executor

    settings, parts = request.settings, _parts(request)
    address = settings.scheduler or ""
    scheduler = Scheduler(address=address, patience=settings.scheduler_wait, device=settings.device)
    requires = {name_of(requirement) for part in parts for requirement in part.spec.requires}
    packages = {part.spec.factory.partition(":")[0].partition(".")[0] for part in parts if not part.file}
    files = sorted({part.file for part in parts if part.file})
    with (
        agreed({"--out": settings.out}, requires, packages, files) as agreement,
        open_dask_executor(
            scheduler, replace(agreement, local_copies=settings.local_copy), partial(WorkerPool, 1, limits), progress
        ) as executor,
    ):
        yield executor


def _parts(request: Request) -> list[Part[Any]]:
    """Return the components that workers build."""
    recipes = (*request.grid.recipes, *request.from_scratch)
    of_recipes = [part for recipe in recipes for part in (recipe.backbone, recipe.augmentation, recipe.imbalance)]
    return [*of_recipes, *(shift.part for shift in (*request.shifts, *request.development))]


def _limits(settings: Settings, warn: Callable[[str], None]) -> Limits:
    """Return the limits of a call, and warn of one that this system does not have."""
    if settings.max_memory and not memory_can_be_limited():
        warn("--max-memory has no effect on this system: only Linux can limit the memory of a process")
    return Limits(timeout=settings.timeout, memory=settings.max_memory)


def processor_remarks(processors: frozenset[str]) -> tuple[str, ...]:
    """Return what an entry says of the processors that computed it: that they differ, if they do."""
    if len(processors) < 2:
        return ()
    return (f"computed by workers with different processors, which round differently: {', '.join(sorted(processors))}",)
