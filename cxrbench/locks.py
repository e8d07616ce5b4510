"""Locks of the operating system, one file each: they die with their holder, and leave no file behind."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@contextmanager
def taken(path: Path) -> Iterator[bool]:
    """Hold a lock unless another process, or another thread of this one, does; yield whether it was free."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        _free(lock, path)


@contextmanager
def waited_for(path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a lock, however long another holder takes; `on_wait` is called once if there is one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        on_wait()
        lock.acquire()
    try:
        yield
    finally:
        _free(lock, path)


def is_free(path: Path) -> bool:
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
