"""What happens inside a worker process: how it starts, what it may use, and how it answers one call."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cxrbench.errors import CxrbenchError
from cxrbench.failures import reason_of, used_too_much
from cxrbench.output import kept_output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned(Generic[T]):
    """What a call returned or raised, and how many bytes of memory the worker has since."""

    value: T | None = None
    error: Exception | None = None
    process: int
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Generic[T]):
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


def start_worker(memory: int | None = None) -> None:
    """Give the process one thread and no more memory than it may use, leave Ctrl-C to the parent, and import Keras."""
    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(dict.fromkeys(THREADS, "1"))
    threadpool_limits(1)  # of what a user's script, which workers import, has loaded before
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # what is printed must survive the process
    with suppress(Exception):  # a call that needs it will say what is wrong
        import_keras()
    if memory and memory_can_be_limited():
        _limit_memory(memory)


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


def answer(asked: Asked[T]) -> Returned[T]:
    """Compute a call; what it prints goes to its file, and what it raises is made fit for the way back to the parent."""
    import_keras()
    value, error = None, None
    with kept_output(asked.outputs, asked.number):
        try:
            value = asked.function(*asked.arguments, **asked.keywords)
        except (Exception, SystemExit) as raised:  # a plugin ends its own call, not the run
            traceback.print_exc()
            error = _fit_to_travel(raised, asked.memory)
    return Returned(value=value, error=error, process=os.getpid(), memory=anonymous_memory())


def _fit_to_travel(error: Exception | SystemExit, memory: int | None) -> Exception:
    if memory and (isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"):  # TensorFlow's
        return used_too_much(memory)
    if isinstance(error, SystemExit):
        return CxrbenchError(reason_of(error))
    try:  # its own bytes a moment later; besides, pebble's pipe between own processes is all that is ever unpickled
        pickle.loads(pickle.dumps(error))
    except Exception:
        return CxrbenchError(reason_of(error))
    return error


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
