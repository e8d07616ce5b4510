"""The cache of decoded images and features: what lies there, who uses it, and what goes when it is full."""

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

CACHE_KINDS = ("images", "features")
"""What a run keeps and can make again."""
GIGABYTE = 10**9
SET_ASIDE = ".removing-"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheItem:
    """The decoded images of a dataset, or the features of one view under one backbone.

    Attributes:
        size: bytes on disk.
        used: when a run last asked for it, in seconds since the epoch.
        in_use: whether a running process may read it.
    """

    folder: Path
    kind: str
    size: int
    used: float
    in_use: bool


@contextmanager
def claiming() -> Iterator[Callable[[Iterable[Path]], None]]:
    """Yield a function that claims folders of the cache until the block ends, or until the process does, however it ends.

    A claimed folder exists, counts as used now, and is removed by nobody.
    """
    name, claimed = uuid.uuid4().hex, set[str]()
    folder = home() / "claims"
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / f"{name}.json"

    def claim(folders: Iterable[Path]) -> None:
        with _one_at_a_time():
            for one in folders:
                one.mkdir(parents=True, exist_ok=True)
                os.utime(one)
                claimed.add(one.relative_to(home()).as_posix())
            write_json(note, sorted(claimed))

    with wait_for_lock(_lock_of(note)):
        try:
            yield claim
        finally:
            with _one_at_a_time():
                note.unlink(missing_ok=True)


def cache_items() -> list[CacheItem]:
    """Return what lies in the cache, the longest unused first."""
    with _one_at_a_time():
        return _items()


def trim_cache(limit: float) -> int:
    """Remove the longest unused until at most `limit` bytes remain, but nothing that is in use; return how many remain."""
    with _one_at_a_time():
        found = _items()
        size = sum(item.size for item in found)
        gone: list[CacheItem] = []
        for item in found:
            if size > limit and not item.in_use:
                gone.append(item)
                size -= item.size
        _set_aside(gone)
    _remove_set_aside()
    return size


def clear_cache() -> list[CacheItem]:
    """Remove all that is not in use; return it."""
    with _one_at_a_time():
        gone = [item for item in _items() if not item.in_use]
        _set_aside(gone)
    _remove_set_aside()
    return gone


def _items() -> list[CacheItem]:
    in_use = _claimed()
    found = []
    for kind in CACHE_KINDS:
        for folder in filter(Path.is_dir, (home() / kind).glob("[!.]*")):
            status = folder.stat()
            claimed = f"{kind}/{folder.name}" in in_use
            found.append(CacheItem(folder=folder, kind=kind, size=_size(folder), used=status.st_mtime, in_use=claimed))
    return sorted(found, key=lambda item: item.used)


def _size(folder: Path) -> int:
    """Return the bytes that the files of a folder take on disk; files of shards have holes until they are whole."""
    size = 0
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):  # a temporary file that has just taken its name
            status = entry.stat(follow_symlinks=False)
            size += status.st_blocks * 512 if hasattr(status, "st_blocks") else status.st_size
    return size


def _set_aside(gone: Iterable[CacheItem]) -> None:
    """Move folders out of everybody's sight, which is done at once."""
    for item in gone:
        item.folder.rename(home() / f"{SET_ASIDE}{uuid.uuid4().hex}")


def _remove_set_aside() -> None:
    """Remove what this process or one that did not come to its end has set aside."""
    for folder in home().glob(f"{SET_ASIDE}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _claimed() -> set[str]:
    """Return what running processes have claimed, and forget the claims of those that ended."""
    claimed: set[str] = set()
    for note in (home() / "claims").glob("*.json"):
        with try_lock(_lock_of(note)) as is_forsaken:
            if is_forsaken:
                note.unlink(missing_ok=True)
            else:  # its owner removes it only while nobody looks
                claimed |= set(json.loads(note.read_text(encoding="utf-8")))
    return claimed


def _lock_of(note: Path) -> Path:
    return note.with_suffix(".lock")


def _one_at_a_time() -> AbstractContextManager[None]:
    return wait_for_lock(home() / "cache.lock")
