"""What lies behind a key, read once and whole, and named by its digest."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from cxrbench.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cxrbench.plugin.contracts import Images

    Content: TypeAlias = bytes | NDArray[np.uint8]

LARGEST_FILE = 2**31
"""Bytes of a file that is still read: a film of 30,000 by 30,000 pixels of 16 bits has 1.8 billion."""
NOT_REGULAR = {
    stat.S_IFDIR: "is a folder",
    stat.S_IFIFO: "is a pipe",
    stat.S_IFSOCK: "is a socket",
    stat.S_IFCHR: "is a device",
    stat.S_IFBLK: "is a device",
}


def read_content(images: Images, key: str) -> Content:
    """Return the bytes or the pixels of an image; raises whatever its plugin's reader raises."""
    found = images.read(key)
    if isinstance(found, Path):
        return read_file(found)
    if not isinstance(found, bytes | np.ndarray):
        raise DataError(f"was read as {type(found).__name__}, which is no path, bytes or pixels")
    return found


def read_file(path: Path) -> bytes:
    """Return the bytes of a regular file; raise DataError for a pipe or a device, which might never end, without opening it."""
    _check(path.stat())
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as file:
        _check(os.fstat(descriptor))  # it may be another one by now
        return file.read(LARGEST_FILE)


def _check(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise DataError(f"{NOT_REGULAR.get(stat.S_IFMT(found.st_mode), 'is something else')}, not a file")
    if found.st_size >= LARGEST_FILE:
        raise DataError(f"has {found.st_size:,} bytes, and {LARGEST_FILE:,} are too many: save it smaller")


def digest_of(content: Content) -> str:
    """Return the SHA-256 of bytes, or the shape and the SHA-256 of pixels."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    return f"{content.shape} {hashlib.sha256(np.ascontiguousarray(content).data).hexdigest()}"


def digest_of_none(error: Exception) -> str:
    """Return what stands for the digest where there is nothing to read: alike for the same trouble."""
    trouble = str(error) if isinstance(error, DataError) else getattr(error, "errno", None)
    return f"unreadable: {type(error).__name__}" + (f" {trouble}" if trouble else "")
