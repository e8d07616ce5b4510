"""Keep the copies that were found beside the decoded images, so that another audit of the same images need not search again."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np

from cxrbench.data.audit.compared import FoundPairs
from cxrbench.storage.files import atomic_write, digest
from cxrbench.storage.versions import versions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SEARCH_VERSION = 3
"""Raise it with every change of what a search finds."""


def remembered_pairs(
    folder: Path, depends_on: Sequence[NDArray[np.int64]], search: Callable[[], tuple[FoundPairs, ...]]
) -> tuple[FoundPairs, ...]:
    """Return the pairs that a search finds, from its file if it has searched before.

    A file that cannot be read is replaced. Where no file can be written, nothing is kept.

    Args:
        folder: of the decoded images; its name depends on all of their pixels.
        depends_on: what the search depends on besides the pixels.
        search: finds the pairs.

    Raises:
        DiskFull: there is no room for the file.
    """
    hashes = [hashlib.sha256(array.tobytes()).hexdigest() for array in depends_on]
    key = digest([SEARCH_VERSION, versions_of("cxrbench", "numpy", "scipy"), *hashes])
    path = folder / f"copies-{key[:32]}.npz"
    with suppress(OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile):
        return _read(path)
    found = search()
    with suppress(OSError):
        _write(path, found)
    return found


def _read(path: Path) -> tuple[FoundPairs, ...]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        ends = np.cumsum(arrays["sizes"])
        parts = np.split(arrays["pairs"].reshape(ends[-1], 2), ends[:-1])
        return tuple(FoundPairs(how=str(how), pairs=pairs) for how, pairs in zip(arrays["hows"], parts, strict=True))


def _write(path: Path, found: tuple[FoundPairs, ...]) -> None:
    with atomic_write(path) as file:
        np.savez(
            file,
            hows=np.array([each.how for each in found]),
            sizes=np.array([len(each.pairs) for each in found]),
            pairs=np.concatenate([each.pairs for each in found]),
        )
