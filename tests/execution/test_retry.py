"""A call whose batch does not fit is computed again with half of it: in this process and in others."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError, Future

import pytest

from cxrbench.execution.executor import InProcessExecutor, open_executor
from cxrbench.execution.retry import BatchResult, submit_with_retry


def call(executor, batch, fits):
    """Run a call that gets no memory for more than `fits`; return its future and the batches that were asked for."""
    asked = []

    def submit(size):
        asked.append(size)
        return executor.submit(exec, f"if {size} > {fits}: raise MemoryError('{size} is too many')")

    return submit_with_retry(submit, batch), asked


@pytest.fixture(scope="module")
def workers():
    with open_executor(1) as executor:
        yield executor


@pytest.fixture(params=["this process", "worker processes"])
def executor(request):
    return InProcessExecutor() if request.param == "this process" else request.getfixturevalue("workers")


@pytest.mark.parametrize(
    ("batch", "fits", "sizes"), [(32, 32, [32]), (32, 16, [32, 16]), (32, 15, [32, 16, 8]), (3, 1, [3, 1])]
)
def test_the_first_batch_that_fits_is_the_result(executor, batch, fits, sizes):
    future, asked = call(executor, batch, fits)
    assert future.result(60) == BatchResult(value=None, batch=sizes[-1])
    assert asked == sizes


@pytest.mark.parametrize(("batch", "sizes"), [(32, [32, 16, 8]), (3, [3, 1]), (1, [1])])
def test_what_never_fits_fails_with_its_last_attempt(executor, batch, sizes):
    future, asked = call(executor, batch, 0)
    with pytest.raises(MemoryError, match=f"^{sizes[-1]} is too many"):
        future.result(60)
    assert asked == sizes


def test_other_failures_are_not_attempted_again(executor):
    asked = []

    def submit(size):
        asked.append(size)
        return executor.submit(exec, "1 / 0")

    with pytest.raises(ZeroDivisionError):
        submit_with_retry(submit, 32).result(60)
    assert asked == [32]


def test_a_call_that_has_not_begun_can_be_cancelled_in_every_attempt():
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


def test_whoever_waits_hears_of_an_executor_that_is_stopped(tmp_path):
    begun = tmp_path / "begun"
    with pytest.raises(KeyboardInterrupt), open_executor(1) as executor:  # noqa: PT012
        wait = f"import pathlib, time; pathlib.Path({str(begun)!r}).touch(); time.sleep(600)"
        future = submit_with_retry(lambda size: executor.submit(exec, wait), 32)
        while not begun.exists():
            time.sleep(0.05)
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        future.result(5)


def test_an_executor_that_is_stopped_between_two_attempts_is_heard_of():
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
