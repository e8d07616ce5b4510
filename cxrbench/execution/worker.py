"""Code that runs inside a worker process: start, resource limits, and running a call."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cxrbench.errors import DiskFull
from cxrbench.execution.devices import claim_gpu, hide_gpus, see_only
from cxrbench.execution.failures import (
    OutOfMemory,
    RemoteError,
    failure_kind,
    failure_reason,
    is_resource_exhausted,
    memory_exceeded,
)
from cxrbench.execution.search_path import IMPORTED_FROM
from cxrbench.execution.spawning import say_ready
from cxrbench.execution.surroundings import SAME_SURROUNDINGS, Surroundings
from cxrbench.execution.worker_output import captured_output
from cxrbench.storage.files import DISK_FULL_ERRNOS

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess

T = TypeVar("T")

PARENT_POLL_SECONDS = 0.5
"""Seconds between two checks that the parent is alive."""
THREAD_VARIABLES = (
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerResult(Generic[T]):
    """The return value or the exception of a call, the worker's process ID, and its memory in bytes after the call."""

    value: T | None = None
    error: Exception | None = None
    process: int
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCall(Generic[T]):
    """A call as it is sent to a worker.

    Attributes:
        number: unique within the run.
        outputs: folder for the printed output of calls.
        memory: memory limit of the worker in bytes, or None.
    """

    number: int
    outputs: Path
    memory: int | None
    function: Callable[..., T]
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStart:
    """What a worker needs to start.

    Attributes:
        scratch: folder for its temporary files.
        marks: folder for the mark that it is ready.
        memory: memory limit in bytes, or None.
        surroundings: that it takes over.
        gpus: of which it takes a free one for itself; empty if it sees none.
        package: the folder that the parent imported this package from.
    """

    scratch: Path
    marks: Path
    memory: int | None
    surroundings: Surroundings = SAME_SURROUNDINGS
    gpus: tuple[str, ...] = ()
    package: str = IMPORTED_FROM


def start_worker(start: WorkerStart, warm_up: Callable[[], object]) -> None:
    """Set up a worker: one thread, one GPU or none, a folder for temporary files, `warm_up` called, then a memory limit.

    The worker ignores Ctrl-C, which the parent handles. It exits when its parent ends, even if that was killed. If anything
    fails, the worker does not start.
    """
    from threadpoolctl import threadpool_limits

    if start.package != IMPORTED_FROM:
        raise ImportError(f"workers import cxrbench from {IMPORTED_FROM}, but this run is of the one in {start.package}")
    if parent := multiprocessing.parent_process():
        Thread(target=_exit_with_parent, args=(parent,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    start.surroundings.enter()
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    os.environ["TMPDIR"] = tempfile.tempdir = str(start.scratch)
    threadpool_limits(1)  # for libraries that are already loaded
    see_only(claim_gpu(start.gpus, start.marks)) if start.gpus else hide_gpus()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1" if start.gpus else "3")  # a warning says why a GPU cannot be used
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # so that output is kept when the process dies
    warm_up()
    if start.memory and memory_can_be_limited():
        _set_memory_limit(start.memory)
    say_ready(start.marks)


def _exit_with_parent(parent: BaseProcess) -> None:
    """Exit when the parent has ended: this process has another parent, or the parent's pipe is closed.

    Linux's PR_SET_PDEATHSIG does not work here: its signal comes when the thread ends that started the worker.
    """
    while os.getppid() == parent.pid and parent.is_alive():
        time.sleep(PARENT_POLL_SECONDS)
    os._exit(1)


def memory_can_be_limited() -> bool:
    """Return whether this system can limit the memory of a process."""
    return sys.platform == "linux"


def _set_memory_limit(memory: int) -> None:
    """Limit the memory of this process to a number of bytes. Larger allocations fail.

    The limit is RLIMIT_DATA, which counts private writable memory. RLIMIT_AS also counts mapped libraries and reserved
    ranges: three times the memory that a worker with a ResNet50 uses.
    """
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def anonymous_memory() -> int:
    """Return the memory of this process in bytes, without mapped files, or 0 if the system does not report it."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0
    words = status.partition("RssAnon:")[2].split()
    return int(words[0]) * 1024 if words else 0


def run_call(call: WorkerCall[T]) -> WorkerResult[T]:
    """Run a call, capture its output in its file, and return its value or an exception that can be pickled."""
    value, error = None, None
    try:
        with captured_output(call.outputs, call.number):
            value = _run_and_print_traceback(call)
    except (Exception, SystemExit) as raised:  # a plugin that exits ends its own call, not the run
        error = _as_sendable(raised, call.memory)
    return WorkerResult(value=value, error=error, process=os.getpid(), memory=anonymous_memory())


def _run_and_print_traceback(call: WorkerCall[T]) -> T:
    try:
        return call.function(*call.arguments, **call.keywords)
    except (Exception, SystemExit):
        with suppress(OSError):  # the disk may be full
            traceback.print_exc()
        raise


def _as_sendable(error: Exception | SystemExit, memory: int | None) -> Exception:
    """Return an exception of the same failure kind that the parent can unpickle without importing plugins."""
    if isinstance(error, OSError) and error.errno in DISK_FULL_ERRNOS:
        return DiskFull(str(error))
    if memory and (isinstance(error, MemoryError) or is_resource_exhausted(error)):
        return memory_exceeded(memory)
    if is_resource_exhausted(error):
        return OutOfMemory(failure_reason(error))
    if isinstance(error, SystemExit):
        return RemoteError(failure_reason(error), failure_kind(error))
    try:  # elsewhere only pebble unpickles, from its pipe between our processes
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301  # these bytes were just pickled here
    except Exception:
        copy = None
    is_same = type(copy) is type(error) and failure_kind(copy) == failure_kind(error)  # pickling drops the cause
    return error if is_same else RemoteError(failure_reason(error), failure_kind(error))
