"""Why a call failed: in words for a row of the leaderboard, and as one kind of a closed list."""

from __future__ import annotations

import signal
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, TypeVar

from cxrbench.errors import CxrbenchError, DataError, Unavailable
from cxrbench.storage.safe_text import all_without_paths, as_line, without_paths

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cxrbench.plugin.contracts import Failure, Trial

E = TypeVar("E", bound=BaseException)

CRASHES = frozenset({signal.SIGABRT, signal.SIGSEGV, *([signal.SIGBUS] if hasattr(signal, "SIGBUS") else [])})
REQUESTS = frozenset({signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])})
"""How systems and people ask a process to end: one that shuts down asks every process."""


class WorkerLost(CxrbenchError):
    """A call whose worker died, or that took more time or memory than it may."""


class CallTimeout(WorkerLost):
    """A call that had to be ended."""


class OutOfMemory(WorkerLost):
    """A call that needed, or may have needed, more memory than its worker had left."""


class WorkerTerminated(WorkerLost):
    """A call whose worker somebody asked to end, which says nothing of the call."""


class NotFinite(CxrbenchError):
    """Numbers that are infinite or no numbers where a result needs finite ones."""


class RemoteError(CxrbenchError):
    """What a worker raised, where that itself cannot travel to this process."""

    def __init__(self, reason: str, failure: Failure) -> None:
        """Keep in one line why the call failed, and of what kind that was."""
        super().__init__(reason)
        self.failure = failure

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.failure)


class TrialsFailed(CxrbenchError):
    """The end of a study that has no result, on account of its trials."""

    def __init__(self, reason: str, trial: Trial) -> None:
        """Keep the trial that stands for those that failed; what it printed becomes the error's notes."""
        super().__init__(reason)
        self.trial = trial
        with_log(self, trial.log)


FAILURE_KINDS: tuple[tuple[type[BaseException], Failure], ...] = (
    (OutOfMemory, "oom"),
    (MemoryError, "oom"),
    (CallTimeout, "timeout"),
    (WorkerLost, "killed"),
    (BrokenProcessPool, "killed"),
    (NotFinite, "nan"),
    (DataError, "data_error"),
    (Unavailable, "unavailable"),
)


def failure_kind(error: BaseException) -> Failure:
    """Return what sort of failure an error is; a study's end is what its trials were, a plugin's fault whatever is unknown."""
    error = _unwrapped(error)
    if isinstance(error, RemoteError):
        return error.failure
    if isinstance(error, TrialsFailed):
        return error.trial.failure or "plugin_error"
    if is_exhaustion(error):
        return "oom"
    for known, kind in FAILURE_KINDS:
        if isinstance(error, known):
            return kind
    return failure_kind(error.__cause__) if isinstance(error, CxrbenchError) and error.__cause__ else "plugin_error"


def is_exhaustion(error: BaseException) -> bool:
    """Return whether TensorFlow or JAX, which are not imported to find out, say that a computation got no memory."""
    name = type(error).__name__
    return name == "ResourceExhaustedError" or (name.endswith("RuntimeError") and str(error).startswith("RESOURCE_EXHAUSTED"))


def _unwrapped(error: BaseException) -> BaseException:
    """Return what an error was raised for; TensorFlow makes another one of what is raised while it traces."""
    while type(error).__name__ == "StagingError" and error.__context__:
        error = error.__context__
    return error


def timed_out(seconds: float) -> CallTimeout:
    """Return the failure of a call that had to be ended."""
    return CallTimeout(f"took longer than {seconds:g} s (--timeout)")


def memory_exceeded(memory: int) -> OutOfMemory:
    """Return the failure of a call that asked for more than `memory` bytes."""
    return OutOfMemory(f"MemoryError: used more than {memory / 1e9:.3g} GB (--max-memory)")


def worker_crashed(exit_code: int | None, memory: int | None) -> WorkerLost:
    """Return the failure of a call whose worker ended; native code that gets no memory seldom says so."""
    if memory is None or exit_code is None or -exit_code not in CRASHES:
        return worker_died(exit_code)
    return OutOfMemory(f"{worker_died(exit_code)}, maybe because it may use {memory / 1e9:.3g} GB (--max-memory)")


def worker_died(exit_code: int | None) -> WorkerLost:
    """Return the failure of a call whose worker ended; None if nobody saw how."""
    if exit_code is None:
        return WorkerLost("the worker process worker_died")
    if exit_code == signal.SIGTERM:  # pebble's workers clean up when they are asked to end, and leave with its number
        exit_code = -exit_code
    names = {-number.value: number.name for number in signal.Signals}
    how = WorkerTerminated if -exit_code in REQUESTS else WorkerLost
    return how(f"the worker process died ({names.get(exit_code, f'exit code {exit_code}')})")


def failure_reason(error: BaseException) -> str:
    """Return in one line why a call failed, fit to be read by anybody."""
    error = _unwrapped(error)
    text: Any = without_paths(str(error)).strip().splitlines()
    if isinstance(error, WorkerLost | RemoteError):
        return as_line(text[0])
    return as_line(f"{type(error).__name__}: {text[0]}" if text else type(error).__name__)


def with_log(error: E, lines: Iterable[str]) -> E:
    """Return the error, with what was printed before it as its notes."""
    for line in lines:
        error.add_note(line)
    return error


def failure_log(error: BaseException) -> tuple[str, ...]:
    """Return the last lines that the failed call printed: the notes of the exception, or of the one that it came from.

    Like its reason they are fit to be read by anybody: a traceback tells where things lie on this machine.
    """
    notes = getattr(error, "__notes__", ()) or getattr(error.__cause__, "__notes__", ())
    return tuple(map(as_line, all_without_paths(map(str, notes))))
