"""Write files atomically, and compute hashes and seeds."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import platformdirs

from cxrbench.errors import ConfigError, DiskFull

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


DISK_FULL_ERRNOS = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
"""Error numbers of a full disk and of an exceeded quota."""
PLAIN_LIST = re.compile(r'\[\n((?: *(?:"[\w.-]*"|[^\s"\[\]{},]+),?\n)+) *\]')
"""A list in indented JSON, where no string holds a line break: numbers and strings without spaces, one a line."""


def home() -> Path:
    """Return the folder of decoded images, features and downloads: ``CXRBENCH_HOME`` or the platform's user cache."""
    return Path(os.environ.get("CXRBENCH_HOME") or platformdirs.user_cache_path("cxrbench")).expanduser()


def check_writable(folder: Path, setting: str) -> None:
    """Raise ConfigError if no file can be written to the folder of a setting; call it before long work."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))  # a full disk may still accept an empty file
    except OSError as error:
        raise ConfigError(f"{setting} {folder}: cannot write there: {error.strerror}") from None


def nearest_existing(folder: Path) -> Path:
    """Return a folder, or its nearest ancestor that exists."""
    folder = folder.expanduser().absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


@contextmanager
def reporting_full_disk(folder: Path) -> Iterator[None]:
    """Turn an error of a full disk or quota into DiskFull, which names the folder."""
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL_ERRNOS:
            raise DiskFull(f"{folder}: {error.strerror}") from error
        raise


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Yield a temporary file that replaces `path` when the block ends. If the block raises, the file is deleted.

    Raises:
        DiskFull: there is no room for the file. The old file at `path` is unchanged.
    """
    with reporting_full_disk(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())  # else a power cut after the rename may leave an empty file
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_write(path) as file:
        file.write(text.encode())


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON atomically, lists of numbers and single words on one line; raise ValueError for NaN and infinity."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, PLAIN_LIST.sub(lambda match: f"[{''.join(match[1].split())}]", text) + "\n")


def digest(content: Any) -> str:
    """Return the SHA-256 of a JSON value in its canonical form, in hexadecimal."""
    return hashlib.sha256(_canonical_json(content)).hexdigest()


def digest_each(contents: Iterable[Any]) -> str:
    """Return the SHA-256 of a sequence of JSON values. Only one value at a time is in memory."""
    sha256 = hashlib.sha256()
    for content in contents:
        sha256.update(_canonical_json(content) + b"\n")
    return sha256.hexdigest()


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _canonical_json(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def seed_from(*parts: Any) -> int:
    """Return a seed in 0..2**31-1 that is a function of all parts."""
    return int(digest(list(parts))[:8], 16) % 2**31
