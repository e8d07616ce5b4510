"""Films of up to a thousand megapixels in bounded memory, and bombs refused before anything is unpacked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from cxrbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

LARGE = 89_478_485
"""Pixels above which Pillow itself warns."""
MOST_BYTES = 2**31
"""Of an image in memory: enough for 30,000 by 30,000 grey pixels of 16 bits."""
BOMB = 500
"""How many times its file a large image may be: no film is that empty."""
STRIP = 2**24
"""Pixels that are worked on at once."""


def is_large(image: Image.Image) -> bool:
    """Tell whether an image must not be held in memory twice."""
    return image.width * image.height > LARGE


def check_size(image: Image.Image, stored: int) -> None:
    """Raise DataError for a large image whose file is too small for it, or that needs too much memory.

    Args:
        image: opened, not unpacked.
        stored: bytes of its file.
    """
    if not is_large(image):
        return
    claim = f"{image.width:,} x {image.height:,} pixels"
    needed = image.width * image.height * _bytes_a_pixel(image)
    if image.width * image.height > BOMB * stored:
        raise DataError(f"is a decompression bomb: {stored:,} bytes that claim to be {claim}")
    if needed > MOST_BYTES:
        raise DataError(
            f"is too large: {claim} take {needed / 1e9:.1f} GB, and {MOST_BYTES / 1e9:.1f} is the most: save it smaller"
        )


def _is_scaled(image: Image.Image) -> bool:
    """Tell whether libjpeg scales an image as it unpacks it, row by row."""
    return isinstance(image, JpegImageFile) and image.mode in {"L", "RGB"} and not image.info.get("progressive")


def _bytes_a_pixel(image: Image.Image) -> float:
    if _is_scaled(image):
        return 4 / 64
    if isinstance(image, JpegImageFile):  # all coefficients before the first pixel
        return 2 * len(image.getbands()) + 4 / 64
    if image.mode.startswith("I;16"):
        return 2
    return 1 if image.mode in {"1", "L", "P"} else 4


def reduced(image: Image.Image, size: int, flat: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Return the mean of blocks of pixels, at least eight times the wanted size on both sides, taken strip by strip.

    Args:
        image: opened, of any mode.
        size: that it will be resized to.
        flat: what is done to each strip before.
    """
    factor = max(1, min(image.size) // (8 * size))
    height = max(factor, STRIP // image.width // factor * factor)
    image.load()
    strips = []
    for top in range(0, image.height, height):
        strip = image.crop((0, top, image.width, min(top + height, image.height)))
        strips.append(_means(strip, factor) if image.mode[0] in "IF" else flat(strip).reduce(factor))
    canvas = Image.new(strips[0].mode, (strips[0].width, sum(strip.height for strip in strips)))
    top = 0
    for strip in strips:
        canvas.paste(strip, (0, top))
        top += strip.height
    return canvas


def _means(strip: Image.Image, factor: int) -> Image.Image:
    """Return the means of blocks of numbers; what is left over at the right and below, less than a block, is left out."""
    values = np.asarray(strip, dtype=np.float32)
    rows, columns = (max(1, side // factor) for side in values.shape)
    blocks = values[: rows * factor, : columns * factor].reshape(rows, -1, columns, min(factor, values.shape[1]))
    return Image.fromarray(blocks.mean(axis=(1, 3), dtype=np.float64).astype(np.float32))
