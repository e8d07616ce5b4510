"""A machine's own copies of files on a shared folder, while a run on a cluster wants them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from cxrbench.storage.locks import wait_for_lock

FOLDER = "CXRBENCH_LOCAL_COPIES"
"""Variable with the folder for copies on this machine; without it, shared files are read where they are."""


def local_copy(path: Path, name: str) -> Path:
    """Return this machine's copy of a file that does not change any more, or the file itself if none is wanted or has room.

    Args:
        path: of the file.
        name: unique to its content.
    """
    folder = os.environ.get(FOLDER)
    if not folder:
        return path
    copy = Path(folder) / name
    with wait_for_lock(copy.with_suffix(".lock")):
        if not copy.exists():
            unfinished = copy.with_suffix(".part")
            try:
                shutil.copyfile(path, unfinished)
            except OSError:  # a full disk: reading over the network is slower, and right
                unfinished.unlink(missing_ok=True)
                return path
            unfinished.replace(copy)
    return copy
