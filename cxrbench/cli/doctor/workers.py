"""Check that worker processes start on this machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cxrbench.cli.doctor.diagnosis import Diagnosis
from cxrbench.errors import WorkersUnavailable
from cxrbench.execution.executor import open_executor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxrbench.config.settings import Settings


def start_of_workers(settings: Settings) -> Iterator[Diagnosis]:
    """Start a worker that imports nothing more; the check `keras` imports what the others do."""
    if not settings.workers:
        yield Diagnosis(area="workers", found="none: --workers 0 computes in one process")
        return
    try:
        with open_executor(1, warm_up=os.getpid) as executor:
            executor.submit(os.getpid).result()
    except WorkersUnavailable as error:
        found, _, remedy = str(error).partition(". ")
        yield Diagnosis(area="workers", found=found, verdict="problem", remedy=remedy)
    else:
        yield Diagnosis(area="workers", found="can start")
