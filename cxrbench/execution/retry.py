"""Retry a call that runs out of memory with half its batch size, at most twice."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from cxrbench.execution.failures import failure_kind

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

RETRIES = 2
"""If a quarter of the batch does not fit in memory, the batch size is not the cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult(Generic[T]):
    """The result of a call and the batch size that it was computed with."""

    value: T
    batch: int


def submit_with_retry(submit: Callable[[int], Future[T]], batch: int) -> Future[BatchResult[T]]:
    """Submit a call; retry it with half the batch size when it runs out of memory. The future raises the last failure.

    Args:
        submit: submits the call with a given batch size.
        batch: batch size of the first attempt. The smallest batch size tried is 1.
    """
    future = _RetryingFuture(submit, batch)
    future.start_attempt()
    if future.done() and not future.cancelled() and isinstance(stopped := future.exception(), KeyboardInterrupt):
        raise stopped  # as `submit` of a stopped executor does
    return future


class _RetryingFuture(Future[BatchResult[T]]):
    """The future of all attempts. It holds no lock, because attempts end in threads of the executor."""

    def __init__(self, submit: Callable[[int], Future[T]], batch: int) -> None:
        super().__init__()
        self._submit = submit
        self._batch = batch
        self._retries_left = RETRIES
        self._attempt: Future[T] | None = None

    def start_attempt(self) -> None:
        """Submit the call with the current batch size."""
        self._attempt = self._submit(self._batch)
        self._attempt.add_done_callback(self._on_attempt_done)

    def cancel(self) -> bool:
        """Cancel the current attempt if it has not started; return whether the future is cancelled."""
        return bool(self._attempt and self._attempt.cancel()) or self.cancelled()

    def _on_attempt_done(self, attempt: Future[T]) -> None:
        if attempt.cancelled():
            super().cancel()
            self.set_running_or_notify_cancel()
            return
        error = attempt.exception()
        if error is None:
            self.set_result(BatchResult(value=attempt.result(), batch=self._batch))
        elif self._retries_left and self._batch > 1 and failure_kind(error) == "oom":
            self._retry_with_half_batch()
        else:
            self.set_exception(error)

    def _retry_with_half_batch(self) -> None:
        self._retries_left -= 1
        self._batch //= 2
        try:
            self.start_attempt()
        except BaseException as error:  # a stopped executor raises; this thread would lose the exception
            self.set_exception(error)
