"""Calls on the workers of a Dask scheduler: what they see, how they fail, and what happens when machines do."""

from __future__ import annotations

import operator
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from distributed import Client

from cxrbench.execution.failures import failure_kind, failure_log, failure_reason
from cxrbench.execution.process_pool import Limits
from cxrbench.plugin.references import Reference

SLEEP = """
import os, time

with open(f"{folder}/starts", "a") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(seconds)
"""
RUN = """
import os, sys
from functools import partial

from cxrbench.execution.cluster.agreement import agreed
from cxrbench.execution.cluster.connection import Scheduler
from cxrbench.execution.cluster.executor import open_dask_executor
from cxrbench.execution.process_pool import WorkerPool
from cxrbench.execution.progress import Progress

scheduler, start = Scheduler(address=sys.argv[1]), partial(WorkerPool, 1, warm_up=os.getpid)
with agreed({}, (), (), ()) as agreement, open_dask_executor(scheduler, agreement, start, Progress()) as executor:
    executor.submit(exec, sys.argv[2], {"folder": sys.argv[3], "seconds": 600}).result()
"""


def test_calls_are_computed_elsewhere_in_the_cache_of_the_run(cluster, open_on, shared_home, wait_until):
    with open_on(cluster) as executor:
        wait_until(lambda: executor.workers == 2)
        calls = [executor.submit(divmod, number, 7) for number in range(40)]
        assert [call.result(60) for call in calls] == [divmod(number, 7) for number in range(40)]
        assert executor.submit(os.getpid).result(60) not in {os.getpid(), *(one.pid for one in cluster.processes)}
        assert executor.submit(os.getenv, "CXRBENCH_HOME").result(60) == str(shared_home)
        assert executor.submit(os.getenv, "OMP_NUM_THREADS").result(60) == "1"
        assert executor.submit(Path.cwd).result(60) == Path.cwd()
    assert not list(shared_home.glob(".cxrbench-cluster-*"))


def test_processes_keep_memory_as_those_of_a_local_run(cluster, open_on):
    with open_on(cluster) as executor:
        assert executor.submit(os.getenv, "MALLOC_TRIM_THRESHOLD_").result(60) is None


def test_failures_have_the_kinds_and_the_output_of_a_local_run(cluster, open_on):
    with open_on(cluster, limits=Limits(timeout=2)) as executor:
        zero = executor.submit(operator.truediv, 1, 0)
        assert failure_reason(zero.exception(60)) == "ZeroDivisionError: division by zero"
        assert "Traceback" in failure_log(zero.exception())[0]
        slow = executor.submit(time.sleep, 60)
        assert failure_kind(slow.exception(60)) == "timeout"
        assert failure_reason(slow.exception()) == "took longer than 2 s (--timeout)"
        dead = executor.submit(os._exit, 3)
        assert failure_kind(dead.exception(60)) == "killed"
        assert executor.submit(operator.add, 1, 2).result(60) == 3


def test_a_one_file_plugin_reaches_workers_without_it(new_cluster, open_on, tmp_path, wait_until):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "helper.py").write_text("ANSWER = 42\n")
    plugin = folder / "odd.py"
    plugin.write_text("import helper\n\nFOUND = helper.ANSWER, __file__\n")
    new_cluster.start_worker()
    with open_on(new_cluster, files=[plugin]) as executor:
        folder.rename(tmp_path / "elsewhere")  # as on another machine
        wait_until(lambda: executor.has_workers)
        answer, place = executor.submit(Reference(text="odd:FOUND", file=plugin).resolve).result(60)
        assert answer == 42
        assert Path(place).name == "odd.py"
        assert not place.startswith(str(tmp_path))
    assert not Path(place).exists()


def test_networks_are_computed_on_the_gpus_of_workers_and_heads_on_none(new_cluster, open_on, wait_until):
    new_cluster.start_worker(2, CUDA_VISIBLE_DEVICES="3,5")
    with open_on(new_cluster) as executor:
        assert executor.for_networks() is executor
        wait_until(lambda: executor.has_workers)
        networks = executor.for_networks()
        assert (executor.workers, networks.workers) == (2, 2)
        assert networks.for_networks() is networks
        seen = {networks.submit(os.getenv, "CUDA_VISIBLE_DEVICES").result(60) for _ in range(4)}
        assert seen <= {"3", "5"}
        assert seen
        assert executor.submit(os.getenv, "CUDA_VISIBLE_DEVICES").result(60) == "-1"


def test_a_gpu_that_keras_does_not_see_is_named_and_not_used(new_cluster, open_on, heard, wait_until):
    new_cluster.start_worker(1, CUDA_VISIBLE_DEVICES="3")
    with open_on(new_cluster, seen=tuple) as executor:
        wait_until(lambda: executor.has_workers)
        assert executor.for_networks() is executor
        problem = "GPU 3 cannot be used: the Keras backend of a worker sees no GPU"
        wait_until(lambda: any(line.endswith(problem) for line in heard.lines))


def test_a_call_whose_machine_dies_is_computed_once_more(new_cluster, open_on, tmp_path, wait_until):
    first = new_cluster.start_worker()
    with open_on(new_cluster) as executor:
        wait_until(lambda: executor.has_workers)
        call = executor.submit(exec, SLEEP, {"folder": str(tmp_path), "seconds": 3})
        wait_until(lambda: starts(tmp_path) == 1)
        new_cluster.start_worker()
        new_cluster.kill(first)
        assert call.exception(120) is None
        assert starts(tmp_path) == 2


def test_a_call_that_ends_two_machines_is_a_killed_one(new_cluster, open_on, tmp_path, wait_until):
    workers = [new_cluster.start_worker(), new_cluster.start_worker()]
    with open_on(new_cluster) as executor:
        wait_until(lambda: executor.workers == 2)
        call = executor.submit(exec, SLEEP, {"folder": str(tmp_path), "seconds": 600})
        for number in (1, 2):
            wait_until(lambda number=number: starts(tmp_path) == number)
            new_cluster.kill(next(one for one in workers if one.poll() is None and is_at_work(one, tmp_path)))
        assert failure_kind(call.exception(120)) == "killed"
        assert failure_reason(call.exception()) == "the worker process died, and another one that computed it again, too"


def test_stopping_ends_calls_on_workers_within_seconds(cluster, open_on, tmp_path, wait_until):
    with open_on(cluster) as executor:
        calls = [executor.submit(exec, SLEEP, {"folder": str(tmp_path), "seconds": 600}) for _ in range(5)]
        wait_until(lambda: starts(tmp_path) == 2)
        processes = [int(line) for line in (tmp_path / "starts").read_text().split()]
        executor.stop()
        for call in calls:
            with pytest.raises(KeyboardInterrupt):
                call.result(10)
        wait_until(lambda: not any(map(is_alive, processes)), 10)
        with pytest.raises(KeyboardInterrupt):
            executor.submit(os.getpid)


def test_killing_a_run_ends_its_calls_and_leaves_the_workers(new_cluster, open_on, tmp_path, wait_until):
    new_cluster.start_worker()
    (tmp_path / "run.py").write_text(RUN)
    run = subprocess.Popen([sys.executable, "run.py", new_cluster.file, SLEEP, str(tmp_path)], cwd=tmp_path)
    try:
        wait_until(lambda: starts(tmp_path) == 1)
    finally:
        run.kill()
        run.wait()
    (process,) = (int(line) for line in (tmp_path / "starts").read_text().split())
    wait_until(lambda: not is_alive(process), 30)
    with open_on(new_cluster) as executor:
        assert executor.submit(operator.add, 1, 2).result(60) == 3
        with Client(scheduler_file=new_cluster.file) as client:
            assert registered(client) == 1


def test_calls_survive_one_death_while_any_run_is_there(new_cluster, open_on):
    with Client(scheduler_file=new_cluster.file) as client:
        usual = allowed(client)
        with open_on(new_cluster):
            with open_on(new_cluster):
                assert allowed(client) == 1
            assert allowed(client) == 1
        assert allowed(client) == usual > 1


def test_a_run_waits_for_the_first_worker_and_says_so(new_cluster, open_on, heard, wait_until):
    with open_on(new_cluster) as executor:
        call = executor.submit(operator.add, 1, 2)
        wait_until(lambda: heard.lines)
        assert heard.lines == [f"waiting up to 60 s for a worker of {new_cluster.file}"]
        new_cluster.start_worker()
        assert call.result(120) == 3


def test_a_run_waits_only_so_long(new_cluster, open_on):
    with open_on(new_cluster, patience=2) as executor:
        error = executor.submit(operator.add, 1, 2).exception(60)
        assert f"no worker of {new_cluster.file} could compute for 2 s" in str(error)
        assert "run the same command again" in str(error)


def test_a_scheduler_that_ends_interrupts_the_run(new_cluster, open_on, heard, tmp_path, wait_until):
    new_cluster.start_worker()
    with open_on(new_cluster) as executor:
        call = executor.submit(exec, SLEEP, {"folder": str(tmp_path), "seconds": 600})
        wait_until(lambda: starts(tmp_path) == 1)
        new_cluster.kill(new_cluster.processes[0])
        with pytest.raises(KeyboardInterrupt):
            call.result(60)
    assert any("does not answer any more" in line for line in heard.lines)


def allowed(client):
    return client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.allowed_failures)


def registered(client):
    return client.run_on_scheduler(
        lambda dask_scheduler: sum(name.startswith("cxrbench") for name in dask_scheduler.worker_plugins)
    )


def starts(folder):
    file = folder / "starts"
    return len(file.read_text().split()) if file.exists() else 0


def is_at_work(worker, folder):
    """Return whether the process of the last call belongs to the session of a worker."""
    last = int((folder / "starts").read_text().split()[-1])
    return is_alive(last) and os.getsid(last) == worker.pid


def is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
