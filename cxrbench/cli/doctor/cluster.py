"""Check that the workers of a Dask scheduler can compute for this machine, and how soon they see what others write."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from cxrbench.cli.doctor.diagnosis import Diagnosis
from cxrbench.errors import WorkersUnavailable
from cxrbench.execution.process_pool import WorkerPool
from cxrbench.execution.progress import Progress
from cxrbench.storage.files import home

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxrbench.config.settings import Settings
    from cxrbench.execution.executor import Executor

PATIENCE = 20.0
"""Seconds to wait for a worker."""
SLOW_SECONDS = 2.0
"""From here on a file that another machine wrote is seen late: shards are waited for that long."""


def workers_of_scheduler(settings: Settings) -> Iterator[Diagnosis]:
    """Ask the workers of ``--scheduler``, if there is one, to compute a call and to write a file."""
    if settings.scheduler is None:
        return
    from cxrbench.execution.cluster.agreement import agreed
    from cxrbench.execution.cluster.connection import Scheduler
    from cxrbench.execution.cluster.executor import open_dask_executor

    scheduler, start = Scheduler(address=settings.scheduler, patience=PATIENCE), partial(WorkerPool, 1, warm_up=os.getpid)
    with (
        agreed({"--out": settings.out}, (), (), ()) as agreement,
        open_dask_executor(scheduler, agreement, start, Progress()) as executor,
    ):
        try:
            delay = _delay_until_seen(executor)
        except WorkersUnavailable:
            remedy = f"start one: dask worker {settings.scheduler} --nthreads 1"
            yield Diagnosis(area="scheduler", found=f"{settings.scheduler}: it has no worker", verdict="problem", remedy=remedy)
            return
        yield Diagnosis(area="scheduler", found=f"{settings.scheduler}: {executor.workers} calls at once")
        for line in executor.refused():
            remedy = "other workers compute; see docs/how-to/cluster.md"
            yield Diagnosis(area="scheduler", found=line, verdict="warn", remedy=remedy)
    found = f"a file that a worker writes is seen after {delay:.2f} s"
    slow = delay > SLOW_SECONDS
    remedy = "mount the folder with a shorter attribute cache, such as actimeo=1 on NFS" if slow else ""
    yield Diagnosis(area="shared folder", found=found, verdict="warn" if slow else "ok", remedy=remedy)


def _delay_until_seen(executor: Executor) -> float:
    """Return the seconds from a worker's writing of a file in the cache until this machine sees it."""
    folder = home()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f".cxrbench-doctor-{uuid4().hex}"
    file.exists()  # a network disk may keep this answer
    executor.submit(Path.touch, file).result()
    start = time.perf_counter()
    try:
        while not file.exists():
            time.sleep(0.01)
        return time.perf_counter() - start
    finally:
        file.unlink(missing_ok=True)
