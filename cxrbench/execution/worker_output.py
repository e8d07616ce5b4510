"""The printed output of calls: one file for each call. Its last lines are stored with a failure."""

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

POOL_FOLDER_PREFIX = "cxrbench-workers-"
POOL_LOCK = "pool.lock"
LOG_LINES = 50
LONGEST_LOG_LINE = 400
LARGEST_OUTPUT_BYTES = 2**22
"""Larger output files are emptied, so that a call that prints endlessly does not fill the disk."""


class PoolFolder:
    """A temporary folder of a worker pool. The pool holds a lock file in it as long as it exists.

    Attributes:
        calls: folder for the output of calls.
        scratch: folder for temporary files of workers. Killed workers leave files there.
        starts: folder for what workers say while they start.
    """

    def __init__(self) -> None:
        """Create the folder and hold its lock; raise OSError if there is no room for it."""
        self._path = Path(tempfile.mkdtemp(prefix=POOL_FOLDER_PREFIX))
        self.calls, self.scratch, self.starts = (self._path / name for name in ("calls", "scratch", "starts"))
        for folder in (self.calls, self.scratch, self.starts):
            folder.mkdir()
        self._lock = FileLock(self._path / POOL_LOCK, thread_local=False)
        self._lock.acquire(timeout=0)

    def remove(self) -> None:
        """Remove the folder and everything in it."""
        self._lock.release()
        shutil.rmtree(self._path, ignore_errors=True)


def abandoned_folders() -> list[Path]:
    """Return the folders of pools whose process was killed."""
    folders = []
    for lock in sorted(Path(tempfile.gettempdir()).glob(f"{POOL_FOLDER_PREFIX}*/{POOL_LOCK}")):
        with suppress(OSError):  # it belongs to another user, or was just removed
            folders += [lock.parent] if is_unlocked(lock) else []
    return folders


@contextmanager
def captured_output(folder: Path, number: int) -> Iterator[None]:
    """Redirect the output of this process, native code included, to the file of call `number`. The name has the process ID."""
    descriptor = os.open(folder / f"{number}-{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    _flush_streams()
    originals = os.dup(1), os.dup(2)
    try:
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        yield
    finally:
        _flush_streams()
        for original, stream in zip(originals, (1, 2), strict=True):
            os.dup2(original, stream)
            os.close(original)
        os.close(descriptor)


def processes_of_calls(folder: Path) -> dict[int, int]:
    """Return the process ID of each call that has started, by call number."""
    return {int(number): int(process) for number, _, process in (path.name.partition("-") for path in folder.iterdir())}


def take_output(folder: Path, number: int) -> tuple[int, tuple[str, ...]] | None:
    """Return the process ID of a call and the last lines that it printed, and delete its files; None if it never started."""
    files = sorted(folder.glob(f"{number}-*"), key=lambda path: path.stat().st_mtime)
    if not files:
        return None
    text = files[-1].read_bytes()[-LOG_LINES * LONGEST_LOG_LINE :].decode("utf-8", errors="replace")
    for path in files:
        with suppress(OSError):  # Windows cannot delete a file that a dying process has open
            path.unlink()
    lines = tuple(line[:LONGEST_LOG_LINE] for line in text.splitlines() if line.strip())[-LOG_LINES:]
    return int(files[-1].name.partition("-")[2]), lines


def shorten_outputs(folder: Path) -> None:
    """Empty the output files that are too large."""
    for path in folder.iterdir():
        with suppress(OSError):  # the call may have just ended
            if path.stat().st_size > LARGEST_OUTPUT_BYTES:
                os.truncate(path, 0)


def _flush_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # closed, or None
            stream.flush()
