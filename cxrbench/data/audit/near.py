"""Find the same film in files that differ: re-encoded, rescaled, brightened, turned negative or cropped by a hair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from cxrbench.data.decoding.raster import box_within_bars

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from cxrbench.data.dataset import LoadedDataset

SIDE = 32
"""Height and width of a thumbnail in pixels."""
FREQUENCIES = 16
HASH_DISTANCE = 40
"""Bits, of 255, that the hashes of one film may differ by. Among all 13.6 million pairs of the 5,216 films of Kermany et al.
one pair of different films is as near. Of 300 films, none was further away after JPEG at quality 10 (at most 26), gamma 0.7 or
1.4 (28), noise (14), half the size (10), a border of 1 % cut off (32) or a turn by one degree (36)."""
CORRELATION = 0.98
"""What the thumbnails of one film correlate by at least. Among the same pairs the nearest of different films have 0.975, among
drawn phantoms 0.970; JPEG at quality 10 leaves 0.996, gamma 0.988, a border of 1 % 0.982 in all but one of a hundred."""
BLOCK = 512
"""Rows that are compared with all others at once, which bounds the memory."""


def thumbnails(dataset: LoadedDataset) -> NDArray[np.uint8]:
    """Return every image at ``SIDE`` pixels, uint8 ``[rows, SIDE, SIDE]``, each pixel the mean of what it covers.

    Bars are left out: they would make all padded films resemble each other.
    """
    padded = dataset.pixels.resize == "pad" and dataset.files
    size = dataset.pixels.size
    small = np.empty((len(dataset.rows), SIDE, SIDE), dtype=np.uint8)
    for start in range(0, len(small), BLOCK):
        films = dataset.pixels.array.gather(dataset.rows[start : start + BLOCK])
        for row, film in enumerate(films, start):
            file = dataset.files[row] if padded else None
            box = box_within_bars(file.width, file.height, size) if file else None
            small[row] = np.asarray(Image.fromarray(film).resize((SIDE, SIDE), Image.Resampling.BOX, box=box))
    return small


def standardised(small: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return images as vectors whose products are correlations, float32 ``[rows, SIDE * SIDE]``; of a blank one, zeros."""
    flat = small.reshape(len(small), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(np.divide(flat, length, out=flat, where=length > 0))


def hashes(small: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return perceptual hashes, float32 ``[rows, 255]``: -1 and 1 for low frequencies below and above their median.

    All are 0 for a blank film.

    Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions (2010), section 3.2.1, with 16 x 16 frequencies
    in place of 8 x 8, because all chest films resemble each other.
    """
    from scipy.fft import dctn

    found = np.empty((len(small), FREQUENCIES**2 - 1), dtype=np.float32)
    for start in range(0, len(small), BLOCK):
        waves = dctn(small[start : start + BLOCK].astype(np.float32), axes=(1, 2))[:, :FREQUENCIES, :FREQUENCIES]
        waves = waves.reshape(len(waves), -1)[:, 1:]  # without the mean
        signs = np.where(waves > np.median(waves, axis=1, keepdims=True), 1, -1)
        found[start : start + BLOCK] = signs * waves.any(axis=1, keepdims=True)
    return found


def near_pairs(small: NDArray[np.uint8], others: NDArray[np.uint8] | None = None) -> NDArray[np.int64]:
    """Return the pairs of rows that show one film, as it is or as its negative, int ``[pairs, 2]``.

    Args:
        small: thumbnails.
        others: those of another data set, which the second row of a pair is then from; None to compare rows with later ones.
    """
    found = [pairs for pairs in _pairs(small, others) if len(pairs)]
    return np.concatenate(found) if found else np.zeros((0, 2), dtype=np.int64)


def _pairs(small: NDArray[np.uint8], others: NDArray[np.uint8] | None) -> Iterator[NDArray[np.int64]]:
    mine, second = hashes(small), small if others is None else others
    theirs = mine if others is None else hashes(others)
    for start in range(0, len(mine), BLOCK):
        skipped = start if others is None else 0
        agreement = np.abs(mine[start : start + BLOCK] @ theirs[skipped:].T)  # bits that agree less those that do not
        rows, columns = np.nonzero(agreement >= mine.shape[1] - 2 * HASH_DISTANCE)
        pairs = np.stack([rows + start, columns + skipped], axis=1)
        if others is None:
            pairs = pairs[pairs[:, 0] < pairs[:, 1]]
        for first in range(0, len(pairs), BLOCK):
            some = pairs[first : first + BLOCK]
            correlation = (standardised(small[some[:, 0]]) * standardised(second[some[:, 1]])).sum(axis=1)
            yield some[np.abs(correlation) >= CORRELATION]
