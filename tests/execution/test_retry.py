"""A call that runs out of memory is retried with half the batch, in this process and in workers."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError, Future

import pytest

from cxrbench.execution.executor import InProcessExecutor
from cxrbench.execution.retry import BatchResult, submit_with_retry


def call(executor, batch, fits):
    """Submit a call that runs out of memory above a batch of `fits`; return its future and the batches tried."""
    tried = []

    def submit(size):
        tried.append(size)
        return executor.submit(exec, f"if {size} > {fits}: raise MemoryError('{size} is too many')")

    return submit_with_retry(submit, batch), tried


@pytest.mark.parametrize(
    ("batch", "fits", "sizes"), [(32, 32, [32]), (32, 16, [32, 16]), (32, 15, [32, 16, 8]), (3, 1, [3, 1])]
)
def test_the_first_batch_that_fits_is_the_result(executor, batch, fits, sizes):
    future, tried = call(executor, batch, fits)
    assert future.result(60) == BatchResult(value=None, batch=sizes[-1])
    assert tried == sizes


@pytest.mark.parametrize(("batch", "sizes"), [(32, [32, 16, 8]), (3, [3, 1]), (1, [1])])
def test_a_call_that_never_fits_fails_with_its_last_attempt(executor, batch, sizes):
    future, tried = call(executor, batch, 0)
    with pytest.raises(MemoryError, match=f"^{sizes[-1]} is too many"):
        future.result(60)
    assert tried == sizes


def test_other_failures_are_not_retried(executor):
    tried = []

    def submit(size):
        tried.append(size)
        return executor.submit(exec, "1 / 0")

    with pytest.raises(ZeroDivisionError):
        submit_with_retry(submit, 32).result(60)
    assert tried == [32]


def test_a_call_can_be_cancelled_before_each_attempt_starts():
    attempts = []

    def submit(size):
        attempts.append(Future())
        return attempts[-1]

    future = submit_with_retry(submit, 32)
    assert attempts[0].set_running_or_notify_cancel()
    assert not future.cancel()
    attempts[0].set_exception(MemoryError())
    assert future.cancel()
    assert attempts[1].cancelled()
    assert future.cancelled()
    with pytest.raises(CancelledError):
        future.result(5)
    assert future.cancel()


def test_stopping_the_executor_raises_in_the_future(open_light, tmp_path):
    begun = tmp_path / "begun"
    with pytest.raises(KeyboardInterrupt), open_light(1) as executor:  # noqa: PT012
        wait = f"import pathlib, time; pathlib.Path({str(begun)!r}).touch(); time.sleep(600)"
        future = submit_with_retry(lambda size: executor.submit(exec, wait), 32)
        while not begun.exists():
            time.sleep(0.05)
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        future.result(5)


def test_stopping_between_attempts_raises_in_the_future():
    first = Future()

    def submit(size):
        if size < 32:
            raise KeyboardInterrupt
        return first

    future = submit_with_retry(submit, 32)
    thread = threading.Thread(target=first.set_exception, args=(MemoryError(),))
    thread.start()
    thread.join()
    with pytest.raises(KeyboardInterrupt):
        future.result(5)
    stopped = InProcessExecutor()
    stopped.stop()
    with pytest.raises(KeyboardInterrupt):
        submit_with_retry(lambda size: stopped.submit(len, ""), 32)
