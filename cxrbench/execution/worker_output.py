"""What is printed while a worker computes a call: a file for each call, whose last lines stay with a failure."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from cxrbench.storage.locks import is_unlocked

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "cxrbench-workers-"
LOCK = "pool.lock"
LINES = 50
LONGEST_LINE = 400
LARGEST_OUTPUT = 2**22
"""Bytes of a file that is emptied, so that a call that prints for ever fills no disk."""


class PoolFolder:
    """A temporary folder of one pool of workers, with a lock in it that tells whether the pool still lives.

    Attributes:
        calls: for what is printed during calls.
        scratch: where workers put temporary files, which those that are killed leave.
    """

    def __init__(self) -> None:
        """Make the folder."""
        self._path = Path(tempfile.mkdtemp(prefix=PREFIX))
        self.calls, self.scratch = self._path / "calls", self._path / "scratch"
        self.calls.mkdir()
        self.scratch.mkdir()
        self._lock = FileLock(self._path / LOCK, thread_local=False)
        self._lock.acquire(timeout=0)

    def remove(self) -> None:
        """Remove it with all that is in it."""
        self._lock.release()
        shutil.rmtree(self._path, ignore_errors=True)


def abandoned_folders() -> list[Path]:
    """Return the folders of pools whose process was killed."""
    found = []
    for lock in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{LOCK}")):
        with suppress(OSError):  # another user's, or removed in this moment
            found += [lock.parent] if is_unlocked(lock) else []
    return found


@contextmanager
def captured_output(folder: Path, number: int) -> Iterator[None]:
    """Send what this process prints, native code included, to the file of call `number`, which tells of its process, too."""
    descriptor = os.open(_file(folder, number, os.getpid()), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    _flush()
    before = os.dup(1), os.dup(2)
    try:
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        yield
    finally:
        _flush()
        for kept, stream in zip(before, (1, 2), strict=True):
            os.dup2(kept, stream)
            os.close(kept)
        os.close(descriptor)


def processes_of_calls(folder: Path) -> dict[int, int]:
    """Return which process computes each call that has begun."""
    return {int(number): int(process) for number, _, process in (path.name.partition("-") for path in folder.iterdir())}


def take_output(folder: Path, number: int) -> tuple[str, ...] | None:
    """Return the last lines that a call printed, and forget it; None if it never began."""
    found = sorted(folder.glob(f"{number}-*"), key=lambda path: path.stat().st_mtime)
    if not found:
        return None
    text = found[-1].read_bytes()[-LINES * LONGEST_LINE :].decode("utf-8", errors="replace")
    for path in found:
        with suppress(OSError):  # Windows keeps a file that a dying process has open
            path.unlink()
    return tuple(line[:LONGEST_LINE] for line in text.splitlines() if line.strip())[-LINES:]


def shorten_outputs(folder: Path) -> None:
    """Empty the files that have grown too large."""
    for path in folder.iterdir():
        with suppress(OSError):  # its call may end meanwhile
            if path.stat().st_size > LARGEST_OUTPUT:
                os.truncate(path, 0)


def _file(folder: Path, number: int, process: int) -> Path:
    return folder / f"{number}-{process}"


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # closed, or None
            stream.flush()
