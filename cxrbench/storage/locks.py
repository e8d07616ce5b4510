"""Locks of the operating system, one file each. A lock ends with its holder; releasing it deletes the file."""

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
    """Hold a lock if it is free; yield whether it was. Other threads of this process count as other holders."""
    lock, is_held = _try_acquire(path)
    if not is_held:
        yield False
        return
    try:
        yield True
    finally:
        _release(lock, path)


@contextmanager
def wait_for_lock(path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a lock. If another holder has it, call `on_wait` once and wait without a time limit."""
    lock, is_held = _try_acquire(path)
    if not is_held:
        on_wait()
        lock.acquire()
    try:
        yield
    finally:
        _release(lock, path)


def _try_acquire(path: Path) -> tuple[FileLock, bool]:
    """Return a lock and whether it is now held; raise DiskFull if its file cannot be created."""
    lock = FileLock(path)
    with reporting_full_disk(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return lock, False
    return lock, True


def is_unlocked(path: Path) -> bool:
    """Return whether nobody holds a lock whose file exists."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    lock.release()
    return True


def _release(lock: FileLock, path: Path) -> None:
    """Delete the file, then release the lock. A waiting process sees that the file is gone and creates a new one."""
    with suppress(OSError):  # Windows cannot delete an open file
        path.unlink()
    lock.release()
