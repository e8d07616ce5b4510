"""Small versions of decoded images, to compare images with each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from cxrbench.data.decoding.raster import box_within_padding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cxrbench.data.decoding.facts import FileFacts
    from cxrbench.data.decoding.pixels import Pixels

READ_ROWS = 512
"""Images read at once; bounds the memory."""


def thumbnails_of(pixels: Pixels, rows: NDArray[np.int64], files: Sequence[FileFacts], side: int) -> NDArray[np.uint8]:
    """Return a thumbnail of each image, uint8 ``[rows, side, side]``, each pixel the mean of the pixels it covers.

    Padding is cropped: it would make all padded images similar.

    Args:
        pixels: decoded images.
        rows: the images to read, int.
        files: properties of the file of each row; empty if unknown.
        side: height and width of a thumbnail in pixels.
    """
    padded = pixels.resize == "pad" and files
    small = np.empty((len(rows), side, side), dtype=np.uint8)
    for start in range(0, len(small), READ_ROWS):
        for row, image in enumerate(pixels.array.gather(rows[start : start + READ_ROWS]), start):
            box = box_within_padding(files[row].width, files[row].height, pixels.size) if padded else None
            small[row] = thumbnail(image, side, box)
    return small


def thumbnail(image: NDArray[np.uint8], side: int, box: tuple[float, float, float, float] | None = None) -> NDArray[np.uint8]:
    """Return an image, or the part of it in a box, as uint8 ``[side, side]``."""
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BOX, box=box))
