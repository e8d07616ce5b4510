"""Find near-duplicates: images re-encoded, rescaled, brightened, inverted or cropped slightly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrbench.data.audit.registration import alike_in_detail
from cxrbench.data.audit.threads import in_threads
from cxrbench.data.blank import SIDE
from cxrbench.data.thumbnails import thumbnails_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cxrbench.data.dataset import LoadedDataset

FREQUENCIES = 16
HASH_DISTANCE = 40
"""Bits, of 255, by which the hashes of near-duplicates may differ. Of all 13.6 million pairs of the 5,216 images of Kermany et
al., one pair of different images is as near. Of 300 images, none was further away after JPEG at quality 10 (at most 26), gamma
0.7 or 1.4 (28), noise (14), half the size (10), cropping a border of 1 % (32) or rotation by one degree (36)."""
CORRELATION = 0.98
"""Least correlation of the thumbnails of near-duplicates. The nearest different images of the same pairs reach 0.975; of 800
million pairs of drawn images, one reaches 0.98, so that details decide. JPEG at quality 10 leaves 0.996, gamma 0.988, a border
of 1 % 0.982 in all but one of a hundred."""
CONFIRMED_PAIRS = 256
"""Pairs whose details are compared at once."""
COMPARED_ROWS = 512
COMPARED_COLUMNS = 2048
"""Rows and columns that a thread compares at once; bound the memory."""


def thumbnails(dataset: LoadedDataset) -> NDArray[np.uint8]:
    """Return a thumbnail of every image, uint8 ``[rows, SIDE, SIDE]``."""
    return thumbnails_of(dataset.pixels, dataset.rows, dataset.files, SIDE)


def standardised(small: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return images as vectors whose dot products are correlations, float32 ``[rows, SIDE * SIDE]``; zeros if blank."""
    flat = small.reshape(len(small), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(np.divide(flat, length, out=flat, where=length > 0))


def hashes(small: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return perceptual hashes, float32 ``[rows, 255]``: -1 and 1 for low frequencies below and above their median.

    The hash of a blank image is all 0. Source: Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions
    (2010), section 3.2.1, with 16 x 16 frequencies instead of 8 x 8, because all chest X-rays are similar.
    """
    from scipy.fft import dctn

    codes = np.empty((len(small), FREQUENCIES**2 - 1), dtype=np.float32)
    for start in range(0, len(small), COMPARED_ROWS):
        waves = dctn(small[start : start + COMPARED_ROWS].astype(np.float32), axes=(1, 2))[:, :FREQUENCIES, :FREQUENCIES]
        waves = waves.reshape(len(waves), -1)[:, 1:]  # without the mean
        signs = np.where(waves > np.median(waves, axis=1, keepdims=True), 1, -1)
        codes[start : start + COMPARED_ROWS] = signs * waves.any(axis=1, keepdims=True)
    return codes


def near_pairs(small: NDArray[np.uint8], others: NDArray[np.uint8] | None = None) -> NDArray[np.int64]:
    """Return the pairs of rows that are near-duplicates, inverted or not, int ``[pairs, 2]``.

    Args:
        small: thumbnails.
        others: thumbnails of another dataset, for the second row of each pair; None to compare rows with later rows.
    """
    first = hashes(small)
    second = first if others is None else hashes(others)

    def pairs_of(start: int) -> NDArray[np.int64]:
        pairs = _with_similar_hashes(first[start : start + COMPARED_ROWS], second, start if others is None else 0)
        pairs[:, 0] += start
        later = pairs[pairs[:, 0] < pairs[:, 1]] if others is None else pairs
        return later[_correlated(small, small if others is None else others, later)]

    found = [np.zeros((0, 2), dtype=np.int64), *in_threads(pairs_of, range(0, len(small), COMPARED_ROWS))]
    pairs = np.concatenate(found)
    return np.asarray(pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))])


def confirmed(pairs: NDArray[np.int64], fine: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the pairs whose details are the same, too: among a billion pairs, some thumbnails are alike by chance.

    Args:
        pairs: that `near_pairs` found.
        fine: thumbnails of the images, uint8 ``[rows, 64, 64]``.
        others: those of the dataset of each second row.
    """

    def confirmed_from(start: int) -> NDArray[np.int64]:
        block = pairs[start : start + CONFIRMED_PAIRS]
        images, templates = fine[block[:, 0]].astype(np.float32), others[block[:, 1]].astype(np.float32)
        return block[alike_in_detail(images, templates)]

    return np.concatenate([pairs[:0], *in_threads(confirmed_from, range(0, len(pairs), CONFIRMED_PAIRS))])


def _with_similar_hashes(codes: NDArray[np.float32], others: NDArray[np.float32], skipped: int) -> NDArray[np.int64]:
    """Return the pairs of rows whose hashes, or the hash of one and the inverted other, are similar; others are skipped."""
    found = [np.zeros((0, 2), dtype=np.int64)]
    for start in range(skipped, len(others), COMPARED_COLUMNS):
        agreement = codes @ others[start : start + COMPARED_COLUMNS].T  # equal minus different bits
        rows, columns = np.nonzero(np.abs(agreement, out=agreement) >= codes.shape[1] - 2 * HASH_DISTANCE)
        found.append(np.stack([rows, columns + start], axis=1))
    return np.concatenate(found)


def _correlated(small: NDArray[np.uint8], second: NDArray[np.uint8], pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    correlated = np.zeros(len(pairs), dtype=bool)
    for start in range(0, len(pairs), COMPARED_ROWS):
        block = pairs[start : start + COMPARED_ROWS]
        correlation = (standardised(small[block[:, 0]]) * standardised(second[block[:, 1]])).sum(axis=1)
        correlated[start : start + COMPARED_ROWS] = np.abs(correlation) >= CORRELATION
    return correlated
