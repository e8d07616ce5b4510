"""Find and remove stale files: what killed runs left, never results or files of a running process."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.execution.worker_output import abandoned_folders
from cxrbench.storage.cache import REMOVAL_PREFIX
from cxrbench.storage.files import home
from cxrbench.storage.locks import is_unlocked, try_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STALE_SECONDS = 3600.0
"""Age at which a half-written file is stale: a file that is being written is modified all the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleFile:
    """A file or folder of a killed run.

    Attributes:
        description: what it is, in words.
        size: bytes.
    """

    path: Path
    description: str
    size: int


def find_stale_files(out: Path) -> list[StaleFile]:
    """Return the stale files in the results folder, the cache and the temporary folder."""
    folders = [home(), out / "studies", *(path.parent for path in sorted(out.glob("*/protocol.json")))]
    described = [
        *(("half-written file", path) for folder in folders for path in _half_written(folder)),
        *(("lock of an ended process", path) for folder in folders for path in _dead_locks(folder)),
        *(("half-removed cache folder", path) for path in sorted(home().glob(f"{REMOVAL_PREFIX}*"))),
        *(("output of an ended worker", path) for path in abandoned_folders()),
    ]
    return [StaleFile(path=path, description=description, size=_bytes_of(path)) for description, path in described]


def remove_stale_file(stale_file: StaleFile) -> None:
    """Remove a stale file or folder, if it still exists."""
    if stale_file.path.suffix == ".lock":
        with try_lock(stale_file.path):  # removes the file, unless a process holds the lock by now
            return
    if stale_file.path.is_dir():
        shutil.rmtree(stale_file.path, ignore_errors=True)
    else:
        stale_file.path.unlink(missing_ok=True)


def _half_written(folder: Path) -> Iterator[Path]:
    """Yield what a killed `files.replacing` leaves; partial downloads have other names, as they are resumed."""
    for path in sorted(folder.rglob(".*.part")):
        if path.is_file() and time.time() - path.stat().st_mtime > STALE_SECONDS:
            yield path


def _dead_locks(folder: Path) -> Iterator[Path]:
    """Return the empty lock files that no process holds; locks with content belong to other programs."""
    locks = (path for path in sorted(folder.rglob("*.lock")) if path.is_file() and not path.stat().st_size)
    return filter(is_unlocked, locks)


def _bytes_of(path: Path) -> int:
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if file.is_file())
