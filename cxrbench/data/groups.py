"""Groups of images that belong together, however many reasons there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def numbered(names: Sequence[str] | NDArray[np.str_]) -> NDArray[np.int64]:
    """Return a number for each name, the same for the same name: its place among all of them in order."""
    return np.unique(np.asarray(names, dtype=np.str_), return_inverse=True)[1].astype(np.int64)


def united(first: NDArray[np.int64], *others: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the coarsest common grouping: what any of the groupings holds together is in one group.

    Every group takes the least number among its members until nothing changes: connected components by spreading labels.

    Args:
        first: int ``[rows]`` from 0; without `others` the groups are numbered as here.
        others: likewise.
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
    """Return whether each row has company in its group, bool ``[rows]``."""
    return np.asarray(np.bincount(group)[group] > 1) if len(group) else np.zeros(0, dtype=bool)


def differ_within(group: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whether rows of each row's group have different values, bool ``[rows]``; values below 0 do not count."""
    rows = np.flatnonzero(values >= 0)
    least = np.full(group.max(initial=0) + 1, np.iinfo(np.int64).max, dtype=np.int64)
    most = np.full(len(least), -1, dtype=np.int64)
    np.minimum.at(least, group[rows], values[rows])
    np.maximum.at(most, group[rows], values[rows])
    return np.asarray((least < most)[group])
