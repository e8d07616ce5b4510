from __future__ import annotations

import operator
import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from cxrbench.config.component import parse_component
from cxrbench.errors import ConfigError, CxrbenchError
from cxrbench.execution.executor import InProcessExecutor, open_executor
from cxrbench.execution.failures import failure_kind, failure_log, failure_reason
from cxrbench.execution.process_pool import Limits, WorkerPool
from cxrbench.execution.worker import THREAD_VARIABLES
from cxrbench.plugin.references import Reference


@pytest.fixture(scope="module")
def workers():
    executor = WorkerPool(1)
    yield executor
    executor.close()


@pytest.fixture(params=["this process", "worker processes"])
def executor(request):
    return InProcessExecutor() if request.param == "this process" else request.getfixturevalue("workers")


def is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


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


def test_an_exception_that_cannot_be_pickled_fails_only_its_call(workers, tmp_path):
    plugin = tmp_path / "odd.py"
    plugin.write_text(
        "class Odd(Exception):\n    def __init__(self, what, why):\n        super().__init__(f'{what}: {why}')\n\n"
        "raise Odd('the image', 'is upside down')\n"
    )
    odd = workers.submit(Reference(text="odd:build", file=plugin).resolve)
    with pytest.raises(CxrbenchError, match="Odd: the image: is upside down"):
        odd.result(60)
    assert failure_reason(odd.exception()) == "Odd: the image: is upside down"
    assert workers.submit(operator.truediv, 1, 2).result(60) == 0.5


def test_workers_are_other_processes(workers):
    assert workers.submit(os.getpid).result(60) != os.getpid()
    assert InProcessExecutor().submit(os.getpid).result() == os.getpid()


def test_a_worker_has_one_thread_and_leaves_ctrl_c_to_the_parent(workers):
    assert {workers.submit(os.getenv, name).result(60) for name in THREAD_VARIABLES} == {"1"}
    assert {"TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"} <= set(THREAD_VARIABLES)
    assert workers.submit(signal.getsignal, signal.SIGINT).result(60) is signal.SIG_IGN


SCRIPT = """
import numpy  # a library with its own threads, loaded before the worker is set up

from threadpoolctl import threadpool_info
from cxrbench.execution.executor import open_executor

if __name__ == "__main__":
    with open_executor(1) as executor:
        print({library["num_threads"] for library in executor.submit(threadpool_info).result(60)})
"""


def test_libraries_loaded_by_the_users_script_have_one_thread(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}
    command = [sys.executable, str(tmp_path / "script.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "{1}\n", done.stderr


def test_a_worker_that_dies_fails_only_its_current_call(workers):
    before = workers.submit(operator.truediv, 1, 2)
    fatal = workers.submit(os._exit, 3)
    after = [workers.submit(operator.truediv, number, 2) for number in range(3)]
    assert before.result(60) == 0.5
    assert failure_reason(fatal.exception(60)) == "the worker process died (exit code 3)"
    assert [call.result(60) for call in after] == [0, 0.5, 1]


def test_an_exception_in_the_block_ends_the_workers_at_once():
    with pytest.raises(KeyboardInterrupt), open_executor(1) as executor:  # noqa: PT012
        worker = executor.submit(os.getpid).result(60)
        asleep, queued = executor.submit(time.sleep, 600), executor.submit(os.getpid)
        start = time.monotonic()
        raise KeyboardInterrupt
    assert time.monotonic() - start < 20
    assert not is_alive(worker)
    for call in (asleep, queued):
        with pytest.raises(KeyboardInterrupt):
            call.result(5)


def test_workers_that_have_grown_are_replaced_without_losing_calls(monkeypatch):
    monkeypatch.setattr("cxrbench.execution.process_pool.LARGEST_GROWTH_BYTES", 2**28)
    with open_executor(1) as executor:
        first = executor.submit(os.getpid).result(60)
        assert executor.submit(os.getpid).result(60) == first
        executor.submit(exec, "import builtins; builtins.kept = bytes(range(256)) * 2**21").result(60)  # half a GB
        calls = [executor.submit(os.getpid) for _ in range(20)]
        after = [call.result(60) for call in calls]
    assert first != after[-1]
    assert len(set(after)) <= 2
    assert not is_alive(first)


def test_calls_go_on_after_an_idle_worker_was_killed():
    with open_executor(1) as executor:
        worker = executor.submit(os.getpid).result(60)
        os.kill(worker, signal.SIGKILL)
        time.sleep(1)
        assert executor.submit(os.getpid).result(60) != worker


def test_a_call_that_exits_fails_only_itself(workers):
    with pytest.raises(CxrbenchError, match="please install x"):
        workers.submit(sys.exit, "please install x").result(60)
    assert workers.submit(operator.truediv, 1, 2).result(60) == 0.5


def test_an_interrupt_ends_replaced_workers_too(monkeypatch):
    monkeypatch.setattr("cxrbench.execution.process_pool.LARGEST_GROWTH_BYTES", -1)  # every call replaces the workers
    with pytest.raises(KeyboardInterrupt), open_executor(1) as executor:  # noqa: PT012
        executor.submit(os.getpid).result(60)
        executor.submit(time.sleep, 600)
        second = executor.submit(time.sleep, 600)
        time.sleep(1)
        start = time.monotonic()
        raise KeyboardInterrupt
    assert time.monotonic() - start < 20
    with pytest.raises(KeyboardInterrupt):
        second.result(5)


def test_a_pool_that_cannot_start_fails_its_calls(monkeypatch):
    monkeypatch.setattr("cxrbench.execution.process_pool.start_worker", partial(os._exit, 7))
    executor = WorkerPool(1)
    calls = [executor.submit(os.getpid) for _ in range(5)]
    assert all("pool" in failure_reason(call.exception(60)).lower() for call in calls)
    executor.stop()


def test_zero_workers_means_this_process():
    with open_executor(0) as executor:
        assert isinstance(executor, InProcessExecutor)
        assert executor.submit(os.getpid).result() == os.getpid()
    with pytest.raises(ValueError, match="in the block"), open_executor(0):
        raise ValueError("in the block")


def test_ctrl_c_is_raised_at_once_in_this_process():
    with pytest.raises(KeyboardInterrupt):
        InProcessExecutor().submit(signal.raise_signal, signal.SIGINT)


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


@pytest.fixture(scope="module")
def limited():
    executor = WorkerPool(1, Limits(timeout=3, memory=4 * 10**9))
    yield executor
    executor.close()


@pytest.mark.parametrize("hang", [(time.sleep, 600), (exec, "while True: pass"), (pow, 7, 10**9)])
def test_a_call_that_takes_too_long_fails_only_itself(limited, hang):
    hanging, waiting = limited.submit(*hang), limited.submit(operator.truediv, 1, 2)
    assert failure_reason(hanging.exception(60)) == "took longer than 3 s (--timeout)"
    assert waiting.result(60) == 0.5


@pytest.mark.skipif(sys.platform != "linux", reason="memory can be limited on Linux only")
@pytest.mark.parametrize("greedy", ["bytearray(8 * 10**9)", "import numpy; numpy.zeros(10**9)"])
def test_a_call_that_needs_too_much_memory_fails_only_itself(limited, greedy):
    hungry, modest = limited.submit(exec, greedy), limited.submit(len, bytes(2**20))
    assert failure_reason(hungry.exception(60)) == "MemoryError: used more than 4 GB (--max-memory)"
    assert modest.result(60) == 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="memory can be limited on Linux only")
def test_memory_kept_by_an_earlier_call_does_not_fail_a_later_one(limited):
    limited.submit(exec, "import builtins, numpy; builtins.kept = numpy.zeros(3 * 10**9, numpy.uint8)").result(60)
    later = limited.submit(exec, "import numpy; numpy.zeros(2 * 10**9, numpy.uint8)")
    assert later.exception(120) is None


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("os._exit(0)", "the worker process died (exit code 0)"),
        ("os.kill(os.getpid(), 9)", "the worker process died (SIGKILL)"),
    ],
)
def test_a_worker_that_exits_silently_is_noticed(workers, end, reason):
    fatal, after = workers.submit(exec, f"import os; {end}"), workers.submit(operator.truediv, 1, 2)
    assert failure_reason(fatal.exception(60)) == reason
    assert after.result(60) == 0.5


def test_workers_that_keep_dying_fail_only_their_calls():
    with open_executor(2) as executor:
        fatal = [executor.submit(os._exit, number % 2) for number in range(6)]
        good = [executor.submit(operator.truediv, number, 2) for number in range(6)]
        assert {failure_reason(call.exception(120)).partition(" (")[0] for call in fatal} == {"the worker process died"}
        assert [call.result(120) for call in good] == [0, 0.5, 1, 1.5, 2, 2.5]


def test_the_last_lines_of_a_failed_call_are_only_in_its_log(workers, capfd):
    printing = "import os; [print('line', number) for number in range(80)]; os.write(2, b'native\\n')"
    died = workers.submit(exec, f"{printing}; os._exit(5)")
    raised = workers.submit(exec, f"{printing}; 1 / 0")
    assert failure_log(died.exception(60)) == (*(f"line {number}" for number in range(31, 80)), "native")
    assert failure_log(raised.exception(60))[-1] == "ZeroDivisionError: division by zero"
    assert "native" in failure_log(raised.exception(60))
    assert workers.submit(exec, printing).result(60) is None
    assert capfd.readouterr() == ("", "")


def test_the_output_of_a_call_that_prints_endlessly_is_limited(limited, monkeypatch):
    monkeypatch.setattr("cxrbench.execution.worker_output.LARGEST_OUTPUT_BYTES", 1000)
    endless = limited.submit(exec, "while True: print('more')")
    assert failure_reason(endless.exception(60)) == "took longer than 3 s (--timeout)"
    assert set(failure_log(endless.exception())[1:]) <= {"more"}


def test_a_call_that_has_not_started_can_be_cancelled(workers, tmp_path):
    mark, go = tmp_path / "mark", tmp_path / "go"
    until_go = f"import pathlib, time\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)"
    running = [workers.submit(exec, until_go) for _ in range(2)]
    waiting = [workers.submit(mark.write_text, "done") for _ in range(2)]
    assert [call.cancel() for call in waiting] == [True, True]
    assert not running[0].cancel()
    go.touch()
    assert [call.result(60) for call in running] == [None, None]
    assert workers.submit(operator.truediv, 1, 2).result(60) == 0.5
    assert not mark.exists()


@pytest.mark.parametrize("limits", [Limits(timeout=1), Limits(memory=10**9)])
def test_limits_without_workers_are_refused(limits):
    with pytest.raises(ConfigError, match=r"--timeout and --max-memory need .* --workers 1"), open_executor(0, limits):
        pass


def test_a_crash_under_a_memory_limit_mentions_memory(limited):
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    reason = failure_reason(limited.submit(exec, crash).exception(60))
    assert reason == "the worker process died (SIGSEGV): it may have used more than 4 GB (--max-memory)"


@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_call_whose_worker_is_terminated_is_retried_once(workers, tmp_path, number):
    mark = tmp_path / "mark"
    default = "signal.signal(signal.SIGINT, signal.SIG_DFL)"  # workers ignore it
    terminate = f"import os, signal; {default}; os.kill(os.getpid(), signal.{number})"
    first_time = f"import pathlib\nmark = pathlib.Path({str(mark)!r})\nif not mark.exists():\n    mark.touch()\n    {terminate}"
    once, after = workers.submit(exec, first_time), workers.submit(operator.truediv, 1, 2)
    assert once.exception(60) is None
    assert mark.exists()
    assert after.result(60) == 0.5


def test_a_call_whose_worker_is_terminated_twice_fails(workers):
    terminate = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    error = workers.submit(exec, terminate).exception(60)
    assert (failure_reason(error), failure_kind(error)) == ("the worker process died (SIGTERM)", "killed")


PARENT = """
import sys, time
from pathlib import Path
from cxrbench.execution.executor import open_executor

CALL = "import os, pathlib, time; pathlib.Path({path!r}).write_text(str(os.getpid())); time.sleep(600)"

if __name__ == "__main__":
    with open_executor(2) as executor:
        for path in sys.argv[1:]:
            executor.submit(exec, CALL.format(path=path))
        time.sleep(600)
"""


@pytest.mark.long
def test_workers_do_not_outlive_a_parent_that_is_killed(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT)
    marks = [tmp_path / name for name in ("one", "two")]
    parent = subprocess.Popen([sys.executable, str(tmp_path / "parent.py"), *map(str, marks)])
    try:
        while not all(mark.is_file() and mark.read_text() for mark in marks):
            assert parent.poll() is None
            time.sleep(0.05)
    finally:
        parent.kill()
        parent.wait()
    while any(is_alive(int(mark.read_text())) for mark in marks):  # the test's time limit ends this loop
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("MemoryError('all is full')", "oom"),
        ("type('ResourceExhaustedError', (Exception,), {})('OOM when allocating')", "oom"),
        ("type('XlaRuntimeError', (RuntimeError,), {})('RESOURCE_EXHAUSTED: out of memory')", "oom"),
        ("type('Full', (MemoryError,), {})('cannot be sent')", "oom"),
        ("NotFinite('a loss of nan')", "nan"),
        ("DataError('no images')", "data_error"),
        ("type('Unreadable', (DataError,), {})('cannot be sent')", "data_error"),
        ("Unavailable('no weights')", "unavailable"),
        ("OSError('a file of the plugin')", "plugin_error"),
        ("TimeoutError('a server of the plugin')", "plugin_error"),
        ("SystemExit('please install x')", "plugin_error"),
    ],
)
def test_a_failure_from_a_worker_keeps_its_kind(workers, error, kind):
    code = (
        f"from cxrbench.execution.failures import NotFinite\nfrom cxrbench.errors import DataError, Unavailable\nraise {error}"
    )
    assert failure_kind(workers.submit(exec, code).exception(60)) == kind


def test_a_failure_keeps_the_kind_of_its_cause(workers):
    code = "from cxrbench.errors import CxrbenchError\ntry:\n    raise MemoryError('full')\nexcept MemoryError as error:\n"
    error = workers.submit(exec, f"{code}    raise CxrbenchError('no features') from error").exception(60)
    assert (failure_kind(error), failure_reason(error)) == ("oom", "CxrbenchError: no features")


@pytest.mark.long
def test_limits_and_deaths_have_their_failure_kinds(limited):
    assert failure_kind(limited.submit(time.sleep, 600).exception(60)) == "timeout"
    assert failure_kind(limited.submit(os._exit, 3).exception(60)) == "killed"
    if sys.platform == "linux":
        assert failure_kind(limited.submit(exec, "bytearray(8 * 10**9)").exception(60)) == "oom"
        assert (
            failure_kind(limited.submit(exec, "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)").exception(60)) == "oom"
        )
