"""Reduce large images, up to a thousand megapixels, in bounded memory; refuse decompression bombs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from cxrbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

LARGE_PIXELS = 89_478_485
"""Above this number Pillow itself warns."""
LARGEST_IMAGE_BYTES = 2**31
"""In memory; enough for 30,000 by 30,000 grey pixels of 16 bits."""
BOMB_RATIO = 500
"""Most pixels per byte of the file; no X-ray compresses that well."""
STRIP_PIXELS = 2**24
"""Pixels that are processed at once."""


def is_large(image: Image.Image) -> bool:
    """Return whether an image is too large to be in memory twice."""
    return image.width * image.height > LARGE_PIXELS


def check_size(image: Image.Image, stored: int) -> None:
    """Raise DataError for a decompression bomb and for an image that needs too much memory.

    Args:
        image: opened, not decoded.
        stored: size of its file in bytes.
    """
    if not is_large(image):
        return
    claim = f"{image.width:,} x {image.height:,} pixels"
    needed = image.width * image.height * _bytes_per_pixel(image)
    if image.width * image.height > BOMB_RATIO * stored:
        raise DataError(f"is a decompression bomb: {stored:,} bytes claim to be {claim}")
    if needed > LARGEST_IMAGE_BYTES:
        raise DataError(
            f"is too large: {claim} take {needed / 1e9:.1f} GB, the limit is {LARGEST_IMAGE_BYTES / 1e9:.1f}: reduce it"
        )


def _is_scaled_by_libjpeg(image: Image.Image) -> bool:
    """Return whether libjpeg scales an image row by row while decoding."""
    return isinstance(image, JpegImageFile) and image.mode in {"L", "RGB"} and not image.info.get("progressive")


def _bytes_per_pixel(image: Image.Image) -> float:
    if _is_scaled_by_libjpeg(image):
        return 4 / 64
    if isinstance(image, JpegImageFile):  # it holds all coefficients before the first pixel
        return 2 * len(image.getbands()) + 4 / 64
    if image.mode.startswith("I;16"):
        return 2
    return 1 if image.mode in {"1", "L", "P"} else 4


def reduced(image: Image.Image, size: int, flat: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Reduce an image by block means, strip by strip, to at least eight times the wanted size on both sides.

    Args:
        image: opened, of any mode.
        size: size it will be resized to.
        flat: applied to each strip first.
    """
    factor = max(1, min(image.size) // (8 * size))
    height = max(factor, STRIP_PIXELS // image.width // factor * factor)
    image.load()
    strips = []
    for top in range(0, image.height, height):
        strip = image.crop((0, top, image.width, min(top + height, image.height)))
        strips.append(_block_means(strip, factor) if image.mode[0] in "IF" else flat(strip).reduce(factor))
    canvas = Image.new(strips[0].mode, (strips[0].width, sum(strip.height for strip in strips)))
    top = 0
    for strip in strips:
        canvas.paste(strip, (0, top))
        top += strip.height
    return canvas


def _block_means(strip: Image.Image, factor: int) -> Image.Image:
    """Return the means of blocks of numbers; incomplete blocks at the right and at the bottom are dropped."""
    values = np.asarray(strip, dtype=np.float32)
    rows, columns = (max(1, side // factor) for side in values.shape)
    blocks = values[: rows * factor, : columns * factor].reshape(rows, -1, columns, min(factor, values.shape[1]))
    return Image.fromarray(blocks.mean(axis=(1, 3), dtype=np.float64).astype(np.float32))
