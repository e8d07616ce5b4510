"""Check the folders that a run writes in: permissions, file locks, cache size and stale files."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from cxrbench.cli.doctor.diagnosis import Diagnosis
from cxrbench.cli.doctor.stale_files import find_stale_files
from cxrbench.storage.cache import GIGABYTE, cache_items
from cxrbench.storage.files import nearest_existing

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMED = 3
"""Folders that a diagnosis names."""


def check_writable_and_lockable(setting: str, folder: Path) -> Iterator[Diagnosis]:
    """Check that a run can write in the folder of a setting, and that file locks work there."""
    parent = nearest_existing(folder)
    try:
        with tempfile.TemporaryDirectory(dir=parent, prefix=".cxrbench-doctor-") as temporary:
            problem = _lock_problem(Path(temporary) / "lock") or _replacing_problem(Path(temporary))
    except OSError as error:
        remedy = f"choose another folder with {setting}, or make {parent} writable"
        found = f"{folder}: not writable: {error.strerror}"
        yield Diagnosis(area=setting, found=found, verdict="problem", remedy=remedy)
        return
    if problem:
        remedy = f"choose a folder on a local disk with {setting}"
        yield Diagnosis(area=setting, found=f"{folder}: {problem}", verdict="problem", remedy=remedy)
    else:
        yield Diagnosis(area=setting, found=f"{folder}: writable, file locks and renaming work")


def _lock_problem(path: Path) -> str:
    """Return why file locks do not work, as on some network disks; "" if a second lock is refused as it should be."""
    try:
        with FileLock(path, timeout=5):
            try:
                with FileLock(path, timeout=0):
                    return "file locks do not work: two processes can hold the same lock"
            except Timeout:
                return ""
    except (OSError, NotImplementedError) as error:
        return f"files cannot be locked: {error}"


def _replacing_problem(folder: Path) -> str:
    """Return why a file that is flushed cannot take the place of another, as all results do; "" if it can."""
    new, old = folder / "new", folder / "old"
    try:
        old.write_text("old")
        with new.open("w") as file:
            file.write("new")
            file.flush()
            os.fsync(file.fileno())
        new.replace(old)
    except OSError as error:
        return f"files cannot be replaced: {error.strerror}"
    return "" if old.read_text() == "new" else "a file that was replaced still has its old content"


def cache_size(home: Path) -> tuple[float, Diagnosis]:
    """Return the size of the cache in GB, and a diagnosis of it."""
    if not home.is_dir():
        return 0.0, Diagnosis(area="cache", found="empty")
    items = cache_items()
    size = sum(item.size for item in items) / GIGABYTE
    found = f"{size:.3f} GB in {len(items)} folders, {sum(item.in_use for item in items)} in use"
    return size, Diagnosis(area="cache", found=found, remedy="to free space: cxrbench cache clear" if items else "")


def stale_files(out: Path) -> Iterator[Diagnosis]:
    """Report the stale files of killed runs, which only take up space."""
    stale = find_stale_files(out)
    if not stale:
        yield Diagnosis(area="stale files", found="none")
        return
    places = sorted({str(file.path.parent) for file in stale})
    more = f" and {len(places) - NAMED} more folders" if len(places) > NAMED else ""
    size = sum(file.size for file in stale) / GIGABYTE
    found = f"{len(stale)} files and folders of killed runs, {size:.3f} GB, in {', '.join(places[:NAMED])}{more}"
    yield Diagnosis(area="stale files", found=found, verdict="warn", remedy="to remove them: cxrbench clean")
