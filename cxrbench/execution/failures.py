"""Failures of calls: their kind, from a closed list, and their reason, one line for the leaderboard."""

from __future__ import annotations

import signal
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, TypeVar

from cxrbench.errors import CxrbenchError, DataError, Unavailable, WorkersUnavailable
from cxrbench.storage.safe_text import all_without_paths, as_line, without_paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cxrbench.plugin.contracts import Failure, Trial

E = TypeVar("E", bound=BaseException)

CRASH_SIGNALS = frozenset({signal.SIGABRT, signal.SIGSEGV, *([signal.SIGBUS] if hasattr(signal, "SIGBUS") else [])})
TERMINATION_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])})
"""Signals that ask a process to end. A system that shuts down sends them to every process."""

FULL_GPU = ("CUDA_ERROR_OUT_OF_MEMORY", "CUDNN_STATUS_ALLOC_FAILED", "No algorithm worked!")
"""What errors say when the memory of a GPU is full, besides those that have a type for it."""
MEMORY_REMEDY = "Memory may be short: use fewer --workers, or close other programs"
LIMITS_REMEDY = "Use fewer --workers, raise the limits of this user (ulimit -a), or free space for temporary files (TMPDIR)"
OWN_ERROR = f"{WorkersUnavailable.__module__}.{WorkersUnavailable.__name__}: "
"""How the traceback of one that a worker raised in its start ends."""
RESUME_REMEDY = "Finished work is kept: run the same command again when this is fixed"


class WorkerLost(CxrbenchError):
    """The worker of a call died, or the call exceeded its time or memory limit."""


class CallTimeout(WorkerLost):
    """A call exceeded its time limit."""


class OutOfMemory(WorkerLost):
    """A call ran out of memory, or probably did."""


class WorkerTerminated(WorkerLost):
    """The worker of a call was asked to end. The call itself is not the cause."""


class NotFinite(CxrbenchError):
    """A result contains NaN or infinity."""


class RemoteError(CxrbenchError):
    """An exception of a worker that cannot be pickled, as its reason and failure kind."""

    def __init__(self, reason: str, failure: Failure) -> None:
        """Store the failure reason, one line, and the failure kind."""
        super().__init__(reason)
        self.failure = failure

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.failure)


class TrialsFailed(CxrbenchError):
    """A study has no result because its trials failed."""

    def __init__(self, reason: str, trial: Trial) -> None:
        """Store one of the failed trials; its log becomes the notes of this error."""
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
    """Return the kind of a failure.

    The failure of a study has the kind of its trials. An error of unknown type is a plugin error. A CxrbenchError of no
    special type has the kind of its cause.
    """
    error = _unwrap_staging_error(error)
    if isinstance(error, RemoteError):
        return error.failure
    if isinstance(error, TrialsFailed):
        return error.trial.failure or "plugin_error"
    if is_resource_exhausted(error):
        return "oom"
    for error_type, kind in FAILURE_KINDS:
        if isinstance(error, error_type):
            return kind
    return failure_kind(error.__cause__) if isinstance(error, CxrbenchError) and error.__cause__ else "plugin_error"


def is_resource_exhausted(error: BaseException) -> bool:
    """Return whether this is an out-of-memory error of TensorFlow, JAX or PyTorch. It compares names, to import none."""
    name, text = type(error).__name__, str(error)
    is_named = name in {"ResourceExhaustedError", "OutOfMemoryError"}
    is_coded = name.endswith("RuntimeError") and text.startswith("RESOURCE_EXHAUSTED")
    return is_named or is_coded or any(words in text for words in FULL_GPU)


def _unwrap_staging_error(error: BaseException) -> BaseException:
    """Return the original error if TensorFlow wrapped it while it traced a function."""
    while type(error).__name__ == "StagingError" and error.__context__:
        error = error.__context__
    return error


def timed_out(seconds: float) -> CallTimeout:
    """Return the failure of a call that took longer than `seconds`."""
    return CallTimeout(f"took longer than {seconds:g} s (--timeout)")


def memory_exceeded(memory: int) -> OutOfMemory:
    """Return the failure of a call that needed more than `memory` bytes."""
    return OutOfMemory(f"MemoryError: used more than {memory / 1e9:.3g} GB (--max-memory)")


def exit_failure(exit_code: int | None, memory: int | None) -> WorkerLost:
    """Return the failure of a call whose worker ended. Under a memory limit, a crash of native code counts as out of memory."""
    if memory is None or exit_code is None or -exit_code not in CRASH_SIGNALS:
        return worker_lost(exit_code)
    return OutOfMemory(f"{worker_lost(exit_code)}: it may have used more than {memory / 1e9:.3g} GB (--max-memory)")


def worker_lost(exit_code: int | None) -> WorkerLost:
    """Return the failure of a call whose worker ended with an exit code; None is an unknown exit code."""
    if exit_code is None:
        return WorkerLost("the worker process died")
    if exit_code == signal.SIGTERM:  # pebble's workers catch SIGTERM and exit with its number
        exit_code = -exit_code
    error_type = WorkerTerminated if -exit_code in TERMINATION_SIGNALS else WorkerLost
    return error_type(f"the worker process died ({_exit_name(exit_code)})")


def _exit_name(exit_code: int | None) -> str:
    names = {-number.value: number.name for number in signal.Signals}
    return names.get(exit_code or 0, f"exit code {exit_code}")


def workers_unavailable(
    failed: Sequence[tuple[int | None, str]] = (), *, cause: BaseException | None = None
) -> WorkersUnavailable:
    """Return the error of worker processes that cannot start.

    Args:
        failed: exit code and last error message of each process that ended before it was ready.
        cause: the error with which this system refused a process, a thread or a file.
    """
    if cause is not None:
        found, remedy = _innermost(cause), LIMITS_REMEDY
    else:
        exit_code, said = failed[-1] if failed else (None, "")
        if said.startswith(OWN_ERROR):  # it says what to do
            return WorkersUnavailable(
                f"worker processes cannot start: {as_line(said.removeprefix(OWN_ERROR))}. {RESUME_REMEDY}"
            )
        found = as_line(said) or "they end at once" + (f" ({_exit_name(exit_code)})" if failed else "")
        remedy = MEMORY_REMEDY if exit_code == -signal.SIGKILL else "Check this machine with: cxrbench doctor"
    return WorkersUnavailable(f"worker processes cannot start: {found}. {remedy}. {RESUME_REMEDY}")


def _innermost(error: BaseException) -> str:
    """Return the text of the first cause of an error."""
    while error.__cause__:
        error = error.__cause__
    return as_line(str(error) or type(error).__name__)


def failure_reason(error: BaseException) -> str:
    """Return the failure reason in one line, without paths of this machine and safe to show."""
    error = _unwrap_staging_error(error)
    text: Any = without_paths(str(error)).strip().splitlines()
    if isinstance(error, WorkerLost | RemoteError):
        return as_line(text[0])
    return as_line(f"{type(error).__name__}: {text[0]}" if text else type(error).__name__)


def with_log(error: E, lines: Iterable[str]) -> E:
    """Add the output of the failed call to the error's notes; return the error."""
    for line in lines:
        error.add_note(line)
    return error


def failure_log(error: BaseException) -> tuple[str, ...]:
    """Return the last lines that the failed call printed: the notes of the error, or else of its cause.

    They are safe to show and have no paths of this machine.
    """
    notes = getattr(error, "__notes__", ()) or getattr(error.__cause__, "__notes__", ())
    return tuple(map(as_line, all_without_paths(map(str, notes))))
