"""The folders that a run writes in: whether it can, whether locks hold there, what is kept and what was left behind."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from cxrbench.cli.doctor.finding import Diagnosis
from cxrbench.cli.doctor.machine import existing
from cxrbench.cli.doctor.stale_files import find_stale_files
from cxrbench.storage.cache import GIGABYTE, cache_items

if TYPE_CHECKING:
    from collections.abc import Iterator


def writable(area: str, folder: Path, setting: str) -> Iterator[Diagnosis]:
    """Say whether a run could write in a folder, and whether one process could keep another one out there."""
    place = existing(folder)
    try:
        with tempfile.TemporaryDirectory(dir=place, prefix=".cxrbench-doctor-") as inside:
            problem = _lock_problem(Path(inside) / "lock")
    except OSError as error:
        remedy = f"name another folder with {setting}, or make {place} one that you may write in"
        found = f"{folder}: cannot be written: {error.strerror}"
        yield Diagnosis(area=area, found=found, verdict="problem", remedy=remedy)
        return
    if problem:
        remedy = f"name a folder on a local disk with {setting}"
        yield Diagnosis(area=area, found=f"{folder}: {problem}", verdict="problem", remedy=remedy)
    else:
        yield Diagnosis(area=area, found=f"{folder}: can be written, locks hold")


def _lock_problem(path: Path) -> str:
    """Return what is wrong with locks of files, as on network disks that know none; "" if a second one is kept out."""
    try:
        with FileLock(path, timeout=5):
            try:
                with FileLock(path, timeout=0):
                    return "locks keep nobody out"
            except Timeout:
                return ""
    except (OSError, NotImplementedError) as error:
        return f"files cannot be locked: {error}"


def cached(home: Path) -> tuple[float, list[Diagnosis]]:
    """Return how many GB the cache takes, and what is to be said of it."""
    if not home.is_dir():
        return 0.0, [Diagnosis(area="cache", found="empty")]
    found = cache_items()
    size = sum(item.size for item in found) / GIGABYTE
    used = sum(item.in_use for item in found)
    told = f"{size:.3f} GB in {len(found)} folders, {used} in use"
    return size, [Diagnosis(area="cache", found=told, remedy="cxrbench cache clear makes room" if found else "")]


def left_behind(out: Path) -> Iterator[Diagnosis]:
    """Say what processes left behind that were killed; all of it costs room alone."""
    if not (found := find_stale_files(out)):
        yield Diagnosis(area="leftovers", found="none")
        return
    told = f"{len(found)} files and folders of killed runs, {sum(one.size for one in found) / GIGABYTE:.3f} GB"
    yield Diagnosis(area="leftovers", found=told, verdict="warn", remedy="cxrbench clean removes them")
