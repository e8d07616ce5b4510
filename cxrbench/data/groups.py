"""Group images that belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def numbered(names: Sequence[str] | NDArray[np.str_]) -> NDArray[np.int64]:
    """Return the position of each name among the sorted unique names, int ``[rows]``."""
    return np.unique(np.asarray(names, dtype=np.str_), return_inverse=True)[1].astype(np.int64)


def united(first: NDArray[np.int64], *others: NDArray[np.int64]) -> NDArray[np.int64]:
    """Merge groupings: rows that share a group in any of them share one in the result.

    These are connected components, found by label propagation: each group takes its smallest label until nothing changes.

    Args:
        first: int ``[rows]`` from 0.
        others: further groupings, int ``[rows]`` from 0 each.
    """
    group = first
    while True:
        before = group
        for other in (first, *others):
            least = np.full(other.max(initial=0) + 1, len(group), dtype=np.int64)
            np.minimum.at(least, other, group)
            group = least[other]
        if np.array_equal(group, before):
            return np.unique(group, return_inverse=True)[1].astype(np.int64)


def repeated(group: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whether each row shares its group with another row, bool ``[rows]``."""
    return np.asarray(np.bincount(group)[group] > 1) if len(group) else np.zeros(0, dtype=bool)


def differ_within(group: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whether the values within each row's group differ, bool ``[rows]``; values below 0 are ignored."""
    rows = np.flatnonzero(values >= 0)
    least = np.full(group.max(initial=0) + 1, np.iinfo(np.int64).max, dtype=np.int64)
    most = np.full(len(least), -1, dtype=np.int64)
    np.minimum.at(least, group[rows], values[rows])
    np.maximum.at(most, group[rows], values[rows])
    return np.asarray((least < most)[group])
