"""Find similar descriptions among many without comparing all pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.data.audit.descriptions import EVEN

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIMILAR = 0.9
"""Least correlation of the descriptions of a copy and of its original under the nearest warp. Of 600 images that were rotated,
shifted or zoomed, all reach 0.907; so do 2,500 of the 13.6 million pairs of the 5,216 images of Kermany et al."""
GROUP = 400
"""Known images for each group, on average."""
PROBED = 32
"""Groups in which a description is looked for. With at most as many groups, all pairs are compared."""
COMPARED = 512
"""Descriptions of either kind that are compared at once; bounds the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Known descriptions in groups: each is with the centre that it is most similar to.

    Attributes:
        known: float32 ``[rows, values]``.
        centres: of the groups, float32 ``[groups, values]``: some of the known descriptions.
        members: the rows of each group, ascending.
    """

    known: NDArray[np.float32]
    centres: NDArray[np.float32]
    members: tuple[NDArray[np.int64], ...]

    def similar(self, queries: NDArray[np.float32], least: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows of queries and known ones that are similar under any warp, each pair once, in ascending order.

        Args:
            queries: descriptions ``[warps, rows, values]``.
            least: the first row of the known ones that counts.
        """
        rows, flat = queries.shape[1], queries.reshape(-1, queries.shape[2])
        probed = self._nearest_centres(flat)
        order = np.argsort(probed, axis=None, kind="stable")
        bounds = np.searchsorted(probed.ravel()[order], np.arange(len(self.members) + 1))
        found = [np.zeros(0, dtype=np.int64)]
        for group, members in enumerate(self.members):
            asking = order[bounds[group] : bounds[group + 1]] // probed.shape[1]
            later = members[np.searchsorted(members, least) :]
            for one, other in _similar(flat[asking], self.known[later]):
                found.append(asking[one] % rows * len(self.known) + later[other])
        pairs = np.unique(np.concatenate(found))
        return pairs // max(len(self.known), 1), pairs % max(len(self.known), 1)

    def _nearest_centres(self, descriptions: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the groups in which descriptions are looked for, int ``[rows, groups]``."""
        count = min(PROBED, len(self.centres))
        nearest = np.tile(np.arange(count), (len(descriptions), 1))
        if count < len(self.centres):
            for start in range(0, len(descriptions), COMPARED):
                similarity = similarities(descriptions[start : start + COMPARED], self.centres)
                nearest[start : start + COMPARED] = np.argpartition(-similarity, count, axis=1)[:, :count]
        return nearest


def index_of(known: NDArray[np.float32]) -> Index:
    """Return an index of descriptions ``[rows, values]``; every so many of them is the centre of a group."""
    centres, nearest = known[::GROUP], np.zeros(len(known), dtype=np.int64)
    for start in range(0, len(known), COMPARED):
        nearest[start : start + COMPARED] = similarities(known[start : start + COMPARED], centres).argmax(axis=1)
    order = np.argsort(nearest, kind="stable")
    members = np.split(order, np.searchsorted(nearest[order], np.arange(1, len(centres)))) if len(centres) else []
    return Index(known=known, centres=centres, members=tuple(members))


def similarities(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the highest correlation of descriptions if one image is mirrored, inverted or neither, ``[first, second]``.

    With even and odd parts e and o, an image has the correlation e + o and its mirror image e - o; inverted ones have the
    opposite sign. The highest of the four is |e| + |o|.
    """
    even, odd = first[:, :EVEN] @ second[:, :EVEN].T, first[:, EVEN:] @ second[:, EVEN:].T
    return np.asarray(np.add(np.abs(even, out=even), np.abs(odd, out=odd), out=even))


def _similar(queries: NDArray[np.float32], known: NDArray[np.float32]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return the places of similar queries and known ones, block by block."""
    found = []
    for first in range(0, len(queries), COMPARED):
        for second in range(0, len(known), COMPARED):
            block = similarities(queries[first : first + COMPARED], known[second : second + COMPARED])
            one, other = np.divmod(np.flatnonzero(block >= SIMILAR), block.shape[1])
            found.append((one + first, other + second))
    return found
