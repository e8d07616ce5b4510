"""Find copies that were mirrored, turned, shifted, zoomed or cropped: augmented images that somebody saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from cxrbench.data.audit.descriptions import EVEN, VALUES, Describer, describer_of, halved
from cxrbench.data.audit.index import Index, index_of
from cxrbench.data.audit.registration import same_images
from cxrbench.data.audit.threads import in_threads
from cxrbench.data.audit.warps import MIRROR, tried_warps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Wanted = Callable[[NDArray[np.int64]], NDArray[np.bool_]]

FINE_SIDE = 64
"""Height and width in pixels of the thumbnails that are compared."""
ALIKE = 0.975
"""Least correlation of the same descriptions after the best small change of place near that warp. Of the copies that are found
among drawn and real images, all reach 0.98; of the other candidates among drawn images, 3 % reach 0.975."""
COMPARED_ROWS = 512
"""Rows that are looked for at once; bounds the memory."""
ORIENTED_PAIRS = 4096
REGISTERED_PAIRS = 256
"""Pairs that are looked at together, in two steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Pairs that may be copies.

    Attributes:
        pairs: int ``[pairs, 2]``.
        quarters: quarter turns of the first image.
        mirrored: whether the first image is then mirrored, bool ``[pairs]``.
        warps: where it must then be sampled, about, to show the second, float32 ``[pairs, 3, 3]``.
    """

    pairs: NDArray[np.int64]
    quarters: int
    mirrored: NDArray[np.bool_]
    warps: NDArray[np.float32]

    def __getitem__(self, chosen: slice | NDArray[np.bool_]) -> Candidates:
        """Return some of the candidates."""
        parts = {name: getattr(self, name)[chosen] for name in ("pairs", "mirrored", "warps")}
        return Candidates(quarters=self.quarters, **parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """Pairs of images that are copies of each other, each pair once.

    Attributes:
        pairs: int ``[pairs, 2]``.
        quarters: quarter turns of the first image, int ``[pairs]``.
        mirrored: whether the first image is then mirrored, bool ``[pairs]``.
    """

    pairs: NDArray[np.int64]
    quarters: NDArray[np.int64]
    mirrored: NDArray[np.bool_]


def transformed_copies(fine: NDArray[np.uint8], others: NDArray[np.uint8] | None, wanted: Wanted) -> Copies:
    """Return the pairs that are copies but for a mirroring, a quarter turn, or a slight rotation, shift, zoom or crop.

    Args:
        fine: thumbnails, uint8 ``[rows, FINE_SIDE, FINE_SIDE]``.
        others: thumbnails of another dataset, for the second row of each pair; None to compare rows with later rows.
        wanted: which of some pairs are of interest, bool ``[pairs]``; only these are looked at closely.
    """
    second = fine if others is None else others
    with threadpool_limits(1):
        describer = describer_of([fine] if others is None else [fine, others])
        known = index_of(describer.unwarped(second))
    search = _Search(fine=fine, second=second, within=others is None, wanted=wanted, describer=describer, known=known)
    found = [np.zeros((0, 5)), *in_threads(search.copies_of, range(0, len(fine), COMPARED_ROWS))]
    listed = np.concatenate(found)
    listed = listed[np.lexsort((-listed[:, 4], listed[:, 1], listed[:, 0]))]  # the best first, of one pair
    best = listed[np.unique(listed[:, :2], axis=0, return_index=True)[1]].astype(np.int64)
    return Copies(pairs=best[:, :2], quarters=best[:, 2], mirrored=best[:, 3].astype(bool))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """A search for copies of images among others.

    Attributes:
        fine, second: thumbnails of the images and of the others.
        within: whether the others are the images themselves, of which rows are compared with later rows.
        wanted: which pairs are of interest.
        describer: of the images.
        known: descriptions of the others.
    """

    fine: NDArray[np.uint8]
    second: NDArray[np.uint8]
    within: bool
    wanted: Wanted
    describer: Describer
    known: Index

    def copies_of(self, start: int) -> NDArray[np.float64]:
        """Return the copies of the rows from `start`: first row, second row, quarter turns, mirrored, correlation."""
        found = [copies for some in self._candidates(start) for copies in _verified(self.fine, self.second, some)]
        return np.concatenate(found) if found else np.zeros((0, 5))

    def _candidates(self, start: int) -> Iterator[Candidates]:
        """Yield similar pairs: under all warps if upright, mirrored or not; after quarter turns without a warp."""
        images, skipped = halved(self.fine[start : start + COMPARED_ROWS]), start if self.within else 0
        for quarters in range(4):
            turned = np.rot90(images, quarters, axes=(1, 2))
            queries = (self.describer.first(1) if quarters else self.describer)(turned)
            rows, others = self.known.similar(queries, skipped)
            pairs = np.stack([rows + start, others], axis=1)
            pairs = pairs[pairs[:, 0] < pairs[:, 1]] if self.within else pairs
            pairs = pairs[self.wanted(pairs)]
            for first in range(0, len(pairs), ORIENTED_PAIRS):
                block = pairs[first : first + ORIENTED_PAIRS]
                row, known = block[:, 0] - start, self.known.known[block[:, 1]]
                mirrored, warp = _nearest(queries[:, row], known)
                alike = _correlations_near(self.describer, turned, (row, warp), _mirrored_back(known, mirrored)) >= ALIKE
                yield _oriented(block[alike], mirrored[alike], warp[alike], quarters)


def _oriented(pairs: NDArray[np.int64], mirrored: NDArray[np.bool_], warp: NDArray[np.int64], quarters: int) -> Candidates:
    """Return pairs with their best orientation and warp.

    Args:
        pairs: int ``[pairs, 2]``.
        mirrored: whether the first image is mirrored, bool ``[pairs]``.
        warp: number of the warp of the first image that comes before that, int ``[pairs]``.
        quarters: quarter turns of the first images.
    """
    warps = tried_warps()
    chosen = np.where(mirrored[:, None, None], MIRROR @ warps[warp] @ MIRROR, warps[warp])
    return Candidates(pairs=pairs, quarters=quarters, mirrored=mirrored, warps=chosen)


def _correlations_near(
    describer: Describer,
    images: NDArray[np.float32],
    warped: tuple[NDArray[np.int64], NDArray[np.int64]],
    known: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return the correlation of each pair's descriptions after the best small change of place, float32 ``[pairs]``.

    To first order, small changes of place move a description within a space of seven dimensions. The length of the known
    description's projection on it is the highest correlation that they allow. This takes a hundredth of a registration.

    Args:
        describer: of the images.
        images: the first images, float32 ``[rows, side, side]``.
        warped: the row of each pair's first image, and the number of the warp near which places are changed.
        known: descriptions of the second images, ``[pairs, values]``.
    """
    row, warp = warped
    seen, place = np.unique(warp * len(images) + row, return_inverse=True)
    bases = np.empty((len(seen), VALUES, 7), dtype=np.float32)
    for number in np.unique(warp).tolist():
        chosen = seen // len(images) == number
        bases[chosen] = describer.spans(images[seen[chosen] % len(images)], number)
    return np.asarray(np.linalg.norm(np.einsum("pvb,pv->pb", bases[place], known), axis=1))


def _mirrored_back(known: NDArray[np.float32], mirrored: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return descriptions, of the mirror image where so wanted: its odd values have the opposite sign."""
    return np.where(mirrored[:, None] & (np.arange(VALUES) >= EVEN), -known, known)


def _nearest(queries: NDArray[np.float32], known: NDArray[np.float32]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return whether each query ``[warps, rows, values]`` is most similar if mirrored, and the number of its best warp."""
    product = queries * known
    even, odd = product[..., :EVEN].sum(axis=-1), product[..., EVEN:].sum(axis=-1)
    warp = (np.abs(even) + np.abs(odd)).argmax(axis=0)
    row = np.arange(len(warp))
    return np.asarray(even[warp, row] * odd[warp, row] < 0), warp


def _verified(fine: NDArray[np.uint8], second: NDArray[np.uint8], some: Candidates) -> Iterator[NDArray[np.float64]]:
    """Yield rows of first image, second image, quarter turns, mirrored and correlation for candidates that are copies."""
    for start in range(0, len(some.pairs), REGISTERED_PAIRS):
        block = some[slice(start, start + REGISTERED_PAIRS)]
        images = np.rot90(fine[block.pairs[:, 0]].astype(np.float32), some.quarters, axes=(1, 2))
        images = np.where(block.mirrored[:, None, None], images[:, :, ::-1], images)
        correlation = same_images(images, second[block.pairs[:, 1]].astype(np.float32), block.warps)
        same = correlation > 0
        quarters = np.full(same.sum(), some.quarters)
        yield np.column_stack([block.pairs[same], quarters, block.mirrored[same], correlation[same]])
