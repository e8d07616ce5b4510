"""A worker that cannot start is nobody's failed call: all calls raise the cause and the remedy."""

from __future__ import annotations

import operator
import os
import signal
import subprocess
import sys
import tempfile
from functools import partial

import pytest

from cxrbench.errors import WorkersUnavailable
from cxrbench.execution.executor import open_executor
from cxrbench.execution.worker import IMPORTED_FROM, WorkerStart, start_worker


def flaky(mark, failures):
    """Return the code of a warm-up that ends its process the first few times."""
    return (
        f"import os, pathlib\nmark = pathlib.Path({str(mark)!r})\nwith mark.open('a') as file: file.write('x')\n"
        f"if len(mark.read_text()) <= {failures}: os._exit(3)"
    )


def refusal(executor):
    """Return the text of the error that all calls of an executor raise."""
    calls = [executor.submit(operator.truediv, number, 2) for number in range(5)]
    errors = [call.exception(60) for call in calls]
    assert {type(error) for error in errors} == {WorkersUnavailable}
    (text,) = {str(error) for error in errors}
    assert isinstance(executor.submit(os.getpid).exception(60), WorkersUnavailable)
    assert text.startswith("worker processes cannot start: ")
    assert text.endswith("Finished work is kept: run the same command again when this is fixed")
    return text


@pytest.mark.parametrize(
    ("warm_up", "cause"),
    [
        (partial(os._exit, 7), "they end at once (exit code 7)"),
        (partial(os._exit, 0), "they end at once (exit code 0)"),
        (partial(exec, "import no_such_package"), "ModuleNotFoundError: No module named 'no_such_package'"),
        (partial(exec, "import os; os.kill(os.getpid(), 9)"), "they end at once (SIGKILL). Memory may be short"),
        (partial(exec, "raise OSError(28, 'No space left on device')"), "No space left on device"),
    ],
)
def test_workers_that_do_not_start_are_named_with_their_cause(capfd, warm_up, cause):
    with open_executor(1, warm_up=warm_up) as executor:
        assert cause in refusal(executor)
    assert capfd.readouterr() == ("", "")  # no traceback of a worker


def test_a_package_that_a_worker_lacks_is_named(tmp_path, monkeypatch):
    package = "pebble"
    (tmp_path / f"{package}.py").write_text(f"raise ModuleNotFoundError('no {package} here')")
    with monkeypatch.context() as patch:
        __import__(package)  # this process has it
        patch.syspath_prepend(tmp_path)
        with open_executor(1, warm_up=os.getpid) as executor:
            assert package in refusal(executor)


def test_workers_that_stop_starting_later_end_the_calls(tmp_path):
    mark = tmp_path / "mark"
    warm_up = partial(exec, f"import os, pathlib\nif pathlib.Path({str(mark)!r}).exists(): os._exit(4)")
    with open_executor(1, warm_up=warm_up) as executor:
        assert executor.submit(operator.truediv, 1, 2).result(60) == 0.5
        mark.touch()
        assert "died (SIGKILL)" in str(executor.submit(signal.raise_signal, signal.SIGKILL).exception(60))
        assert "exit code 4" in refusal(executor)


def test_one_worker_that_starts_and_others_that_do_not(tmp_path):
    first = f"import os; os.close(os.open({str(tmp_path / 'one')!r}, os.O_CREAT | os.O_EXCL))"
    with open_executor(2, warm_up=partial(exec, first)) as executor:
        busy = executor.submit(exec, "import time; time.sleep(60)")
        assert "FileExistsError" in str(busy.exception(60))
        assert isinstance(busy.exception(), WorkersUnavailable)


def test_a_process_that_fails_to_start_by_chance_is_replaced(tmp_path):
    with open_executor(1, warm_up=partial(exec, flaky(tmp_path / "mark", failures=2))) as executor:
        calls = [executor.submit(operator.truediv, number, 2) for number in range(4)]
        assert [call.result(60) for call in calls] == [0, 0.5, 1, 1.5]


FEW_FILES = """
import os, resource
from cxrbench.errors import WorkersUnavailable
from cxrbench.execution.executor import open_executor
import pebble
kept = [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]
resource.setrlimit(resource.RLIMIT_NOFILE, (kept[-1] + 8, kept[-1] + 8))
try:
    with open_executor(4, warm_up=os.getpid) as executor:
        executor.submit(os.getpid).result(60)
except WorkersUnavailable as error:
    print(error)
"""


def test_a_system_that_starts_no_process_is_named():
    done = subprocess.run([sys.executable, "-c", FEW_FILES], capture_output=True, text=True, check=False)
    assert "Too many open files" in done.stdout, done.stderr
    assert "raise the limits of this user (ulimit -a)" in done.stdout


def test_a_system_without_room_for_temporary_files_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(WorkersUnavailable, match=r"No such file .* space for temporary files \(TMPDIR\)"), open_executor(1):
        pass


def test_a_process_that_cannot_be_forked_is_named(monkeypatch):
    def no_more_processes(*arguments):
        raise BlockingIOError(11, "Resource temporarily unavailable")  # as under ulimit -u, which does not bind root

    monkeypatch.setattr("multiprocessing.util.spawnv_passfds", no_more_processes)
    with pytest.raises(WorkersUnavailable, match=r"Resource temporarily unavailable.*fewer --workers"), open_executor(1):
        pass


def test_workers_of_another_installation_do_not_start(tmp_path):
    start = WorkerStart(scratch=tmp_path, marks=tmp_path, memory=None, package="/elsewhere")
    with pytest.raises(ImportError, match=f"import cxrbench from {IMPORTED_FROM}, but this run is of the one in /elsewhere"):
        start_worker(start, os.getpid)
