"""Worker processes that die, grow, print, are terminated or cannot start."""

from __future__ import annotations

import operator
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing

import pytest

from cxrbench.errors import CxrbenchError
from cxrbench.execution.executor import InProcessExecutor
from cxrbench.execution.failures import failure_kind, failure_log, failure_reason
from cxrbench.execution.worker import THREAD_VARIABLES
from cxrbench.plugin.references import Reference


def is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


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
        print(executor.submit(eval, "'keras' in __import__('sys').modules").result(60))
        print({library["num_threads"] for library in executor.submit(threadpool_info).result(60)})
"""


@pytest.mark.slow
def test_keras_and_libraries_of_the_users_script_have_one_thread(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}
    command = [sys.executable, str(tmp_path / "script.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "True\n{1}\n", done.stderr


@pytest.mark.parametrize(
    ("end", "reason"),
    [("os._exit(3)", "exit code 3"), ("os._exit(0)", "exit code 0"), ("os.kill(os.getpid(), 9)", "SIGKILL")],
)
def test_a_worker_that_dies_fails_only_its_current_call(workers, end, reason):
    before = workers.submit(operator.truediv, 1, 2)
    fatal = workers.submit(exec, f"import os; {end}")
    after = [workers.submit(operator.truediv, number, 2) for number in range(3)]
    assert before.result(60) == 0.5
    assert failure_reason(fatal.exception(60)) == f"the worker process died ({reason})"
    assert failure_kind(fatal.exception()) == "killed"
    assert [call.result(60) for call in after] == [0, 0.5, 1]


@pytest.mark.parametrize(("code", "said"), [(3, "the worker process died (exit code 3)"), (None, "pool")])
def test_a_broken_pool_fails_the_call_that_broke_it_alone(open_light, code, said):
    with open_light(1) as pool:
        process = pool._context.Process(target=os._exit if code else time.sleep, args=(code or 600,))
        process.start()
        if code:
            process.join()
        broken = Future()
        broken.set_exception(BrokenProcessPool("pool"))
        _, error, _ = pool._outcome(None, broken, process.pid)
    assert said in str(error)
    assert isinstance(error, BrokenProcessPool) is (code is None)


def test_each_of_many_workers_that_die_at_once_says_how(open_light):
    with open_light(2) as workers:
        calls = [workers.submit(os._exit, 3) for _ in range(12)]
        wait(calls, 120)
    assert {failure_reason(call.exception(60)) for call in calls} == {"the worker process died (exit code 3)"}


def test_an_exception_in_the_block_ends_the_workers_at_once(open_light):
    with pytest.raises(KeyboardInterrupt), open_light(1) as executor:  # noqa: PT012
        worker = executor.submit(os.getpid).result(60)
        asleep, queued = executor.submit(time.sleep, 600), executor.submit(os.getpid)
        start = time.monotonic()
        raise KeyboardInterrupt
    assert time.monotonic() - start < 20
    assert not is_alive(worker)
    for call in (asleep, queued):
        with pytest.raises(KeyboardInterrupt):
            call.result(5)


def test_grown_workers_are_replaced_without_losing_calls(light_pool):
    with closing(light_pool(1, growth=2**25)) as executor:
        first = executor.submit(os.getpid).result(60)
        assert executor.submit(os.getpid).result(60) == first
        executor.submit(exec, "import builtins; builtins.kept = bytes(range(256)) * 2**18").result(60)  # 64 MB
        calls = [executor.submit(os.getpid) for _ in range(20)]
        after = [call.result(60) for call in calls]
    assert first != after[-1]
    assert len(set(after)) <= 2
    assert not is_alive(first)


def test_calls_go_on_after_an_idle_worker_was_killed(open_light):
    with open_light(1) as executor:
        worker = executor.submit(os.getpid).result(60)
        os.kill(worker, signal.SIGKILL)
        time.sleep(1)
        assert executor.submit(os.getpid).result(60) != worker


def test_a_call_that_exits_fails_only_itself(workers):
    with pytest.raises(CxrbenchError, match="please install x"):
        workers.submit(sys.exit, "please install x").result(60)
    assert workers.submit(operator.truediv, 1, 2).result(60) == 0.5


def test_stopping_ends_replaced_workers_too(light_pool):
    pool = light_pool(1, growth=-1)  # every call replaces the workers
    pool.submit(os.getpid).result(60)
    pool.submit(time.sleep, 600)
    second = pool.submit(time.sleep, 600)
    time.sleep(1)
    start = time.monotonic()
    pool.stop()
    assert time.monotonic() - start < 20
    with pytest.raises(KeyboardInterrupt):
        second.result(5)


def test_workers_that_keep_dying_fail_only_their_calls(open_light):
    with open_light(2) as executor:
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
import os, sys, time
from pathlib import Path
from cxrbench.execution.executor import open_executor

CALL = "import os, pathlib, time; pathlib.Path({path!r}).write_text(str(os.getpid())); time.sleep(600)"

if __name__ == "__main__":
    with open_executor(2, warm_up=os.getpid) as executor:
        for path in sys.argv[1:]:
            executor.submit(exec, CALL.format(path=path))
        time.sleep(600)
"""


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
