"""What runs that were killed have left behind: nothing that anybody needs, and nothing of a run that still goes on."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.execution.worker_output import abandoned_folders
from cxrbench.storage.cache import SET_ASIDE
from cxrbench.storage.files import home
from cxrbench.storage.locks import is_unlocked, try_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OLD = 3600.0
"""Seconds after which a half-written file is nobody's: one that is being written is touched all the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleFile:
    """A file or folder that nobody needs.

    Attributes:
        what: in words.
        size: bytes.
    """

    path: Path
    what: str
    size: int


def find_stale_files(out: Path) -> list[StaleFile]:
    """Return what killed runs have left in the results' folder, in the cache and in the temporary folder."""
    folders = [home(), out / "studies", *(path.parent for path in sorted(out.glob("*/protocol.json")))]
    found = [
        *(("half-written file", path) for folder in folders for path in _half_written(folder)),
        *(("lock of an ended process", path) for folder in folders for path in _dead_locks(folder)),
        *(("cache that was being removed", path) for path in sorted(home().glob(f"{SET_ASIDE}*"))),
        *(("output of an ended worker", path) for path in abandoned_folders()),
    ]
    return [StaleFile(path=path, what=what, size=_size(path)) for what, path in found]


def remove_stale_file(leftover: StaleFile) -> None:
    """Remove a file or folder; one that is gone already is no error."""
    if leftover.path.suffix == ".lock":
        with try_lock(leftover.path):  # which removes the file, and only if nobody has come to hold it meanwhile
            return
    if leftover.path.is_dir():
        shutil.rmtree(leftover.path, ignore_errors=True)
    else:
        leftover.path.unlink(missing_ok=True)


def _half_written(folder: Path) -> Iterator[Path]:
    """Yield what `files.replacing` leaves when its process is killed; half a download will be gone on with."""
    for path in sorted(folder.rglob(".*.part")):
        if path.is_file() and time.time() - path.stat().st_mtime > OLD:
            yield path


def _dead_locks(folder: Path) -> Iterator[Path]:
    """Return the lock files that nobody holds; ours are empty, and other people's may mean something else."""
    locks = (path for path in sorted(folder.rglob("*.lock")) if path.is_file() and not path.stat().st_size)
    return filter(is_unlocked, locks)


def _size(path: Path) -> int:
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if file.is_file())
