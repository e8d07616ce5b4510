"""What happens inside a worker process: how it starts, what it may use, and how it answers one call."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import time
import traceback
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from io import TextIOWrapper
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cxrbench.errors import DiskFull
from cxrbench.execution.failures import OutOfMemory, RemoteError, failure_kind, failure_reason, is_exhaustion, memory_exceeded
from cxrbench.execution.worker_output import captured_output
from cxrbench.storage.files import DISK_FULL_ERRNOS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.process import BaseProcess

T = TypeVar("T")

PARENT_POLL_SECONDS = 0.5
"""Seconds between two looks at whether the parent is still there."""
THREAD_VARIABLES = (
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerResult(Generic[T]):
    """What a call returned or raised, and how many bytes of memory the worker has since."""

    value: T | None = None
    error: Exception | None = None
    process: int
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCall(Generic[T]):
    """One call as it travels to a worker.

    Attributes:
        number: tells the calls of a run apart.
        outputs: folder for what is printed meanwhile.
        memory: bytes that the worker may use; None for any number.
    """

    number: int
    outputs: Path
    memory: int | None
    function: Callable[..., T]
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]


def start_worker(scratch: Path, memory: int | None = None) -> None:
    """Give the process one thread, a folder for temporary files and no more memory than it may use, and import Keras.

    Ctrl-C is left to the parent. The process ends with its parent, even if that is killed and can tell nobody.
    """
    from threadpoolctl import threadpool_limits

    if parent := multiprocessing.parent_process():
        Thread(target=_end_with, args=(parent,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)
    threadpool_limits(1)  # of what a user's script, which workers import, has loaded before
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # what is printed must survive the process
    with suppress(Exception):  # a call that needs it will say what is wrong
        import_keras()
    if memory and memory_can_be_limited():
        _limit_memory(memory)


def _end_with(parent: BaseProcess) -> None:
    """End this process when its parent is gone: when it has become another one's child, or the parent's pipe is closed.

    Asking Linux for a signal (PR_SET_PDEATHSIG) will not do: it comes when the thread ends that started the worker.
    """
    while os.getppid() == parent.pid and parent.is_alive():
        time.sleep(PARENT_POLL_SECONDS)
    os._exit(1)


def memory_can_be_limited() -> bool:
    """Return whether this system holds a process to a limit."""
    return sys.platform == "linux"


def _limit_memory(memory: int) -> None:
    """Make allocations fail that would bring this process above a number of bytes.

    RLIMIT_DATA counts private writable memory. RLIMIT_AS counts mapped libraries and reserved ranges, too: three times of
    what a worker with a ResNet50 uses.
    """
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def anonymous_memory() -> int:
    """Return how many bytes of memory are this process's own, without mapped files; 0 where the system does not tell."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0
    words = status.partition("RssAnon:")[2].split()
    return int(words[0]) * 1024 if words else 0


def run_call(asked: WorkerCall[T]) -> WorkerResult[T]:
    """Compute a call; what it prints goes to its file, and what it raises is made fit for the way back to the parent."""
    import_keras()
    value, error = None, None
    try:
        with captured_output(asked.outputs, asked.number):
            value = _said(asked)
    except (Exception, SystemExit) as raised:  # a plugin ends its own call, not the run
        error = _fit_to_travel(raised, asked.memory)
    return WorkerResult(value=value, error=error, process=os.getpid(), memory=anonymous_memory())


def _said(asked: WorkerCall[T]) -> T:
    """Return what a call returns; what it raises is printed before it is raised."""
    try:
        return asked.function(*asked.arguments, **asked.keywords)
    except (Exception, SystemExit):
        with suppress(OSError):  # of a disk that has no room for that either
            traceback.print_exc()
        raise


def _fit_to_travel(error: Exception | SystemExit, memory: int | None) -> Exception:
    """Return an exception that the parent can read without importing what it is from, of the kind that it is."""
    if isinstance(error, OSError) and error.errno in DISK_FULL_ERRNOS:
        return DiskFull(str(error))
    if memory and (isinstance(error, MemoryError) or is_exhaustion(error)):
        return memory_exceeded(memory)
    if is_exhaustion(error):
        return OutOfMemory(failure_reason(error))
    if isinstance(error, SystemExit):
        return RemoteError(failure_reason(error), failure_kind(error))
    try:  # its own bytes a moment later; besides, pebble's pipe between own processes is all that is ever unpickled
        arrived = pickle.loads(pickle.dumps(error))
    except Exception:
        arrived = None  # its parts cannot be sent, or not be put together again
    same = type(arrived) is type(error) and failure_kind(arrived) == failure_kind(error)  # what it came from stays behind
    return error if same else RemoteError(failure_reason(error), failure_kind(error))


@cache
def import_keras() -> None:
    """Import Keras; what TensorFlow says of itself on the way comes before its log level counts, and goes nowhere."""
    with _native_stderr_closed():
        import keras  # noqa: F401


@contextmanager
def _native_stderr_closed() -> Iterator[None]:
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
