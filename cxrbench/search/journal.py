"""Read and write a study's journal file, under a lock of the operating system and without unfinished lines."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from cxrbench.errors import CxrbenchError, StudyDamaged
from cxrbench.storage.locks import wait_for_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from optuna.storages.journal import JournalFileOpenLock

JOURNAL_BLOCK_BYTES = 1 << 16


class SystemLock:
    """An operating system lock of a journal, released when its process dies (on NFS, too); its holder sees whole lines only.

    Optuna's own locks are files that a killed process leaves behind; other processes then wait until the file is old. The lock
    file is not called JOURNAL.lock, because Optuna reads that name as a held lock of its own.
    """

    def __init__(self, journal: Path) -> None:
        """Keep the path of the journal, without locking it."""
        self._journal = journal
        self._held = ExitStack()

    def acquire(self) -> bool:
        """Wait for the lock, then cut off the unfinished line of a process that was killed."""
        try:
            self._held.enter_context(wait_for_lock(self._journal.with_suffix(".writing.lock")))
        except OSError as error:
            raise CxrbenchError(
                f"cannot lock {self._journal}: {error.strerror}. Use another file system for --out, or use --storage"
            ) from None
        try:
            cut_unfinished_line(self._journal)
        except BaseException:
            self._held.close()
            raise
        return True

    def release(self) -> None:
        """Release the lock."""
        self._held.close()


def open_journal(path: Path) -> JournalStorage:
    """Open a journal, or create it; raise StudyDamaged if a line is not a valid study record."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = SystemLock(path)
    backend = _file_backend(path, lock)
    lock.acquire()
    try:
        with reporting_damage(path):
            _check_last_line(path)  # Optuna ignores an invalid last line until another one follows
            return JournalStorage(backend)
    finally:
        lock.release()


def read_journal(path: Path) -> JournalStorage:
    """Read a journal without a lock and without changing it; raise StudyDamaged as `open_journal` does."""
    with reporting_damage(path):
        return JournalStorage(_file_backend(path, SystemLock(path)))


def _file_backend(path: Path, lock: SystemLock) -> JournalFileBackend:
    return JournalFileBackend(str(path), lock_obj=cast("JournalFileOpenLock", lock))  # it has the same methods


@contextmanager
def reporting_damage(path: Path) -> Iterator[None]:
    """Raise StudyDamaged instead of the errors of Optuna for an invalid line of a journal."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError):
        raise StudyDamaged(
            f"{path} is damaged: a line is not a valid study record. Move the file away to repeat its trials"
        ) from None


def cut_unfinished_line(path: Path) -> None:
    """Cut a file after its last complete line."""
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        if (complete := _after_last_newline(file, end)) < end:
            file.truncate(complete)


def _check_last_line(path: Path) -> None:
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        if end:
            file.seek(_after_last_newline(file, end - 1))
            json.loads(file.read())


def _after_last_newline(file: BinaryIO, end: int) -> int:
    """Return the position after the last newline before `end`, or 0."""
    while end:
        start = max(0, end - JOURNAL_BLOCK_BYTES)
        file.seek(start)
        if offset := file.read(end - start).rfind(b"\n") + 1:
            return start + offset
        end = start
    return 0
