"""Read the bytes or pixels of an image by its key, and digest them."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from cxrbench.data.decoding.reasons import reason
from cxrbench.errors import DataError
from cxrbench.execution.failures import failure_reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cxrbench.plugin.contracts import Images

    ImageData: TypeAlias = bytes | NDArray[np.uint8]

LARGEST_FILE_BYTES = 2**31
"""An image of 30,000 by 30,000 pixels of 16 bits has 1.8 billion."""
UNREADABLE = "unreadable: "
"""The beginning of the digest of an image that cannot be read."""
NOT_A_FILE = {
    stat.S_IFDIR: "is a folder",
    stat.S_IFIFO: "is a pipe",
    stat.S_IFSOCK: "is a socket",
    stat.S_IFCHR: "is a device",
    stat.S_IFBLK: "is a device",
}


def read_image(images: Images, key: str) -> ImageData:
    """Return the bytes or the pixels of an image; raise whatever the plugin's reader raises."""
    data = images.read(key)
    if isinstance(data, Path):
        return read_file(data)
    if not isinstance(data, bytes | np.ndarray):
        raise DataError(f"was read as {type(data).__name__}, which is no path, bytes or pixels")  # hashed, see below
    return data


def reading_failure(error: Exception) -> str:
    """Return why the plugin's reader or the operating system did not deliver an image."""
    return reason(error) if isinstance(error, OSError | DataError) else failure_reason(error)


def read_file(path: Path) -> bytes:
    """Return the bytes of a regular file; raise DataError for a pipe or a device without opening it: it might never end."""
    _check_regular(path.stat())
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as file:
        _check_regular(os.fstat(descriptor))  # the path may have changed since stat
        return file.read(LARGEST_FILE_BYTES)


def _check_regular(status: os.stat_result) -> None:
    """Raise DataError unless a file can be read; the texts are hashed by `digest_of_unreadable` and must not change."""
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{NOT_A_FILE.get(stat.S_IFMT(status.st_mode), 'is something else')}, not a file")
    if status.st_size >= LARGEST_FILE_BYTES:
        raise DataError(f"has {status.st_size:,} bytes, and {LARGEST_FILE_BYTES:,} are too many: save it smaller")


def digest_of(data: ImageData) -> str:
    """Return the SHA-256 of bytes, or the shape and the SHA-256 of pixels."""
    if isinstance(data, bytes):
        return hashlib.sha256(data).hexdigest()
    return f"{data.shape} {hashlib.sha256(np.ascontiguousarray(data).data).hexdigest()}"


def digest_of_unreadable(error: Exception) -> str:
    """Return a digest for an image that cannot be read: the kind of error, with the text of a DataError or the errno."""
    detail = str(error) if isinstance(error, DataError) else getattr(error, "errno", None)
    return f"{UNREADABLE}{type(error).__name__}" + (f" {detail}" if detail else "")
