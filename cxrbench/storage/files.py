"""Write files whole or not at all, and name contents by their hash."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import platformdirs

from cxrbench.errors import ConfigError, DiskFull

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
"""What the system calls a full disk, and a used-up quota."""


def home() -> Path:
    """Return the folder of decoded images, features and downloads: ``CXRBENCH_HOME`` or the platform's user cache."""
    return Path(os.environ.get("CXRBENCH_HOME") or platformdirs.user_cache_path("cxrbench")).expanduser()


def check_writable(folder: Path, setting: str) -> None:
    """Raise ConfigError if nothing can be written in a folder that a setting names; better before the work than after it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))  # a full disk may take a name, but nothing under it
    except OSError as error:
        raise ConfigError(f"{setting} {folder}: cannot write there: {error.strerror}") from None


@contextmanager
def reporting_full_disk(folder: Path) -> Iterator[None]:
    """Raise DiskFull, which names the folder, where the system says that there is no room for what is written inside."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise DiskFull(f"{folder}: {error.strerror}") from error
        raise


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` that takes its place when the block ends well, and is removed when it does not.

    Raises:
        DiskFull: there is no room for it; what was at `path` before is still there.
    """
    with reporting_full_disk(path.parent), _temporary(path) as file:
        yield file


@contextmanager
def _temporary(path: Path) -> Iterator[BinaryIO]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # a name that outlives a power cut must not be that of an empty file
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with atomic_write(path) as file:
        file.write(text.encode())


def write_json(path: Path, content: Any) -> None:
    """Write readable JSON, whole or not at all."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def digest(content: Any) -> str:
    """Return the SHA-256 of a JSON value in its canonical form, in hexadecimal."""
    return hashlib.sha256(_canonical(content)).hexdigest()


def digest_each(contents: Iterable[Any]) -> str:
    """Return the SHA-256 of a sequence of JSON values, of which only one at a time is in memory."""
    summed = hashlib.sha256()
    for content in contents:
        summed.update(_canonical(content) + b"\n")
    return summed.hexdigest()


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _canonical(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def seed_from(*parts: Any) -> int:
    """Return a seed below 2**31 that depends on all the parts and on nothing else."""
    return int(digest(list(parts))[:8], 16) % 2**31
