"""Calls that exceed a limit of time, memory or output."""

from __future__ import annotations

import operator
import sys
import time

import pytest

from cxrbench.execution.failures import failure_kind, failure_log, failure_reason
from cxrbench.execution.limits import Limits

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="memory can be limited on Linux only")


def failure_of(call):
    """Return the kind and the reason of a call's failure."""
    error = call.exception(120)
    return failure_kind(error), failure_reason(error)


@pytest.fixture(scope="module")
def timed(open_light):
    with open_light(1, Limits(timeout=1.5)) as executor:
        yield executor


@pytest.fixture(scope="module")
def limited(open_light):
    with open_light(1, Limits(memory=4 * 10**9)) as executor:
        yield executor


@pytest.mark.parametrize("hang", [(time.sleep, 600), (exec, "while True: pass"), (pow, 7, 10**9)])
def test_a_call_that_takes_too_long_fails_only_itself(timed, hang):
    hanging, waiting = timed.submit(*hang), timed.submit(operator.truediv, 1, 2)
    assert failure_of(hanging) == ("timeout", "took longer than 1.5 s (--timeout)")
    assert waiting.result(60) == 0.5


def test_the_output_of_a_call_that_prints_too_much_is_emptied(workers):
    code = "import os, time\nprint('early' * 2**20)\nwhile os.fstat(1).st_size: time.sleep(0.01)\nprint('late')\n1 / 0"
    call = workers.submit(exec, code)
    assert failure_reason(call.exception(60)) == "ZeroDivisionError: division by zero"
    assert failure_log(call.exception())[0] == "late"


@on_linux
@pytest.mark.parametrize("greedy", ["bytearray(8 * 10**9)", "import numpy; numpy.zeros(10**9)"])
def test_a_call_that_needs_too_much_memory_fails_only_itself(limited, greedy):
    hungry, modest = limited.submit(exec, greedy), limited.submit(len, bytes(2**20))
    assert failure_of(hungry) == ("oom", "MemoryError: used more than 4 GB (--max-memory)")
    assert modest.result(60) == 2**20


@on_linux
def test_memory_kept_by_an_earlier_call_does_not_fail_a_later(limited):
    limited.submit(exec, "import builtins, numpy; builtins.kept = numpy.zeros(3 * 10**9, numpy.uint8)").result(60)
    later = limited.submit(exec, "import numpy; numpy.zeros(2 * 10**9, numpy.uint8)")
    assert later.exception(120) is None


def test_a_crash_under_a_memory_limit_mentions_memory(limited):
    crash = limited.submit(exec, "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    reason = "the worker process died (SIGSEGV): it may have used more than 4 GB (--max-memory)"
    assert failure_of(crash) == ("oom", reason)
