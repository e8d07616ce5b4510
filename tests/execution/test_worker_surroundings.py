"""Neither the working folder nor the user's script gets into workers."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import resource_tracker

import pytest

from cxrbench.errors import ConfigError
from cxrbench.execution.executor import open_executor, refuse_inside_import
from cxrbench.execution.search_path import libraries_first
from cxrbench.plugin.references import Reference

LIBRARIES = ("signal", "random", "numpy", "tempfile", "threadpoolctl", "selectors", "pickle", "os")
CALL = """
import os
from cxrbench.execution.executor import open_executor
with open_executor(1, warm_up=os.getpid) as executor:
    print(executor.submit(divmod, 7, 2).result(60))
"""
UNGUARDED = f"from pathlib import Path\nPath('runs').open('a').write('once ')\n{CALL}"
INSIDE_PROCESSES = f"""
import sys
from multiprocessing import get_context
from concurrent.futures import ProcessPoolExecutor
CALL = {CALL!r}
if __name__ == "__main__":
    with ProcessPoolExecutor(1, get_context(sys.argv[1])) as pool:
        pool.submit(exec, CALL).result(60)
"""


@pytest.fixture
def shadowed(tmp_path, monkeypatch):
    """Work in a folder whose files have the names of libraries."""
    for name in LIBRARIES:
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name}.py of the user')")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def python(*arguments, folder, **options):
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, **options)


def test_files_named_like_libraries_do_not_harm_workers(shadowed, open_light):
    with open_light(1) as executor:
        assert executor.submit(os.getcwd).result(60) == str(shadowed)
        assert executor.submit(eval, "__import__('signal').__file__").result(60).startswith(sys.base_prefix)


def test_the_process_that_cleans_up_is_not_harmed_either(shadowed):
    done = python("-P", "-c", CALL, folder=shadowed)  # as the command `cxrbench`, without the folder in its search path
    assert (done.stdout, done.stderr) == ("(3, 1)\n", "")
    assert resource_tracker.__file__.startswith(sys.base_prefix)


def test_python_m_cxrbench_works_beside_such_files(shadowed):
    done = python("-m", "cxrbench", "plugins", "list", folder=shadowed)
    assert done.returncode == 0, done.stderr
    assert "phantom" in done.stdout


def test_a_module_that_only_the_working_folder_has_is_found(tmp_path, monkeypatch, open_light):
    (tmp_path / "mine_alone.py").write_text("answer = 42")
    (tmp_path / "plugin.py").write_text("from mine_alone import answer")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # as `python -m` and scripts do
    plugin = Reference(text="plugin:answer", file=tmp_path / "plugin.py")
    with open_light(1) as executor:
        assert executor.submit(plugin.resolve).result(60) == 42


def test_the_folders_of_the_user_are_searched_last(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    library, chosen = sys.path[-1], str(tmp_path / "chosen")
    monkeypatch.setattr(sys, "path", ["", chosen, str(tmp_path), library])
    assert libraries_first() == [chosen, library, str(tmp_path), str(tmp_path)]


def test_a_script_without_a_guard_runs_once(tmp_path):
    (tmp_path / "script.py").write_text(UNGUARDED)
    done = python("script.py", folder=tmp_path)
    assert (done.stdout, done.stderr) == ("(3, 1)\n", "")
    assert (tmp_path / "runs").read_text() == "once "


def test_a_script_on_stdin_has_workers(tmp_path):
    done = python("-", folder=tmp_path, input=CALL)
    assert (done.stdout, done.stderr) == ("(3, 1)\n", "")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_process_of_an_executor_has_workers(tmp_path, method):
    (tmp_path / "script.py").write_text(INSIDE_PROCESSES)
    done = python("script.py", method, folder=tmp_path)
    assert (done.stdout, done.stderr) == ("(3, 1)\n", "")


def run_in_daemonic_process():
    with open_executor(1):
        pass


def test_a_daemonic_process_is_refused_with_a_remedy():
    with multiprocessing.get_context("spawn").Pool(1) as pool, pytest.raises(ConfigError) as error:
        pool.apply(run_in_daemonic_process)
    assert "no workers can start in SpawnPoolWorker-" in str(error.value)
    assert "ProcessPoolExecutor, or pass workers=0" in str(error.value)


def test_a_process_of_the_user_that_imports_the_script_is_refused(tmp_path):
    (tmp_path / "script.py").write_text(
        "import multiprocessing, os, sys\n"
        "from cxrbench.errors import ConfigError\nfrom cxrbench.execution.executor import refuse_inside_import\n"
        "try:\n    refuse_inside_import()\nexcept ConfigError as error:\n    print(error, flush=True)\n    os._exit(0)\n"
        "process = multiprocessing.get_context('spawn').Process(target=print)\nprocess.start()\nprocess.join()\n"
    )
    done = python("script.py", folder=tmp_path)
    assert done.stdout.count("put the call under if __name__ == '__main__'") == 1
    refuse_inside_import()


def test_spawning_is_unchanged_for_other_processes(open_light):
    before = multiprocessing.spawn.get_preparation_data, multiprocessing.spawn.get_command_line
    with open_light(1) as executor, ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as own:
        assert executor.submit(os.getpid).result(60) != own.submit(os.getpid).result(60)
    assert (multiprocessing.spawn.get_preparation_data, multiprocessing.spawn.get_command_line) == before
