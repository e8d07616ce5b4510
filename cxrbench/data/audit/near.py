"""Find near-duplicates: images re-encoded, rescaled, brightened, inverted or cropped slightly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from cxrbench.data.decoding.raster import box_within_padding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from cxrbench.data.dataset import LoadedDataset

SIDE = 32
"""Height and width of a thumbnail in pixels."""
FREQUENCIES = 16
HASH_DISTANCE = 40
"""Bits, of 255, by which the hashes of near-duplicates may differ. Of all 13.6 million pairs of the 5,216 images of Kermany et
al., one pair of different images is as near. Of 300 images, none was further away after JPEG at quality 10 (at most 26), gamma
0.7 or 1.4 (28), noise (14), half the size (10), cropping a border of 1 % (32) or rotation by one degree (36)."""
CORRELATION = 0.98
"""Least correlation of the thumbnails of near-duplicates. The nearest different images of the same pairs reach 0.975, those of
drawn phantoms 0.970. JPEG at quality 10 leaves 0.996, gamma 0.988, a border of 1 % 0.982 in all but one of a hundred."""
COMPARED_ROWS = 512
"""Rows compared with all others at once; bounds the memory."""


def thumbnails(dataset: LoadedDataset) -> NDArray[np.uint8]:
    """Return a thumbnail of every image, uint8 ``[rows, SIDE, SIDE]``, each pixel the mean of the pixels it covers.

    Padding is cropped: it would make all padded images similar.
    """
    padded = dataset.pixels.resize == "pad" and dataset.files
    size = dataset.pixels.size
    small = np.empty((len(dataset.rows), SIDE, SIDE), dtype=np.uint8)
    for start in range(0, len(small), COMPARED_ROWS):
        images = dataset.pixels.array.gather(dataset.rows[start : start + COMPARED_ROWS])
        for row, image in enumerate(images, start):
            file = dataset.files[row] if padded else None
            box = box_within_padding(file.width, file.height, size) if file else None
            small[row] = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BOX, box=box))
    return small


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
    blocks = [pairs for pairs in _pairs(small, others) if len(pairs)]
    return np.concatenate(blocks) if blocks else np.zeros((0, 2), dtype=np.int64)


def _pairs(small: NDArray[np.uint8], others: NDArray[np.uint8] | None) -> Iterator[NDArray[np.int64]]:
    first_hashes, second = hashes(small), small if others is None else others
    second_hashes = first_hashes if others is None else hashes(others)
    for start in range(0, len(first_hashes), COMPARED_ROWS):
        skipped = start if others is None else 0
        agreement = np.abs(
            first_hashes[start : start + COMPARED_ROWS] @ second_hashes[skipped:].T
        )  # equal minus different bits
        rows, columns = np.nonzero(agreement >= first_hashes.shape[1] - 2 * HASH_DISTANCE)
        pairs = np.stack([rows + start, columns + skipped], axis=1)
        if others is None:
            pairs = pairs[pairs[:, 0] < pairs[:, 1]]
        for first in range(0, len(pairs), COMPARED_ROWS):
            block = pairs[first : first + COMPARED_ROWS]
            correlation = (standardised(small[block[:, 0]]) * standardised(second[block[:, 1]])).sum(axis=1)
            yield block[np.abs(correlation) >= CORRELATION]
