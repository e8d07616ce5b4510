"""A call of a worker pool that is not finished."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Future

    from pebble import ProcessPool

    from cxrbench.execution.worker import WorkerCall, WorkerResult


@dataclass(slots=True, kw_only=True, eq=False)
class PendingCall:
    """A call that is not finished, with the future of its caller and the future of the pool."""

    request: WorkerCall[Any]
    future: Future[Any]
    pool: ProcessPool | None = None
    pool_future: Future[WorkerResult[Any]] | None = None
    was_retried: bool = False
    dead_process: int | None = None  # the process that computed the call and has ended

    def start(self) -> bool:
        """Return False if the call was cancelled; otherwise it cannot be cancelled any more."""
        return self.future.running() or self.future.set_running_or_notify_cancel()

    def waits_for(self, pool: ProcessPool) -> bool:
        """Return whether it waits for a process of this pool."""
        return self.pool is pool and self.pool_future is not None and not self.pool_future.running()

    def cancel(self) -> None:
        """Cancel it in its pool, which ends its process if it has one."""
        if self.pool_future:
            self.pool_future.cancel()
