"""Write a folder whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.errors import ConfigError
from cxrbench.storage.files import check_writable, reporting_full_disk
from cxrbench.storage.locks import try_lock

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def whole_folder(folder: Path, setting: str) -> Iterator[Path]:
    """Yield a temporary folder beside `folder` that becomes `folder` when the block ends. If the block raises, it is deleted.

    What earlier, killed processes left of the same folder is deleted first. Files in the temporary folder are flushed to disk
    before the folder gets its name.

    Args:
        folder: to write; it must be missing or empty.
        setting: that names it, for messages.

    Raises:
        ConfigError: the folder is not empty, cannot be written, or another process is writing it.
        DiskFull: there is no room.
    """
    require_free(folder, setting)
    folder = folder.resolve()
    check_writable(folder.parent, setting)
    with reporting_full_disk(folder.parent), try_lock(folder.parent / f".{folder.name}.lock") as is_mine:
        if not is_mine:
            raise ConfigError(f"{setting} {folder}: another process is writing this folder. Wait for it, or choose another one")
        _remove_leftovers(folder)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"))
        try:
            yield temporary
            _move(temporary, folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def require_free(folder: Path, setting: str) -> None:
    """Raise ConfigError if a path is taken by a file or by a folder that is not empty."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ConfigError(f"{setting} {folder}: it exists and is not a folder. Choose another name")
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(f"{setting} {folder}: the folder is not empty. Remove it, or choose another name")


def _remove_leftovers(folder: Path) -> None:
    prefix, suffix = f".{folder.name}.", ".part"
    for path in folder.parent.iterdir():
        if path.name.startswith(prefix) and path.name.endswith(suffix) and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)


def _move(temporary: Path, folder: Path) -> None:
    """Flush all files to disk, then rename the folder; a power cut leaves the whole folder or none."""
    for path in (*temporary.rglob("*"), temporary):
        _flush(path)
    temporary.chmod(0o755)
    if folder.is_dir():
        folder.rmdir()  # fails if another program has put a file there
    temporary.rename(folder)
    _flush(folder.parent)


def _flush(path: Path) -> None:
    if path.is_dir() and os.name == "nt":  # Windows flushes folders by itself
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
