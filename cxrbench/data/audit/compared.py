"""Compare all images of a dataset, or of two, with each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.data.audit.near import confirmed, near_pairs
from cxrbench.data.audit.transformed import FINE_SIDE, transformed_copies
from cxrbench.data.thumbnails import thumbnails_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from cxrbench.data.audit.transformed import Copies, Wanted
    from cxrbench.data.dataset import LoadedDataset


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedImages:
    """The images of a dataset that show something.

    Attributes:
        rows: of the dataset, int ``[images]``.
        small: thumbnails to find near-duplicates, uint8 ``[images, 32, 32]``.
        fine: thumbnails to confirm those and to find transformed copies, uint8 ``[images, 64, 64]``.
    """

    rows: NDArray[np.int64]
    small: NDArray[np.uint8]
    fine: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPairs:
    """Pairs of rows of datasets whose images are copies of each other, int ``[pairs, 2]``.

    Attributes:
        how: what was done to one of them, or an empty string for near-duplicates.
    """

    how: str
    pairs: NDArray[np.int64]


def compared_images(dataset: LoadedDataset, small: NDArray[np.uint8], blank: NDArray[np.bool_]) -> ComparedImages:
    """Return what is compared of the images that are not blank."""
    rows = np.flatnonzero(~blank)
    files = [dataset.files[row] for row in rows]
    fine = thumbnails_of(dataset.pixels, dataset.rows[rows], files, FINE_SIDE)
    return ComparedImages(rows=rows, small=small[rows], fine=fine)


def found_pairs(images: ComparedImages, others: ComparedImages | None, wanted: Wanted) -> tuple[FoundPairs, ...]:
    """Return the near-duplicates, and the transformed copies by kind; each pair is in one of them.

    Args:
        images: of a dataset.
        others: of another one, for the second row of each pair; None to compare the images with each other.
        wanted: which of some pairs of rows are of interest, bool ``[pairs]``.
    """
    second = images if others is None else others

    def rows_of(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.stack([images.rows[pairs[:, 0]], second.rows[pairs[:, 1]]], axis=1)

    pairs = near_pairs(images.small, others.small if others else None)
    near = rows_of(confirmed(pairs[wanted(rows_of(pairs))], images.fine, second.fine))

    def still_wanted(pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
        rows = rows_of(pairs)
        return wanted(rows) & ~np.isin(_code(rows), _code(near))

    copies = transformed_copies(images.fine, others.fine if others else None, still_wanted)
    return FoundPairs(how="", pairs=near), *_by_kind(copies, rows_of(copies.pairs))


def _by_kind(copies: Copies, rows: NDArray[np.int64]) -> Iterator[FoundPairs]:
    upright = copies.quarters == 0
    for how, chosen in (
        ("mirrored", upright & copies.mirrored),
        ("rotated, shifted, zoomed or cropped", upright & ~copies.mirrored),
        ("turned by 90 or 180 degrees or flipped upside down", ~upright),
    ):
        yield FoundPairs(how=how, pairs=rows[chosen])


def _code(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return one number for each pair of rows."""
    return np.asarray((pairs[:, 0] << 32) + pairs[:, 1])
