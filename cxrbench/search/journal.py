"""A study's journal file: locked by the operating system, and never continued after half a line."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend

from cxrbench.errors import CxrbenchError, StudyDamaged
from cxrbench.storage.locks import wait_for_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from optuna.storages.journal import JournalFileOpenLock
    from optuna.trial import FrozenTrial

BLOCK = 1 << 16


class SystemLock:
    """The operating system's lock of a journal: it dies with its holder, on NFS, too, and whoever gets it finds whole lines.

    Optuna's own locks are files that a killed process leaves behind; everybody then waits until they are old. It is not called
    JOURNAL.lock, because Optuna takes that for a held lock of its kind.
    """

    def __init__(self, journal: Path) -> None:
        """Remember which journal; nothing is locked yet."""
        self._journal = journal
        self._held = ExitStack()

    def acquire(self) -> bool:
        """Wait for the lock, and cut off the half line of whoever was killed with it."""
        try:
            self._held.enter_context(wait_for_lock(self._journal.with_suffix(".writing.lock")))
        except OSError as error:
            raise CxrbenchError(
                f"{self._journal} cannot be locked: {error.strerror}; put --out on another file system, or use --storage"
            ) from None
        try:
            cut_unfinished_line(self._journal)
        except BaseException:
            self._held.close()
            raise
        return True

    def release(self) -> None:
        """Let the next one in."""
        self._held.close()


def open_journal(path: Path) -> JournalStorage:
    """Open a journal, or begin it; raise StudyDamaged for a line that no study can have written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = SystemLock(path)
    backend = _backend(path, lock)
    lock.acquire()
    try:
        with _named_if_damaged(path):
            _check_last_line(path)  # which Optuna passes over in silence until there is another one
            return JournalStorage(backend)
    finally:
        lock.release()


def read_journal(path: Path) -> JournalStorage:
    """Return what is in a journal, without a lock and without changing it; raise StudyDamaged as `open_journal` does."""
    with _named_if_damaged(path):
        return JournalStorage(_backend(path, SystemLock(path)))


def append_to_journal(path: Path, study: str, trial: FrozenTrial) -> None:
    """Put a trial at the end of the journal of one study; takes no more time or memory when there are many before it."""
    optuna.load_study(study_name=study, storage=JournalStorage(_Tail(path))).add_trial(trial)


class _Tail(BaseJournalBackend):
    """A journal that is read no further than its first line, which begins the study."""

    def __init__(self, path: Path) -> None:
        self._file = _backend(path, SystemLock(path))
        self._logs = [next(self._file.read_logs(0))]

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        return iter(self._logs[log_number_from:])

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self._file.append_logs(logs)
        self._logs += logs


def _backend(path: Path, lock: SystemLock) -> JournalFileBackend:
    return JournalFileBackend(str(path), lock_obj=cast("JournalFileOpenLock", lock))  # a lock is what can do what one can


@contextmanager
def _named_if_damaged(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError):
        raise StudyDamaged(
            f"{path} is damaged: not every line of it is a step of a study. Move it away, and its trials are searched anew"
        ) from None


def cut_unfinished_line(path: Path) -> None:
    """Shorten a file to its last whole line."""
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        if (whole := _after_last_newline(file, end)) < end:
            file.truncate(whole)


def _check_last_line(path: Path) -> None:
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        if end:
            file.seek(_after_last_newline(file, end - 1))
            json.loads(file.read())


def _after_last_newline(file: BinaryIO, end: int) -> int:
    """Return the place after the last newline before `end`, 0 if there is none."""
    while end:
        start = max(0, end - BLOCK)
        file.seek(start)
        if found := file.read(end - start).rfind(b"\n") + 1:
            return start + found
        end = start
    return 0
