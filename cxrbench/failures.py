"""Why a call failed, in words for a row of the leaderboard."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any, TypeVar

from cxrbench.errors import CxrbenchError
from cxrbench.text import as_line, without_places

if TYPE_CHECKING:
    from collections.abc import Iterable

E = TypeVar("E", bound=BaseException)

CRASHES = frozenset({signal.SIGABRT, signal.SIGSEGV, *([signal.SIGBUS] if hasattr(signal, "SIGBUS") else [])})


class Lost(CxrbenchError):
    """A call whose worker died, or that took more time or memory than it may."""


class OutOfMemory(Lost):
    """A call that needed, or may have needed, more memory than its worker had left."""


def took_too_long(seconds: float) -> Lost:
    """Return the failure of a call that had to be ended."""
    return Lost(f"took longer than {seconds:g} s (--timeout)")


def used_too_much(memory: int) -> OutOfMemory:
    """Return the failure of a call that asked for more than `memory` bytes."""
    return OutOfMemory(f"MemoryError: used more than {memory / 1e9:.3g} GB (--max-memory)")


def crashed(exit_code: int | None, memory: int | None) -> Lost:
    """Return the failure of a call whose worker ended; native code that gets no memory seldom says so."""
    if memory is None or exit_code is None or -exit_code not in CRASHES:
        return died(exit_code)
    return OutOfMemory(f"{died(exit_code)}, maybe because it may use {memory / 1e9:.3g} GB (--max-memory)")


def died(exit_code: int | None) -> Lost:
    """Return the failure of a call whose worker ended; None if nobody saw how."""
    if exit_code is None:
        return Lost("the worker process died")
    names = {-number.value: number.name for number in signal.Signals}
    return Lost(f"the worker process died ({names.get(exit_code, f'exit code {exit_code}')})")


def reason_of(error: BaseException) -> str:
    """Return in one line why a call failed, fit to be read by anybody."""
    text: Any = without_places(str(error)).strip().splitlines()
    if isinstance(error, Lost):
        return as_line(text[0])
    return as_line(f"{type(error).__name__}: {text[0]}" if text else type(error).__name__)


def with_log(error: E, lines: Iterable[str]) -> E:
    """Return the error, with what was printed before it as its notes."""
    for line in lines:
        error.add_note(line)
    return error


def is_lost(error: BaseException | None) -> bool:
    """Return whether a call cost a worker or a limit, also where the failure was raised on account of that call."""
    return isinstance(error, Lost) or isinstance(getattr(error, "__cause__", None), Lost)


def log_of(error: BaseException) -> tuple[str, ...]:
    """Return the last lines that the failed call printed: the notes of the exception, or of the one that it came from.

    Like its reason they are fit to be read by anybody: a traceback tells where things lie on this machine.
    """
    notes = getattr(error, "__notes__", ()) or getattr(error.__cause__, "__notes__", ())
    return tuple(as_line(without_places(str(line))) for line in notes)
