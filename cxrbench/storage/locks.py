"""Locks of the operating system, one file each: they die with their holder, and leave no file behind."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from cxrbench.storage.files import reporting_full_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Hold a lock unless another process, or another thread of this one, does; yield whether it was free."""
    lock, is_mine = _tried(path)
    if not is_mine:
        yield False
        return
    try:
        yield True
    finally:
        _free(lock, path)


@contextmanager
def wait_for_lock(path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a lock, however long another holder takes; `on_wait` is called once if there is one."""
    lock, is_mine = _tried(path)
    if not is_mine:
        on_wait()
        lock.acquire()
    try:
        yield
    finally:
        _free(lock, path)


def _tried(path: Path) -> tuple[FileLock, bool]:
    """Return a lock, and whether it is held now, because nobody else held it; raise DiskFull if it finds no room."""
    lock = FileLock(path)
    with reporting_full_disk(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return lock, False
    return lock, True


def is_unlocked(path: Path) -> bool:
    """Return whether nobody holds a lock that has a file."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    lock.release()
    return True


def _free(lock: FileLock, path: Path) -> None:
    """Remove the file while it is held: whoever waits for it finds it gone and begins with a new one."""
    with suppress(OSError):  # Windows removes no file that is open
        path.unlink()
    lock.release()
