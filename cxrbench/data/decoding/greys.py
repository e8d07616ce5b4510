"""Turn numbers of any range into greys in 0..255."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from cxrbench.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cxrbench.data.decoding.meaning import Meaning


def numbers_to_grey(image: Image.Image, meaning: Meaning) -> Image.Image:
    """Return numbers of any range in grey."""
    numbers = np.asarray(image)
    if meaning.signed:
        numbers = numbers.view(np.int8)
        if numbers.min() >= 0:  # like 8-bit values of any other file
            return image
    values = numbers.astype(np.float64)
    if meaning.unsigned:
        values %= 2.0**32
    grey = eight_bits(values, None if meaning.transparent is None else values == meaning.transparent)
    return Image.fromarray(255 - grey if meaning.inverted else grey)


def with_transparent(image: Image.Image, grey: int) -> Image.Image:
    """Return a PNG of 1, 2 or 4 bits in 8 bits, with its transparent grey."""
    scaled = image.convert("L")  # Pillow leaves the transparent grey of 1, 2 and 4 bits as it is stored
    scaled.info["transparency"] = grey
    return scaled


def eight_bits(values: NDArray[np.float64], absent: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """Scale values to 0..255 with black and white at the 0.5th and 99.5th percentile, so that outliers do not set the scale.

    Args:
        values: of each pixel.
        absent: which pixels do not belong to the image: they do not count, and are black.
    """
    present = values if absent is None else values[~absent]
    if not present.size:
        raise DataError("has no pixels besides transparent ones or padding")
    if not np.isfinite(present).all():
        raise DataError("has values that are not finite numbers")
    low, high = np.percentile(present, (0.5, 99.5))
    grey = np.asarray(((present - low) / max(high - low, 1e-9) * 255).clip(0, 255).round(), dtype=np.uint8)
    if absent is None:
        return grey
    canvas = np.zeros(values.shape, dtype=np.uint8)
    canvas[~absent] = grey
    return canvas
