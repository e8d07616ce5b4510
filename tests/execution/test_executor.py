"""What every executor promises, and how one is chosen."""

from __future__ import annotations

import operator
import os
import signal

import pytest

from cxrbench.config.component import parse_component
from cxrbench.errors import ConfigError
from cxrbench.execution.executor import InProcessExecutor, open_executor
from cxrbench.execution.failures import failure_reason
from cxrbench.execution.limits import Limits


def test_results_are_returned(executor):
    calls = [executor.submit(operator.truediv, number, 4) for number in range(5)]
    assert [call.result(60) for call in calls] == [0, 0.25, 0.5, 0.75, 1]
    assert executor.submit(sorted, [1, 3, 2], reverse=True).result(60) == [3, 2, 1]


def test_an_exception_fails_only_its_call(executor):
    calls = [executor.submit(operator.truediv, 1, divisor) for divisor in (2, 0, 4)]
    assert calls[0].result(60) == 0.5
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        calls[1].result(60)
    assert calls[2].result(60) == 0.25
    assert failure_reason(calls[1].exception()) == "ZeroDivisionError: division by zero"


def test_cxrbench_errors_keep_their_type(executor):
    with pytest.raises(ConfigError, match="'gentle:' is not a component"):
        executor.submit(parse_component, "gentle:").result(60)


def test_zero_workers_means_this_process():
    with open_executor(0) as executor:
        assert isinstance(executor, InProcessExecutor)
        assert executor.submit(os.getpid).result() == os.getpid()
    with pytest.raises(ValueError, match="in the block"), open_executor(0):
        raise ValueError("in the block")


def test_ctrl_c_is_raised_at_once_in_this_process():
    with pytest.raises(KeyboardInterrupt):
        InProcessExecutor().submit(signal.raise_signal, signal.SIGINT)


@pytest.mark.parametrize("limits", [Limits(timeout=1), Limits(memory=10**9)])
def test_limits_without_workers_are_refused(limits):
    with pytest.raises(ConfigError, match=r"--timeout and --max-memory need .* --workers 1"), open_executor(0, limits):
        pass


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("one\ntwo"), "ValueError: one"),
        (ValueError("\n one \n"), "ValueError: one"),
        (ValueError(), "ValueError"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_a_reason_is_one_line(error, reason):
    assert failure_reason(error) == reason
