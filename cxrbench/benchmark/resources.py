"""What a run holds until it ends: worker processes, its part of the cache, the database of studies."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from cxrbench.data.catalogue import limited_cache
from cxrbench.errors import ConfigError, DiskFull
from cxrbench.execution.executor import open_executor
from cxrbench.execution.limits import Limits
from cxrbench.execution.worker import memory_can_be_limited
from cxrbench.search.database import open_database
from cxrbench.storage.files import reporting_full_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cxrbench.benchmark.callbacks import Callbacks
    from cxrbench.config.settings import Settings
    from cxrbench.execution.executor import Executor
    from cxrbench.search.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a run holds until it ends.

    Attributes:
        executor: computes shards and trials.
        claim: protects folders of the cache from removal until the run ends.
        database: records studies; None for one journal a study.
        callbacks: notified of what happens.
    """

    executor: Executor
    claim: Callable[[Iterable[Path]], None]
    database: Database | None
    callbacks: Callbacks


@contextmanager
def open_resources(settings: Settings, callbacks: Callbacks) -> Iterator[Resources]:
    """Open the database, the cache and the worker processes, which start to import Keras; close them at the end.

    Raises:
        DiskFull: with how to resume the run.
    """
    limits = limits_of(settings, callbacks.progress.warn)
    with (
        threadpool_limits(1, "blas"),  # its threads would wait in busy loops for cores that the workers have
        _saying_how_to_resume(),
        open_studies_database(settings, callbacks.progress.warn) as database,
        limited_cache(settings.cache_gb, callbacks.progress) as claim,
        open_executor(settings.workers, limits, device=settings.device, warn=callbacks.progress.warn) as executor,
    ):
        yield Resources(executor=executor, claim=claim, database=database, callbacks=callbacks)


@contextmanager
def open_studies_database(settings: Settings, warn: Callable[[str], None]) -> Iterator[Database | None]:
    """Open the database of studies; None if each study has a journal."""
    if not settings.storage:
        yield None
        return
    with open_database(settings.storage.get_secret_value(), warn) as database:
        yield database


@contextmanager
def _saying_how_to_resume() -> Iterator[None]:
    try:
        with reporting_full_disk(_temporary_folder()):  # whatever is written elsewhere names its own folder
            yield
    except DiskFull as error:
        raise DiskFull(
            f"no space left: {error}. Finished trials, features and entries are kept. Free some space and run the same command "
            "again to resume"
        ) from None


def _temporary_folder() -> Path:
    """Return the folder of temporary files; raise ConfigError if there is none, as on a full disk."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise ConfigError(f"{error.strerror}: free some space there, or set TMPDIR to a folder with space") from None


def limits_of(settings: Settings, warn: Callable[[str], None]) -> Limits:
    """Return the limits of a call, and warn of one that this system does not have."""
    if settings.max_memory and not memory_can_be_limited():
        warn("--max-memory has no effect on this system: only Linux can limit the memory of a process")
    return Limits(timeout=settings.timeout, memory=settings.max_memory)
