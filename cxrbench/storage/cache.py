"""The cache of decoded images and features: list it, claim folders while they are used, and remove old ones."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.storage.files import home, write_json
from cxrbench.storage.locks import try_lock, wait_for_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

CACHE_KINDS = ("images", "features", "training")
"""Folders of the cache. Their contents can be recomputed."""
GIGABYTE = 10**9
REMOVAL_PREFIX = ".removing-"
"""Prefix of a folder that is being removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheItem:
    """The images of a dataset, decoded or under a shift, or the features of one view under one backbone.

    Attributes:
        size: bytes on disk.
        used: when a run last claimed it, in seconds since the epoch.
        in_use: whether a running process has claimed it.
    """

    folder: Path
    kind: str
    size: int
    used: float
    in_use: bool


@contextmanager
def claim_cache_folders() -> Iterator[Callable[[Iterable[Path]], None]]:
    """Yield a function that claims folders of the cache until the block ends or the process dies.

    Claiming creates the folder and marks it as used now. A claimed folder is never removed.
    """
    name, claimed = uuid.uuid4().hex, set[str]()
    claims = home() / "claims"
    claims.mkdir(parents=True, exist_ok=True)
    claim_file = claims / f"{name}.json"

    def claim(folders: Iterable[Path]) -> None:
        with _cache_lock():
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
                os.utime(folder)
                claimed.add(folder.relative_to(home()).as_posix())
            write_json(claim_file, sorted(claimed))

    with wait_for_lock(_claim_lock(claim_file)):
        try:
            yield claim
        finally:
            with _cache_lock():
                claim_file.unlink(missing_ok=True)


def cache_items() -> list[CacheItem]:
    """Return the items of the cache, least recently used first."""
    with _cache_lock():
        return _list_items()


def trim_cache(limit: float) -> int:
    """Remove the least recently used items that are not in use until at most `limit` bytes remain; return the bytes left."""
    with _cache_lock():
        items = _list_items()
        size = sum(item.size for item in items)
        removed: list[CacheItem] = []
        for item in items:
            if size > limit and not item.in_use:
                removed.append(item)
                size -= item.size
        _set_aside(item.folder for item in removed)
    _delete_set_aside()
    return size


def clear_cache() -> list[CacheItem]:
    """Remove every item that is not in use; return the removed items."""
    with _cache_lock():
        removed = [item for item in _list_items() if not item.in_use]
        _set_aside(item.folder for item in removed)
    _delete_set_aside()
    return removed


def remove_folders(folders: Iterable[Path]) -> None:
    """Remove folders of the cache that no process needs any more, as far as the system allows; some may be gone already."""
    with _cache_lock():
        for folder in folders:
            with suppress(OSError):
                _set_aside([folder])
    _delete_set_aside()


def _list_items() -> list[CacheItem]:
    claimed = _claimed_folders()
    items = []
    for kind in CACHE_KINDS:
        for folder in filter(Path.is_dir, (home() / kind).glob("[!.]*")):
            used, in_use = folder.stat().st_mtime, f"{kind}/{folder.name}" in claimed
            items.append(CacheItem(folder=folder, kind=kind, size=_bytes_on_disk(folder), used=used, in_use=in_use))
    return sorted(items, key=lambda item: item.used)


def _bytes_on_disk(folder: Path) -> int:
    """Return the bytes that the files of a folder take on disk. Arrays are sparse files until all shards are written."""
    size = 0
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):  # a temporary file that was just renamed
            status = entry.stat(follow_symlinks=False)
            size += status.st_blocks * 512 if hasattr(status, "st_blocks") else status.st_size
    return size


def _set_aside(folders: Iterable[Path]) -> None:
    """Rename folders so that no process finds them. This is fast, so the cache lock is held only briefly."""
    for folder in folders:
        folder.rename(home() / f"{REMOVAL_PREFIX}{uuid.uuid4().hex}")


def _delete_set_aside() -> None:
    """Delete the folders that this process, or an earlier one that was killed, has set aside."""
    for folder in home().glob(f"{REMOVAL_PREFIX}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _claimed_folders() -> set[str]:
    """Return the folders that running processes have claimed. Delete the claims of dead processes."""
    claimed: set[str] = set()
    for claim_file in (home() / "claims").glob("*.json"):
        with try_lock(_claim_lock(claim_file)) as is_stale:
            if is_stale:
                claim_file.unlink(missing_ok=True)
            else:  # its owner removes it under the cache lock, which this process holds
                claimed |= set(json.loads(claim_file.read_text(encoding="utf-8")))
    return claimed


def _claim_lock(claim_file: Path) -> Path:
    return claim_file.with_suffix(".lock")


def _cache_lock() -> AbstractContextManager[None]:
    return wait_for_lock(home() / "cache.lock")
