"""Decode one image into a grey square of the protocol's size."""

from __future__ import annotations

import io
import warnings
from threading import Lock
from typing import TYPE_CHECKING, Literal

import numpy as np
import PIL
from PIL import Image

from cxrbench.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

DECODER = f"pillow-{PIL.__version__} grey-bilinear-2"
"""What the pixels depend on besides the file: part of every cache key."""


_OPENING = Lock()
"""Python's warning filters belong to the whole process, and images are opened in several threads."""


def decode(source: Path | bytes | NDArray[np.uint8], *, size: int, resize: Literal["stretch", "pad"]) -> NDArray[np.uint8]:
    """Return the image as uint8 ``[size, size]`` grey; raise DataError with the reason if it cannot be read whole."""
    try:
        return np.asarray(_resized(_grey(_opened(source), size), size, resize))
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(_reason(error)) from None


def _opened(source: Path | bytes | NDArray[np.uint8]) -> Image.Image:
    if isinstance(source, np.ndarray):
        return Image.fromarray(source)
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)


def _grey(image: Image.Image, size: int) -> Image.Image:
    if image.mode[0] in "IF":  # 10 to 16 bits, wherever in the range they lie
        return Image.fromarray(_eight_bits(np.asarray(image, dtype=np.float64)))
    if "transparency" in image.info:
        image = image.convert("RGBA")
    image.draft("L", (size, size))  # a JPEG is then decoded at 1/2, 1/4 or 1/8, never below the wanted size
    return image.convert("L")


def _eight_bits(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return greys in 0..255, black and white at the 0.5th and 99.5th percentile: no hot pixel sets the scale."""
    low, high = np.percentile(values, (0.5, 99.5))
    return np.asarray(((values - low) / max(high - low, 1e-9) * 255).clip(0, 255).round(), dtype=np.uint8)


def _resized(image: Image.Image, size: int, resize: Literal["stretch", "pad"]) -> Image.Image:
    if image.size == (size, size):
        return image
    if resize == "stretch":
        return image.resize((size, size), Image.Resampling.BILINEAR)
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    canvas = Image.new("L", (size, size))
    canvas.paste(image.resize((width, height), Image.Resampling.BILINEAR), ((size - width) // 2, (size - height) // 2))
    return canvas


def _reason(error: BaseException) -> str:
    if isinstance(error, PIL.UnidentifiedImageError):
        return "is no image of a known format"
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    return str(error).strip() or type(error).__name__
