"""Recognise images that show nothing: empty, of one grey level, or of a few flat areas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrbench.data.groups import repeated
from cxrbench.data.thumbnails import thumbnails_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cxrbench.data.decoding.facts import FileFacts
    from cxrbench.data.decoding.pixels import Pixels

SIDE = 32
"""Height and width in pixels of the thumbnails that are looked at: small, so that noise averages out."""
BAND = 6
"""Grey levels of a band."""
BANDS = 3
"""Black, white and one more: a card, a padded one, half black and half white."""
COVERED = 0.9
"""Share of a blank thumbnail in its bands; the rest may be a marker. The 5,216 images of Kermany et al. reach 0.62."""
AT_ONCE = 512
"""Thumbnails looked at together; bounds the memory."""


def blank_images(small: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which thumbnails are blank, bool ``[rows]``: as they are, or without an even gradient such as the heel effect.

    Args:
        small: uint8 ``[rows, SIDE, SIDE]``.
    """
    blank = np.zeros(len(small), dtype=bool)
    for start in range(0, len(small), AT_ONCE):
        grey = small[start : start + AT_ONCE].reshape(-1, SIDE * SIDE).astype(np.float32)
        blank[start : start + AT_ONCE] = (_covered(grey, BANDS) >= COVERED) | (_covered(_levelled(grey), 1) >= COVERED)
    return blank


def blank_copies(pixels: Pixels, rows: NDArray[np.int64], files: Sequence[FileFacts]) -> NDArray[np.bool_]:
    """Return which rows are blank and have the same pixels as another row, bool ``[rows]``; only copies are read."""
    digests = np.unique([file.pixels for file in files], return_inverse=True)[1].astype(np.int64)
    blank, copied = np.zeros(len(files), dtype=bool), np.flatnonzero(repeated(digests))
    _, first, place = np.unique(digests[copied], return_index=True, return_inverse=True)
    shown = copied[first]
    blank[copied] = blank_images(thumbnails_of(pixels, rows[shown], [files[row] for row in shown], SIDE))[place]
    return blank


def _covered(grey: NDArray[np.float32], bands: int) -> NDArray[np.float64]:
    """Return the share of the pixels of each image in its fullest bands of grey levels, float ``[rows]``."""
    levels = np.rint(grey).astype(np.int64).clip(0, 255)
    counts = np.bincount((levels + 256 * np.arange(len(grey))[:, None]).ravel(), minlength=256 * len(grey)).reshape(-1, 256)
    covered = np.zeros(len(grey))
    for _ in range(bands):
        sums = np.cumsum(np.pad(counts, ((0, 0), (1, BAND - 1))), axis=1)
        windows = sums[:, BAND:] - sums[:, :-BAND]
        start = windows.argmax(axis=1)
        covered += windows.max(axis=1)
        counts[(np.arange(256) >= start[:, None]) & (np.arange(256) < start[:, None] + BAND)] = 0
    return np.asarray(covered / grey.shape[1])


def _levelled(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return images without their best-fitting plane, around a middle grey."""
    down, across = np.indices((SIDE, SIDE), dtype=np.float32).reshape(2, -1)
    plane = np.linalg.qr(np.stack([np.ones_like(down), down, across], axis=1))[0]
    return np.asarray(grey - (grey @ plane) @ plane.T + 127, dtype=np.float32)
