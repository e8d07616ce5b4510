"""A call whose batch does not fit in memory is computed again with half of it, at most twice, and says with which it was."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from cxrbench.execution.failures import failure_kind

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

RETRIES = 2
"""Below a quarter of its batch, a call does not fail for its batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult(Generic[T]):
    """What a call returned, and the batch that it was computed with."""

    value: T
    batch: int


def submit_with_retry(submit: Callable[[int], Future[T]], batch: int) -> Future[BatchResult[T]]:
    """Submit a call with a batch, and again with half of it whenever it gets no memory; its last failure is the future's.

    Args:
        submit: sends the call on its way with some batch.
        batch: to begin with; none smaller than 1 is tried.
    """
    future = _RetryingFuture(submit, batch)
    future.ask()
    if future.done() and not future.cancelled() and isinstance(stopped := future.exception(), KeyboardInterrupt):
        raise stopped  # as an executor does when it is stopped
    return future


class _RetryingFuture(Future[BatchResult[T]]):
    """Waits for one attempt after the other; it holds no lock, for attempts end in threads of the executor."""

    def __init__(self, submit: Callable[[int], Future[T]], batch: int) -> None:
        super().__init__()
        self._submit = submit
        self._batch = batch
        self._left = RETRIES
        self._attempt: Future[T] | None = None

    def ask(self) -> None:
        """Begin an attempt."""
        self._attempt = self._submit(self._batch)
        self._attempt.add_done_callback(self._hear)

    def cancel(self) -> bool:
        """Cancel the attempt if it has not begun."""
        return bool(self._attempt and self._attempt.cancel()) or self.cancelled()

    def _hear(self, attempt: Future[T]) -> None:
        if attempt.cancelled():
            super().cancel()
            self.set_running_or_notify_cancel()
            return
        error = attempt.exception()
        if error is None:
            self.set_result(BatchResult(value=attempt.result(), batch=self._batch))
        elif self._left and self._batch > 1 and failure_kind(error) == "oom":
            self._ask_for_half()
        else:
            self.set_exception(error)

    def _ask_for_half(self) -> None:
        self._left -= 1
        self._batch //= 2
        try:
            self.ask()
        except BaseException as error:  # an executor that is stopped refuses; nobody else would hear of it in this thread
            self.set_exception(error)
