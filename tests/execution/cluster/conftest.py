"""Fixtures of the cluster tests: real schedulers and workers on the loopback address."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from cxrbench.execution.cluster.agreement import agreed
from cxrbench.execution.cluster.connection import Scheduler
from cxrbench.execution.cluster.executor import open_dask_executor
from cxrbench.execution.process_pool import WorkerPool
from cxrbench.execution.progress import Progress

DASK = Path(sys.executable).with_name("dask")


@dataclass
class Cluster:
    """A scheduler and its workers, processes of their own."""

    folder: Path
    processes: list[subprocess.Popen] = field(default_factory=list)

    @property
    def file(self):
        return str(self.folder / "scheduler.json")

    def start_scheduler(self):
        scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        wait_until(Path(self.file).is_file)
        return scheduler

    def start_worker(self, threads=1, **environment):
        options = ("--nthreads", str(threads), "--nworkers", "1", "--no-dashboard", "--host", "127.0.0.1")
        return self._start("worker", *options, **environment)

    def _start(self, what, *options, **environment):
        command = [str(DASK), what, *options, "--scheduler-file", self.file]
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{what}-{len(self.processes)}.log").open("w") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, **environment}, start_new_session=True, cwd=self.folder
            )
        self.processes.append(process)
        return process

    def kill(self, process):
        """Kill a process with its children, as a machine that loses power."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def end(self):
        for process in reversed(self.processes):
            self.kill(process)


class Heard(Progress):
    """Keeps what it is told."""

    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)

    warn = say


@pytest.fixture(name="wait_until", scope="session")
def wait_until_fixture():
    """Return a function that waits until a condition holds."""
    return wait_until


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory):
    """Set the cache of this module's runs and workers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXRBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        yield Path(os.environ["CXRBENCH_HOME"])


@pytest.fixture
def new_cluster(tmp_path, shared_home):
    """Return a cluster with a scheduler and no worker."""
    cluster = Cluster(tmp_path / "cluster")
    cluster.start_scheduler()
    yield cluster
    cluster.end()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, shared_home):
    """Return a cluster with one worker of two threads."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    cluster.start_scheduler()
    cluster.start_worker(2)
    yield cluster
    cluster.end()


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def open_on(heard):
    """Return how to open an executor on a cluster, whose processes import nothing."""

    def open_executor(cluster, *, patience=60.0, limits=None, files=(), packages=(), seen=os.getpid):
        start = partial(WorkerPool, 1, *([limits] if limits else []), warm_up=os.getpid)

        @contextmanager
        def opened():
            with (
                agreed({}, (), packages, files) as agreement,
                open_dask_executor(
                    Scheduler(address=cluster.file, patience=patience, seen=seen), agreement, start, heard
                ) as executor,
            ):
                yield executor

        return opened()

    return open_executor
